//! What the other settings do: client certificates, versions and ALPN, and that sessions are not
//! resumed across any of them.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

use std::sync::Arc;

use pr_core::{Certificate, ErrorKind, Identity, Roots, TlsConfig, TlsVersion};
use pr_testkit::TestCa;
use pr_tls::{
    Alpn, TlsContext,
    rustls::{
        ClientConfig, ClientConnection, Error, HandshakeKind, ProtocolVersion, RootCertStore,
        ServerConfig, ServerConnection,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
        server::WebPkiClientVerifier,
        version::{TLS12, TLS13},
    },
};

fn trusting() -> TlsConfig {
    let authority = Certificate::from_pem_bundle(TestCa::shared().pem().as_bytes()).unwrap();
    TlsConfig::default().roots(Roots::Only(authority))
}

fn identity(name: &str) -> Identity {
    let issued = TestCa::shared().issue_client(name);
    let (chain, key) = (issued.certificate_pem(), issued.key_pem());
    Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
}

/// A server for `localhost` that takes clients with and without certificates.
fn server(version: TlsVersion) -> Arc<ServerConfig> {
    let ca = TestCa::shared();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca.der().to_vec())).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .unwrap();
    let identity = ca.localhost();
    let version = match version {
        TlsVersion::Tls12 => &TLS12,
        _ => &TLS13,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from(identity.certificate_der().to_vec())],
            PrivateKeyDer::try_from(identity.key_der().to_vec()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Both sides of a handshake without a network.
struct Done {
    client: ClientConnection,
    server: ServerConnection,
}

fn shake_hands(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Done, Error> {
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap())?;
    let mut server = ServerConnection::new(server)?;
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
    Ok(Done { client, server })
}

#[test]
fn the_identity_is_shown_to_a_peer_that_asks() {
    let tls = TlsContext::new(&trusting()).unwrap();
    let mine = trusting().identity(identity("mine"));
    for (settings, shown) in [(None, false), (Some(&mine), true)] {
        let config = tls.client_config(settings, true, Alpn::Http1).unwrap();
        let done = shake_hands(config, server(TlsVersion::Tls13)).unwrap();
        let certificates = done.server.peer_certificates().unwrap_or_default();
        assert_eq!(!certificates.is_empty(), shown);
        if shown {
            let expected = mine.identity_setting().unwrap().chain()[0].der();
            assert_eq!(certificates[0].as_ref(), expected);
        }
    }
}

#[test]
fn nothing_older_than_the_minimum_version_will_do() {
    let tls = TlsContext::new(&trusting()).unwrap();
    let strict = trusting().min_version(TlsVersion::Tls13);
    let shake = |settings: Option<&TlsConfig>, version| {
        let config = tls.client_config(settings, true, Alpn::Http1).unwrap();
        let done = shake_hands(config, server(version))?;
        Ok::<_, Error>(done.client.protocol_version())
    };
    let old = shake(None, TlsVersion::Tls12).unwrap();
    assert_eq!(old, Some(ProtocolVersion::TLSv1_2));
    shake(Some(&strict), TlsVersion::Tls12).unwrap_err();
    let new = shake(Some(&strict), TlsVersion::Tls13).unwrap();
    assert_eq!(new, Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn the_settings_say_what_is_offered_by_alpn() {
    let tls = TlsContext::new(&trusting()).unwrap();
    for (names, agreed) in [
        (vec!["http/1.1"], Some(&b"http/1.1"[..])),
        (vec!["http/1.1", "h2"], Some(b"h2")),
        (vec![], None),
    ] {
        let settings = trusting().alpn(names);
        let config = tls.client_config(Some(&settings), true, Alpn::Http2OrHttp1);
        let done = shake_hands(config.unwrap(), server(TlsVersion::Tls13)).unwrap();
        assert_eq!(done.client.alpn_protocol(), agreed);
    }
}

#[test]
fn a_session_is_resumed_under_the_same_settings_only() {
    let tls = TlsContext::new(&trusting()).unwrap();
    let other = Certificate::from_pem_bundle(TestCa::generate().pem().as_bytes()).unwrap();
    let mut roots = vec![Certificate::from_der(TestCa::shared().der())];
    roots.extend(other);
    let settings = [
        trusting(),
        trusting().identity(identity("one")),
        trusting().identity(identity("two")),
        trusting().min_version(TlsVersion::Tls13),
        trusting().alpn(["h2"]),
        TlsConfig::default().roots(Roots::Only(roots)),
    ];
    for version in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let server = server(version);
        let resumed = |settings: &TlsConfig, verify| {
            let config = tls.client_config(Some(settings), verify, Alpn::Http1);
            let done = shake_hands(config.unwrap(), Arc::clone(&server)).unwrap();
            done.client.handshake_kind() == Some(HandshakeKind::Resumed)
        };
        let able = |settings: &&TlsConfig| settings.min_version_setting() <= version;
        let rounds = [false, true];
        for expected in rounds {
            for settings in settings.iter().filter(able) {
                for verify in [true, false] {
                    assert_eq!(resumed(settings, verify), expected, "{settings:?} {verify}");
                }
            }
        }
    }
    // A context of its own, for the backend's default settings in place of a request's: equal ones
    // are the same.
    let server = server(TlsVersion::Tls13);
    let again = tls.client_config(None, true, Alpn::Http1).unwrap();
    let given = tls.client_config(Some(&trusting()), true, Alpn::Http1);
    assert!(Arc::ptr_eq(&again, &given.unwrap()));
    shake_hands(again, server).unwrap();
}

#[test]
fn only_so_many_configurations_are_kept() {
    let tls = TlsContext::new(&trusting()).unwrap();
    let config = |number: usize| {
        let settings = trusting().alpn([format!("protocol-{number}")]);
        tls.client_config(Some(&settings), true, Alpn::Http1)
            .unwrap()
    };
    let (first, second) = (config(0), config(1));
    for number in 2..65 {
        // The first one stays in use.
        config(0);
        config(number);
    }
    assert!(Arc::ptr_eq(&first, &config(0)));
    assert!(!Arc::ptr_eq(&second, &config(1)));
}

#[test]
fn what_cannot_be_read_is_a_mistake_in_the_configuration() {
    let (mine, other) = (
        TestCa::shared().issue_client("mine"),
        TestCa::shared().issue_client("other"),
    );
    let mixed = Identity::from_pem(
        mine.certificate_pem().as_bytes(),
        other.key_pem().as_bytes(),
    );
    let garbage = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let unreadable = Identity::from_pem(garbage, mine.key_pem().as_bytes());
    let root = Roots::Only(vec![Certificate::from_der(*b"garbage")]);
    let settings = [
        (trusting().identity(mixed.unwrap()), "client certificate"),
        (
            trusting().identity(unreadable.unwrap()),
            "client certificate",
        ),
        (TlsConfig::default().roots(root), "certificate 1"),
        (
            TlsConfig::default().roots(Roots::Only(vec![])),
            "Roots::Only",
        ),
    ];
    let tls = TlsContext::new(&trusting()).unwrap();
    for (settings, text) in settings {
        for verify in [true, false] {
            let error = tls.client_config(Some(&settings), verify, Alpn::Http1);
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(text), "{}", error.message());
        }
        // As the settings of the whole backend, it is seen at once.
        let error = TlsContext::new(&settings).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}
