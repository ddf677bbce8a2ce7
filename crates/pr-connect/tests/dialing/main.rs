//! Dialing peers and proxies on loopback: those that answer, those that refuse, those that lie and
//! those that stall.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

mod addresses;
mod connect;
mod failed_hops;
#[cfg(feature = "hickory")]
mod hickory;
mod http_proxy;
mod https_proxy;
mod names;
mod parts;
mod socks;
mod support;
mod timings;
mod tls;
mod tunnel_answers;
#[cfg(unix)]
mod unix;
