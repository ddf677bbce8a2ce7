//! TLS for the backends of `parallel-requests`: one rustls configuration for all of them.
//!
//! Whoever writes a backend comes here. A [`TlsContext`] is made once of a transport's
//! [`TlsConfig`](pr_core::TlsConfig) and gives out the [`rustls::ClientConfig`] for each handshake;
//! [`server_name`] says whom to verify, and [`handshake_error`] turns a failed handshake into the
//! error that every backend reports for it.
//!
//! What holds for every configuration:
//!
//! - The provider of cryptography is aws-lc-rs, always named explicitly. The process-wide default
//!   of rustls is neither used nor installed, so nothing that a program does with it matters here.
//! - TLS 1.3 and, unless the settings say otherwise, TLS 1.2; nothing older.
//! - Certificates are verified against the operating system's trust store, against given
//!   certificates, or against both. Revocation is not checked on Linux; on macOS and Windows it is
//!   as the system does.
//! - Sessions are resumed only between handshakes of the same settings, client certificate
//!   included, the same verification and the same protocols: each such set has a session cache of
//!   its own.
//!
//! ```
//! use pr_core::TlsConfig;
//! use pr_tls::{Alpn, TlsContext};
//!
//! let tls = TlsContext::new(&TlsConfig::default())?;
//! let config = tls.client_config(None, false, Alpn::Http1)?;
//! assert_eq!(config.alpn_protocols, [b"http/1.1"]);
//! # Ok::<(), pr_core::BackendError>(())
//! ```

mod context;
mod handshake;
mod identity;
mod recent;
mod server_name;
mod trust;
mod unverified;

pub use rustls;

pub use self::{
    context::{Alpn, TlsContext},
    handshake::{handshake_error, tls_failure},
    server_name::{proxy_name, server_name},
};
