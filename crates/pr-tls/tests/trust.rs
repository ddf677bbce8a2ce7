//! Whom a context trusts: handshakes in memory, with peers that can and cannot be trusted.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

use std::{env, process::Command, sync::Arc};

use pr_core::{BackendError, Certificate, ErrorKind, Roots, TlsConfig};
use pr_testkit::{Identity, TestCa};
use pr_tls::{
    Alpn, TlsContext,
    rustls::{
        CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, ServerConfig,
        ServerConnection,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

fn test_authority() -> Vec<Certificate> {
    Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap()
}

fn context(roots: Roots) -> Result<TlsContext, BackendError> {
    TlsContext::new(&TlsConfig::default().roots(roots))
}

/// A server that shows one identity's certificate and signs with another's key.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl Shows {
    fn new(certificate: &Identity, key: &Identity) -> Self {
        let chain = vec![CertificateDer::from(certificate.certificate_der().to_vec())];
        let key = PrivateKeyDer::try_from(key.key_der().to_vec()).unwrap();
        let key = aws_lc_rs::default_provider()
            .key_provider
            .load_private_key(key)
            .unwrap();
        Self(Arc::new(CertifiedKey::new(chain, key)))
    }
}

impl ResolvesServerCert for Shows {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn server(shows: Shows) -> Arc<ServerConfig> {
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shows));
    Arc::new(config)
}

/// A handshake for `localhost`, without a network.
fn shake_hands(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<Option<HandshakeKind>, Error> {
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap())?;
    let mut server = ServerConnection::new(server)?;
    // One way more than the handshake takes, for the tickets that follow it.
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    Ok(client.handshake_kind())
}

fn localhost() -> Arc<ServerConfig> {
    let identity = TestCa::shared().localhost();
    server(Shows::new(&identity, &identity))
}

#[test]
fn given_roots_are_trusted_alone_or_with_the_system() {
    for roots in [
        Roots::Only(test_authority()),
        Roots::SystemAnd(test_authority()),
    ] {
        let tls = context(roots).unwrap();
        let config = tls.client_config(None, true, Alpn::Http1).unwrap();
        shake_hands(config, localhost()).unwrap();
    }
}

#[test]
fn roots_that_were_not_given_are_not_trusted() {
    let other = TestCa::generate();
    let roots = Roots::Only(Certificate::from_pem_bundle(other.pem().as_bytes()).unwrap());
    let tls = context(roots).unwrap();
    let error = shake_hands(
        tls.client_config(None, true, Alpn::Http1).unwrap(),
        localhost(),
    );
    assert_eq!(
        error,
        Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
    );
}

#[test]
fn without_verification_any_certificate_will_do() {
    let tls = context(Roots::Only(test_authority())).unwrap();
    let unverified = tls.client_config(None, false, Alpn::Http1).unwrap();
    let expired = TestCa::shared().issue_expired(&["localhost"]);
    let foreign = Identity::self_signed(&["elsewhere.example"]);
    for identity in [expired, foreign] {
        let server = server(Shows::new(&identity, &identity));
        shake_hands(Arc::clone(&unverified), Arc::clone(&server)).unwrap();
        let verified = tls.client_config(None, true, Alpn::Http1).unwrap();
        shake_hands(verified, server).unwrap_err();
    }
}

#[test]
fn without_verification_the_peer_still_needs_the_key() {
    let tls = context(Roots::System).unwrap();
    let unverified = tls.client_config(None, false, Alpn::Http1).unwrap();
    let (shown, used) = (
        TestCa::shared().localhost(),
        Identity::self_signed(&["localhost"]),
    );
    let error = shake_hands(unverified, server(Shows::new(&shown, &used)));
    assert_eq!(
        error,
        Err(Error::InvalidCertificate(CertificateError::BadSignature))
    );
}

#[test]
fn a_setting_has_one_configuration_and_shares_it_with_no_other() {
    let tls = context(Roots::Only(test_authority())).unwrap();
    let settings =
        [true, false].map(|verify| [Alpn::Http1, Alpn::Http2OrHttp1].map(|a| (verify, a)));
    let settings = settings.as_flattened();
    let made: Vec<_> = settings
        .iter()
        .map(|&(verify, alpn)| tls.client_config(None, verify, alpn).unwrap())
        .collect();
    for (index, &(verify, alpn)) in settings.iter().enumerate() {
        let again = tls.clone().client_config(None, verify, alpn).unwrap();
        for (other, config) in made.iter().enumerate() {
            assert_eq!(Arc::ptr_eq(config, &again), index == other);
        }
        assert_eq!(again.alpn_protocols, alpn.protocols());
    }
}

#[test]
fn sessions_are_resumed_but_not_across_settings() {
    let tls = context(Roots::Only(test_authority())).unwrap();
    let server = localhost();
    let resumed = |verify_ssl, alpn| {
        let client = tls.client_config(None, verify_ssl, alpn).unwrap();
        shake_hands(client, Arc::clone(&server)).unwrap() == Some(HandshakeKind::Resumed)
    };
    assert!(!resumed(false, Alpn::Http1));
    assert!(!resumed(true, Alpn::Http1));
    assert!(!resumed(true, Alpn::Http2OrHttp1));
    assert!(resumed(false, Alpn::Http1));
    assert!(resumed(true, Alpn::Http1));
}

#[test]
fn the_process_default_is_neither_needed_nor_set() {
    let tls = context(Roots::SystemAnd(test_authority())).unwrap();
    tls.client_config(None, true, Alpn::Http2OrHttp1).unwrap();
    tls.client_config(None, false, Alpn::Http2OrHttp1).unwrap();
    assert!(CryptoProvider::get_default().is_none());
}

#[test]
fn a_root_that_cannot_be_read_is_named() {
    let mut roots = test_authority();
    roots.push(Certificate::from_der(*b"not a certificate"));
    for roots in [Roots::Only(roots.clone()), Roots::SystemAnd(roots)] {
        let error = context(roots).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.message().contains("certificate 2"),
            "{}",
            error.message()
        );
    }
}

/// Set for the second process of the next test.
const IN_CHILD: &str = "PR_TLS_TEST_WITHOUT_CERTIFICATES";

#[test]
fn a_machine_without_certificates_says_what_to_do() {
    if env::var_os(IN_CHILD).is_some() {
        without_certificates();
        return;
    }
    // The store is chosen by the environment, which a test must not change for its siblings.
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "a_machine_without_certificates_says_what_to_do"])
        .env(IN_CHILD, "1")
        .env("SSL_CERT_FILE", "/nonexistent/file.pem")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert!(String::from_utf8_lossy(&child.stdout).contains("1 passed"));
}

fn without_certificates() {
    let tls = context(Roots::System).expect("the store is not read yet");
    tls.client_config(None, false, Alpn::Http1)
        .expect("nothing has to be verified");
    let error = tls.client_config(None, true, Alpn::Http1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(
        error
            .message()
            .contains("install the package ca-certificates")
    );

    let tls = context(Roots::SystemAnd(test_authority())).unwrap();
    tls.client_config(None, true, Alpn::Http1)
        .expect("the given roots are enough");
    let tls = context(Roots::Only(test_authority())).unwrap();
    tls.client_config(None, true, Alpn::Http1)
        .expect("the system is not asked");
}
