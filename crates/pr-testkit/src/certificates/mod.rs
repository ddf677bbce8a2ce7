//! Certificates made on the spot, good ones and each kind of bad one, so that tests of
//! verification need no files and no system trust store.

mod identity;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

pub use self::identity::Identity;

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
        let issuer = CertifiedIssuer::self_signed(authority_params(name), new_key())
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

    /// A certificate that is valid now, for these DNS names and IP addresses. A name may be one
    /// that no host can have: with a NUL in it, or a wildcard in an odd place.
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

    /// A certificate for these names that becomes valid in 2090.
    ///
    /// # Panics
    ///
    /// If a name is not ASCII.
    pub fn issue_not_yet_valid(&self, names: &[&str]) -> Identity {
        let mut params = server_params(names);
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 12, 31);
        self.sign(&params)
    }

    /// A certificate that is valid now and names its host as the subject's common name only, which
    /// clients must not look at (RFC 9525 section 2).
    pub fn issue_by_common_name(&self, name: &str) -> Identity {
        let mut params = server_params(&[]);
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A certificate that is valid now, for these names, issued by an authority which this one
    /// vouches for. Its chain is complete;
    /// [`without_intermediates`](Identity::without_intermediates) makes it incomplete.
    ///
    /// # Panics
    ///
    /// If a name is not ASCII.
    pub fn issue_through_intermediate(&self, names: &[&str]) -> Identity {
        let params = authority_params("pr-testkit intermediate".to_owned());
        let between = CertifiedIssuer::signed_by(params, new_key(), &self.issuer)
            .expect("the parameters of the authority are constant and valid");
        let key = new_key();
        let certificate = server_params(names)
            .signed_by(&key, &between)
            .expect("the parameters were checked when the names were read");
        Identity::new(&certificate, vec![between.der().clone()], &key)
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
        Identity::new(&certificate, Vec::new(), &key)
    }
}

fn authority_params(name: String) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
    ];
    params
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
