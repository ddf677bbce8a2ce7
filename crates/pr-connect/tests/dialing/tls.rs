//! A request's own TLS settings, as far as dialing goes.

use pr_connect::{Alpn, Connector, Protocol};
use pr_core::{Certificate, ErrorKind, Identity, Roots, TlsConfig, TlsVersion};
use pr_testkit::{Server, TestCa};

use crate::support::{get, key, settings};

fn identity(name: &str) -> (Identity, Vec<u8>) {
    let issued = TestCa::shared().issue_client(name);
    let (chain, private_key) = (issued.certificate_pem(), issued.key_pem());
    let identity = Identity::from_pem(chain.as_bytes(), private_key.as_bytes()).unwrap();
    (identity, issued.certificate_der().to_vec())
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_sessions_stay_with_it() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .request_client_certificate(ca)
        .start();
    let connector = Connector::new(&settings()).unwrap();
    let key = key(&server.url("/"));
    let own = |identity| key.clone().with_tls(settings().tls.identity(identity));
    let ((one, first), (two, second)) = (identity("one"), identity("two"));
    // Again and again, so that there are sessions to be resumed by mistake.
    let mut expected = Vec::new();
    for _ in 0..2 {
        for (key, shown) in [
            (key.clone(), None),
            (own(one.clone()), Some(&first)),
            (own(two.clone()), Some(&second)),
        ] {
            let mut connected = connector.connect(&key, Alpn::Http1).await.unwrap();
            let answer = get(&mut connected, "localhost", "/get").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            expected.push(shown);
        }
    }
    let seen = server.ledger().connections();
    let seen: Vec<_> = seen
        .iter()
        .map(|connection| connection.client_certificate.as_deref())
        .collect();
    let expected: Vec<_> = expected
        .into_iter()
        .map(|shown| shown.map(Vec::as_slice))
        .collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn alpn_is_as_the_settings_say() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let connector = Connector::new(&settings()).unwrap();
    let offering = |names: &[&str]| {
        let names = names.iter().map(|name| name.as_bytes());
        key(&server.url("/")).with_tls(settings().tls.alpn(names))
    };
    for (names, alpn, expected) in [
        (&["h2", "http/1.1"][..], Alpn::Http2OrHttp1, Protocol::Http2),
        (&["http/1.1"], Alpn::Http2OrHttp1, Protocol::Http1),
        (&[], Alpn::Http2OrHttp1, Protocol::Http1),
    ] {
        let connected = connector.connect(&offering(names), alpn).await.unwrap();
        assert_eq!(connected.protocol, expected);
    }
    // The peer takes what the settings offer, and whoever dials cannot speak it.
    let key = offering(&["h2", "http/1.1"]);
    let error = connector.connect(&key, Alpn::Http1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(error.message().contains("chose HTTP/2"), "{error}");
}

#[tokio::test]
async fn an_old_version_is_refused_if_the_settings_say_so() {
    let old = Server::builder()
        .tls(TestCa::shared().localhost())
        .tls12_only()
        .start();
    let connector = Connector::new(&settings()).unwrap();
    let key = key(&old.url("/"));
    connector.connect(&key, Alpn::Http1).await.unwrap();
    let strict = settings().tls.min_version(TlsVersion::Tls13);
    let error = connector
        .connect(&key.with_tls(strict), Alpn::Http1)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
}

#[tokio::test]
async fn certificates_that_cannot_be_read_are_found_before_anybody_is_dialed() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let garbage = Roots::Only(vec![Certificate::from_der(*b"garbage")]);
    let broken = TlsConfig::default().roots(garbage);
    assert_eq!(
        Connector::new(&settings().tls(broken.clone()))
            .unwrap_err()
            .kind(),
        ErrorKind::Config
    );
    let connector = Connector::new(&settings()).unwrap();
    let key = key(&server.url("/")).with_tls(broken);
    let error = connector.connect(&key, Alpn::Http1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(server.ledger().connections().is_empty());
}
