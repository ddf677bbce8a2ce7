//! Certificates made on the spot, good ones and each kind of bad one, so that tests of
//! verification need no files and no system trust store.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority that exists for one process.
///
/// ```
/// use pr_testkit::{Server, TestCa};
///
/// let ca = TestCa::shared();
/// let server = Server::builder().tls(ca.localhost()).start();
/// assert!(server.url("/get").starts_with("https://127.0.0.1:"));
/// // What a client has to trust:
/// assert!(ca.pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// ```
#[derive(Debug)]
pub struct TestCa {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pem: String,
    localhost: OnceLock<Identity>,
}

impl TestCa {
    /// The authority that all tests of this process share; made at the first use, since a key pair
    /// costs time.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TestCa> = OnceLock::new();
        SHARED.get_or_init(Self::generate)
    }

    /// Another authority, with a key of its own: one that no client of the shared one trusts.
    ///
    /// # Panics
    ///
    /// If the operating system yields no random numbers.
    pub fn generate() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        // Authorities of the same name would be told apart by their signatures only, and clients
        // would report a bad signature where they should report an unknown issuer.
        let name = format!("pr-testkit authority {}", COUNT.fetch_add(1, Relaxed));
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let issuer = CertifiedIssuer::self_signed(params, new_key())
            .expect("the parameters of the authority are constant and valid");
        Self {
            pem: issuer.pem(),
            issuer,
            localhost: OnceLock::new(),
        }
    }

    /// The authority's certificate in PEM, for clients to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate in DER, for clients to trust.
    pub fn der(&self) -> &[u8] {
        self.issuer.der()
    }

    /// The good one: valid now, for `localhost` and 127.0.0.1. Made once per authority.
    pub fn localhost(&self) -> Identity {
        self.localhost
            .get_or_init(|| self.issue(&["localhost", "127.0.0.1"]))
            .clone()
    }

    /// A certificate that is valid now, for these DNS names and IP addresses.
    ///
    /// # Panics
    ///
    /// If a name is not ASCII.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&server_params(names))
    }

    /// A certificate for these names that was valid through 2001 only.
    ///
    /// # Panics
    ///
    /// If a name is not ASCII.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 12, 31);
        self.sign(&params)
    }

    /// A certificate by which a client shows who it is.
    ///
    /// # Panics
    ///
    /// If the name is not ASCII.
    pub fn issue_client(&self, name: &str) -> Identity {
        let mut params = server_params(&[name]);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = new_key();
        let certificate = params
            .signed_by(&key, &self.issuer)
            .expect("the parameters were checked when the names were read");
        Identity::new(certificate.pem(), certificate.der().clone(), &key)
    }
}

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

#[derive(Debug)]
struct IdentityInner {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
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
        Self::new(certificate.pem(), certificate.der().clone(), &key)
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

    pub(crate) fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.inner.certificate.clone()]
    }

    pub(crate) fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.inner.key_der.clone()).into()
    }

    fn new(certificate_pem: String, certificate: CertificateDer<'static>, key: &KeyPair) -> Self {
        Self {
            inner: Arc::new(IdentityInner {
                certificate_pem,
                certificate,
                key_pem: key.serialize_pem(),
                key_der: key.serialize_der(),
            }),
        }
    }
}

fn server_params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("the names are ASCII");
    params
        .distinguished_name
        .push(DnType::CommonName, "pr-testkit");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("the operating system yields random numbers")
}
