//! From TLS settings to rustls configurations, one for each setting, so that sessions stay apart.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use pr_core::{BackendError, ErrorKind, Roots, TlsConfig, TlsVersion};
use rustls::{
    ClientConfig, SupportedProtocolVersion,
    client::danger::ServerCertVerifier,
    crypto::{CryptoProvider, aws_lc_rs},
    sign::SingleCertAndKey,
    version::{TLS12, TLS13},
};

use crate::{identity, recent::Recent, trust::Trust, unverified::AnyCertificate};

/// Which protocols a handshake offers by ALPN (RFC 7301).
///
/// ```
/// use pr_tls::Alpn;
///
/// assert_eq!(Alpn::Http2OrHttp1.protocols(), [&b"h2"[..], b"http/1.1"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/1.1 only.
    Http1,
    /// HTTP/2 by preference, otherwise HTTP/1.1.
    Http2OrHttp1,
}

impl Alpn {
    /// The names as they stand in the handshake, the preferred one first.
    pub const fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[b"http/1.1"],
            Self::Http2OrHttp1 => &[b"h2", b"http/1.1"],
        }
    }
}

/// The TLS configurations of one backend, made when they are first asked for and kept.
///
/// The system's trust store is read the first time that a verified configuration which trusts it
/// is asked for; a backend that speaks plain HTTP only never reads it. Clones share everything.
///
/// ```
/// use pr_core::{Certificate, ErrorKind, Roots, TlsConfig};
/// use pr_tls::TlsContext;
///
/// let broken = Roots::Only(vec![Certificate::from_der(*b"no certificate")]);
/// let error = TlsContext::new(&TlsConfig::default().roots(broken)).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// ```
#[derive(Clone)]
pub struct TlsContext {
    inner: Arc<Inner>,
}

struct Inner {
    provider: Arc<CryptoProvider>,
    default: TlsConfig,
    made: Mutex<Made>,
}

/// What has been made so far.
struct Made {
    verifiers: Recent<Roots, Arc<dyn ServerCertVerifier>>,
    configs: Recent<Setting, Arc<ClientConfig>>,
}

/// How many configurations are kept, each with the sessions that it may resume. Whoever uses more
/// settings than these at a time shakes hands in full.
const CONFIGS: usize = 64;
/// How many sets of roots are kept; with the system's, each takes a few hundred KiB.
const VERIFIERS: usize = 16;

/// What makes a configuration, and with it a session cache, different from another.
#[derive(PartialEq, Eq)]
struct Setting {
    tls: TlsConfig,
    verify_ssl: bool,
    alpn: Alpn,
}

impl TlsContext {
    /// Takes the settings of handshakes that bring none of their own.
    ///
    /// Certificates and keys that come with them are read here; those that cannot be, or do not
    /// belong together, are an error of kind [`Config`](pr_core::ErrorKind::Config). The system's
    /// trust store is not touched yet.
    pub fn new(tls: &TlsConfig) -> Result<Self, BackendError> {
        tls.validate()?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        Trust::new(tls.roots_setting())?;
        if let Some(identity) = tls.identity_setting() {
            identity::certified_key(identity, &provider)?;
        }
        Ok(Self {
            inner: Arc::new(Inner {
                provider,
                default: tls.clone(),
                made: Mutex::new(Made {
                    verifiers: Recent::new(VERIFIERS),
                    configs: Recent::new(CONFIGS),
                }),
            }),
        })
    }

    /// The settings of handshakes that bring none of their own.
    pub fn default_settings(&self) -> &TlsConfig {
        &self.inner.default
    }

    /// The configuration for handshakes under these settings, or else the context's, that do or do
    /// not verify the peer's certificate. What they offer by ALPN is `alpn`, unless the settings
    /// say otherwise.
    ///
    /// The same arguments give the same configuration, so that sessions are resumed, and different
    /// ones never do, so that no session is resumed across a difference. The 64 configurations that
    /// were used last are kept. The first verified one of a set of roots may read the system's trust
    /// store, which takes some milliseconds.
    ///
    /// Errors, all of kind [`Config`](pr_core::ErrorKind::Config): certificates or keys that cannot
    /// be read, and a system without certificates; the next call tries again.
    pub fn client_config(
        &self,
        tls: Option<&TlsConfig>,
        verify_ssl: bool,
        alpn: Alpn,
    ) -> Result<Arc<ClientConfig>, BackendError> {
        let tls = tls.unwrap_or(&self.inner.default);
        // Nothing below can leave a half-made state behind, so a poisoned lock is still good.
        let mut made = self
            .inner
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Made { verifiers, configs } = &mut *made;
        let is_this = |known: &Setting| {
            known.verify_ssl == verify_ssl && known.alpn == alpn && known.tls == *tls
        };
        if let Some(config) = configs.get(is_this) {
            return Ok(Arc::clone(config));
        }
        let setting = Setting {
            tls: tls.clone(),
            verify_ssl,
            alpn,
        };
        let config = Arc::new(self.inner.make(&setting, verifiers)?);
        configs.put(setting, Arc::clone(&config));
        Ok(config)
    }
}

impl Inner {
    fn make(
        &self,
        setting: &Setting,
        verifiers: &mut Recent<Roots, Arc<dyn ServerCertVerifier>>,
    ) -> Result<ClientConfig, BackendError> {
        let Setting {
            tls,
            verify_ssl,
            alpn,
        } = setting;
        tls.validate()?;
        let verifier: Arc<dyn ServerCertVerifier> = if *verify_ssl {
            self.verifier(tls.roots_setting(), verifiers)?
        } else {
            // Roots that cannot be read are a mistake, whether they are used or not.
            Trust::new(tls.roots_setting())?;
            Arc::new(AnyCertificate::new(Arc::clone(&self.provider)))
        };
        let versions: &[&SupportedProtocolVersion] = match tls.min_version_setting() {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            // What is newer than we know must not fall back to something older.
            _ => &[&TLS13],
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(|error| {
                BackendError::new(ErrorKind::Config, "TLS cannot be set up").with_source(error)
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match tls.identity_setting() {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = identity::certified_key(identity, &self.provider)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        config.alpn_protocols = match tls.alpn_setting() {
            Some(names) => names.to_vec(),
            None => alpn.protocols().iter().map(|name| name.to_vec()).collect(),
        };
        Ok(config)
    }

    fn verifier(
        &self,
        roots: &Roots,
        known: &mut Recent<Roots, Arc<dyn ServerCertVerifier>>,
    ) -> Result<Arc<dyn ServerCertVerifier>, BackendError> {
        if let Some(verifier) = known.get(|known| known == roots) {
            return Ok(Arc::clone(verifier));
        }
        let loaded = Trust::new(roots)?.verifier(&self.provider)?;
        known.put(roots.clone(), Arc::clone(&loaded));
        Ok(loaded)
    }
}

impl fmt::Debug for TlsContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsContext")
            .field("default", &self.inner.default)
            .finish_non_exhaustive()
    }
}
