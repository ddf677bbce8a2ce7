//! TLS settings as a user describes them: whom to trust, who to be, which versions, what to offer.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{BackendError, ErrorKind};

/// The TLS settings of connections.
///
/// Set for a whole backend by [`TransportConfig::tls`](crate::TransportConfig::tls), or for one
/// request by [`RequestConfig::tls`](crate::RequestConfig::tls). Requests with different settings
/// never share a connection, nor a TLS session. Clones are cheap; keep one and clone it rather than
/// build equal ones again and again.
///
/// Whether certificates are verified at all is apart, in
/// [`RequestConfig::verify_ssl`](crate::RequestConfig::verify_ssl). `Debug` output shows no key.
///
/// | Setting | Default |
/// |---|---|
/// | roots | the system's trust store |
/// | identity | none: no client certificate |
/// | minimum version | TLS 1.2; there is nothing older |
/// | ALPN | what the backend speaks |
///
/// ```
/// use pr_core::{TlsConfig, TlsVersion};
///
/// let strict = TlsConfig::default().min_version(TlsVersion::Tls13);
/// assert_ne!(strict, TlsConfig::default());
/// assert_eq!(strict, strict.clone());
/// ```
#[derive(Clone, Default)]
pub struct TlsConfig {
    inner: Arc<Inner>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Inner {
    roots: Roots,
    identity: Option<Identity>,
    min_version: TlsVersion,
    alpn: Option<Vec<Vec<u8>>>,
}

impl TlsConfig {
    /// Sets the certificate authorities to trust.
    pub fn roots(mut self, roots: Roots) -> Self {
        self.change().roots = roots;
        self
    }

    /// Sets the certificate that is shown to peers that ask for one.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.change().identity = Some(identity);
        self
    }

    /// Sets the oldest version that will do.
    pub fn min_version(mut self, version: TlsVersion) -> Self {
        self.change().min_version = version;
        self
    }

    /// Offers exactly these protocols by ALPN (RFC 7301), the preferred one first, in place of what
    /// the backend would: `["http/1.1"]`, for instance, or none at all.
    ///
    /// A peer that picks `h2` where the backend speaks HTTP/1.1 only is an error of kind
    /// [`Tls`](ErrorKind::Tls); one that picks anything else, or nothing, gets HTTP/1.1.
    pub fn alpn<P: Into<Vec<u8>>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.change().alpn = Some(protocols.into_iter().map(Into::into).collect());
        self
    }

    /// The certificate authorities to trust.
    pub fn roots_setting(&self) -> &Roots {
        &self.inner.roots
    }

    /// The certificate that is shown to peers that ask for one.
    pub fn identity_setting(&self) -> Option<&Identity> {
        self.inner.identity.as_ref()
    }

    /// The oldest version that will do.
    pub fn min_version_setting(&self) -> TlsVersion {
        self.inner.min_version
    }

    /// The protocols to offer, if they were set.
    pub fn alpn_setting(&self) -> Option<&[Vec<u8>]> {
        self.inner.alpn.as_deref()
    }

    /// Refuses what cannot work, with kind [`Config`](ErrorKind::Config). Certificates and keys are
    /// read when a backend first needs them.
    pub fn validate(&self) -> Result<(), BackendError> {
        let refuse = |what: &'static str| Err(BackendError::new(ErrorKind::Config, what));
        if matches!(&self.inner.roots, Roots::Only(roots) if roots.is_empty()) {
            return refuse("Roots::Only holds no certificate, so that no peer could be trusted");
        }
        let fits = |name: &Vec<u8>| (1..=255).contains(&name.len());
        if !self.inner.alpn.iter().flatten().all(fits) {
            return refuse("a protocol's name for ALPN has 1 to 255 bytes (RFC 7301, section 3.1)");
        }
        Ok(())
    }

    fn change(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.inner)
    }
}

impl PartialEq for TlsConfig {
    fn eq(&self, other: &Self) -> bool {
        // Connections are looked up by these, and mostly it is the very same.
        Arc::ptr_eq(&self.inner, &other.inner) || self.inner == other.inner
    }
}

impl Eq for TlsConfig {}

impl Hash for TlsConfig {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Certificates are long, and this is hashed for each request: what is short has to do.
        self.inner.min_version.hash(state);
        self.inner.identity.is_some().hash(state);
        self.inner.alpn.hash(state);
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            roots,
            identity,
            min_version,
            alpn,
        } = &*self.inner;
        let alpn = alpn.as_ref().map(|names| {
            let shown = names.iter().map(|name| name.escape_ascii().to_string());
            shown.collect::<Vec<_>>()
        });
        f.debug_struct("TlsConfig")
            .field("roots", roots)
            .field("identity", identity)
            .field("min_version", min_version)
            .field("alpn", &alpn)
            .finish()
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// The certificate authorities that a backend trusts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The system's.
    #[default]
    System,
    /// The system's and these.
    SystemAnd(Vec<Certificate>),
    /// Only these.
    Only(Vec<Certificate>),
}

/// An X.509 certificate.
///
/// ```
/// use pr_core::Certificate;
///
/// let error = Certificate::from_pem_bundle(b"no certificate").unwrap_err();
/// assert!(error.message().contains("no certificate"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
}

impl Certificate {
    /// A certificate in DER form. It is checked when a backend is made of it.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Self {
        Self { der: der.into() }
    }

    /// All certificates of a PEM text, such as a `ca.pem` file.
    ///
    /// Broken PEM, or none at all, is an error of kind [`Config`](ErrorKind::Config).
    pub fn from_pem_bundle(pem: &[u8]) -> Result<Vec<Self>, BackendError> {
        let certificates: Vec<Self> = CertificateDer::pem_slice_iter(pem)
            .map(|der| der.map(|der| Self { der: der.to_vec() }))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                BackendError::new(ErrorKind::Config, "the PEM text is broken")
                    .with_source(error.to_string())
            })?;
        if certificates.is_empty() {
            return Err(BackendError::new(
                ErrorKind::Config,
                "the PEM text holds no certificate (no BEGIN CERTIFICATE line)",
            ));
        }
        Ok(certificates)
    }

    /// The DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} bytes of DER)", self.der.len())
    }
}

/// A client's certificate with its private key, for peers that ask for one (mutual TLS).
///
/// `Debug` output does not show the key.
///
/// ```
/// use pr_core::Identity;
///
/// let error = Identity::from_pem(b"no certificate", b"no key").unwrap_err();
/// assert!(error.message().contains("no certificate"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    chain: Vec<Certificate>,
    key: Arc<Key>,
}

impl Identity {
    /// The certificate, followed by those that lead from it to a root, and the private key, in
    /// PEM form (PKCS #8, PKCS #1 or SEC 1). Both may be in one text: then give it twice.
    ///
    /// Broken PEM, or a text without certificate or key, is an error of kind
    /// [`Config`](ErrorKind::Config). Whether they belong together is seen when a backend first
    /// uses them.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, BackendError> {
        let chain = Certificate::from_pem_bundle(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            // Without the cause, which might quote the key.
            BackendError::new(
                ErrorKind::Config,
                "the PEM text holds no private key, or a broken one (PKCS #8, PKCS #1 and SEC 1 \
                 are read; an encrypted one must be decrypted first)",
            )
        })?;
        Ok(Self {
            chain,
            key: Arc::new(Key(key)),
        })
    }

    /// The certificates, the client's own first.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The **private key**: for handshakes, never for a message.
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key.0
    }
}

struct Key(PrivateKeyDer<'static>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0.secret_der() == other.0.secret_der()
    }
}

impl Eq for Key {}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates and a key)", self.chain.len())
    }
}
