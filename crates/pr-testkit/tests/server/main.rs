//! The servers, checked by a client that shares no code with the project's own: reqwest.

mod delaying_proxy;
mod failures;
mod ledger;
mod protocols;
mod routes;
mod scripted;
mod streaming;
mod support;
