//! A certificate with its key, as a server or client shows it.

use std::sync::Arc;

use rcgen::{Certificate, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{new_key, server_params};

/// A certificate and its private key. Clones share them.
///
/// ```
/// use pr_testkit::{Identity, Server, TestCa};
///
/// // Each of these is refused by a client that trusts `TestCa::shared()` and connects to 127.0.0.1.
/// for bad in [
///     TestCa::shared().issue_expired(&["127.0.0.1"]),
///     TestCa::shared().issue(&["elsewhere.example"]),
///     TestCa::generate().issue(&["127.0.0.1"]),
///     Identity::self_signed(&["127.0.0.1"]),
/// ] {
///     let server = Server::builder().tls(bad).start();
///     assert!(server.url("/").starts_with("https://"));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Identity {
    inner: Arc<IdentityInner>,
}

#[derive(Clone, Debug)]
struct IdentityInner {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    intermediates: Vec<CertificateDer<'static>>,
    key_pem: String,
    key_der: Vec<u8>,
}

impl Identity {
    /// A certificate for these DNS names and IP addresses that nobody vouches for.
    ///
    /// # Panics
    ///
    /// If a name is not ASCII.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = new_key();
        let certificate = server_params(names)
            .self_signed(&key)
            .expect("the parameters were checked when the names were read");
        Self::new(&certificate, Vec::new(), &key)
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.inner.certificate_pem
    }

    /// The certificate in DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.inner.certificate
    }

    /// The private key as PKCS #8 in PEM.
    pub fn key_pem(&self) -> &str {
        &self.inner.key_pem
    }

    /// The private key as PKCS #8 in DER.
    pub fn key_der(&self) -> &[u8] {
        &self.inner.key_der
    }

    /// The same without the certificates between it and its authority, so that clients do not get
    /// from the one to the other: what servers with an incomplete chain send.
    ///
    /// ```
    /// use pr_testkit::{Server, TestCa};
    ///
    /// let whole = TestCa::shared().issue_through_intermediate(&["localhost", "127.0.0.1"]);
    /// let good = Server::builder().tls(whole.clone()).start();
    /// let bad = Server::builder().tls(whole.without_intermediates()).start();
    /// # drop((good, bad));
    /// ```
    pub fn without_intermediates(&self) -> Self {
        Self {
            inner: Arc::new(IdentityInner {
                intermediates: Vec::new(),
                ..(*self.inner).clone()
            }),
        }
    }

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        let own = std::iter::once(&self.inner.certificate);
        own.chain(&self.inner.intermediates).cloned().collect()
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.inner.key_der.clone()).into()
    }

    pub(super) fn new(
        certificate: &Certificate,
        intermediates: Vec<CertificateDer<'static>>,
        key: &KeyPair,
    ) -> Self {
        Self {
            inner: Arc::new(IdentityInner {
                certificate_pem: certificate.pem(),
                certificate: certificate.der().clone(),
                intermediates,
                key_pem: key.serialize_pem(),
                key_der: key.serialize_der(),
            }),
        }
    }
}
