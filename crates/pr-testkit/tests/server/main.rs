//! The servers, checked by a client that shares no code with the project's own: reqwest.

mod delaying_proxy;
mod encodings;
mod failures;
mod fields;
mod ledger;
mod protocols;
mod proxies;
mod proxies_raw;
mod routes;
mod scripted;
mod streaming;
mod support;
mod tls;
