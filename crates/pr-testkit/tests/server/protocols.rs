//! Which protocol is spoken, over which certificate.

use pr_testkit::{Counts, Identity, Latch, Server, TestCa, closed_port};
use reqwest::Version;

use crate::support::{PATIENCE, client, client_builder, every_way, server_that_waits_for};

#[tokio::test]
async fn the_ledger_knows_protocol_alpn_and_reuse() {
    for (index, (_, server, client)) in every_way().into_iter().enumerate() {
        for _ in 0..3 {
            client
                .get(server.url("/get"))
                .send()
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
        }
        let connections = server.ledger().connections();
        let [connection] = &connections[..] else {
            panic!("{connections:?}");
        };
        let (version, alpn) = [
            (Version::HTTP_11, None),
            (Version::HTTP_2, None),
            (Version::HTTP_11, Some("http/1.1")),
            (Version::HTTP_2, Some("h2")),
        ][index];
        assert_eq!(connection.version, Some(version));
        assert_eq!(
            (connection.tls, connection.alpn.as_deref()),
            (index >= 2, alpn)
        );
        assert_eq!((connection.requests, connection.open), (3, true));
        server.shutdown();
    }
}

#[tokio::test]
async fn http2_only_refuses_http1_clients() {
    let tls = Server::builder()
        .tls(TestCa::shared().localhost())
        .http2_only()
        .start();
    let old = client_builder().http1_only().build().unwrap();
    old.get(tls.url("/get")).send().await.unwrap_err();
    let new = client().get(tls.url("/get")).send().await.unwrap();
    assert_eq!(new.version(), Version::HTTP_2);

    let plain = Server::builder().http2_only().start();
    client().get(plain.url("/get")).send().await.unwrap_err();
}

#[tokio::test]
async fn http1_only_and_no_alpn_leave_http1() {
    let identity = || TestCa::shared().localhost();
    for server in [
        Server::builder().tls(identity()).http1_only().start(),
        Server::builder().tls(identity()).alpn(&[]).start(),
    ] {
        let response = client().get(server.url("/get")).send().await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
    }
    let plain = Server::builder().http1_only().start();
    let prior_knowledge = client_builder().http2_prior_knowledge().build().unwrap();
    prior_knowledge
        .get(plain.url("/get"))
        .send()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn the_stream_limit_is_kept() {
    let go = Latch::new();
    let server = server_that_waits_for(&go);
    let client = client_builder().http2_prior_knowledge().build().unwrap();
    // The first request waits for SETTINGS, so that the limit is known to the rest.
    client.get(server.url("/get")).send().await.unwrap();
    let requests: Vec<_> = (0..12)
        .map(|_| tokio::spawn(client.get(server.url("/wait")).send()))
        .collect();
    let three = |seen: &Counts| seen.requests_in_flight() == 3;
    server.ledger().wait_until(three, PATIENCE).await.unwrap();
    go.open();
    for request in requests {
        assert_eq!(request.await.unwrap().unwrap().status(), 200);
    }
    let counts = server.ledger().counts();
    assert_eq!(
        (counts.connections_accepted, counts.max_requests_in_flight),
        (1, 3)
    );
}

#[tokio::test]
async fn good_certificates_are_accepted_under_each_name() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    assert_eq!(
        client()
            .get(server.url("/get"))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    let by_name = server.url_with_host("localhost", "/get");
    assert_eq!(client().get(by_name).send().await.unwrap().status(), 200);
    let names: Vec<_> = server
        .ledger()
        .connections()
        .into_iter()
        .map(|connection| connection.server_name)
        .collect();
    assert_eq!(names, [None, Some("localhost".to_owned())]);
}

#[tokio::test]
async fn bad_certificates_are_refused() {
    let names = &["localhost", "127.0.0.1"];
    for (what, text, identity) in [
        ("expired", "Expired", TestCa::shared().issue_expired(names)),
        (
            "wrong host",
            "NotValidForName",
            TestCa::shared().issue(&["elsewhere.example"]),
        ),
        ("self-signed", "UnknownIssuer", Identity::self_signed(names)),
        (
            "unknown authority",
            "UnknownIssuer",
            TestCa::generate().issue(names),
        ),
    ] {
        let server = Server::builder().tls(identity).start();
        let error = client().get(server.url("/get")).send().await.unwrap_err();
        let chain = format!("{error:?}");
        assert!(chain.contains(text), "{what}: {chain}");
        let failed = |seen: &Counts| seen.tls_handshakes_failed == 1;
        let seen = server.ledger().wait_until(failed, PATIENCE).await.unwrap();
        assert_eq!((seen.connections_accepted, seen.requests_begun), (1, 0));
        let careless = client_builder()
            .tls_danger_accept_invalid_certs(true)
            .build()
            .unwrap();
        assert_eq!(
            careless
                .get(server.url("/get"))
                .send()
                .await
                .unwrap()
                .status(),
            200
        );
    }
}

#[tokio::test]
async fn client_certificates_are_required_where_asked_for() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .require_client_certificate(ca)
        .start();
    client().get(server.url("/get")).send().await.unwrap_err();
    let known = ca.issue_client("somebody");
    let pem = format!("{}{}", known.certificate_pem(), known.key_pem());
    let identity = reqwest::Identity::from_pem(pem.as_bytes()).unwrap();
    let known = client_builder().identity(identity).build().unwrap();
    assert_eq!(
        known.get(server.url("/get")).send().await.unwrap().status(),
        200
    );
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let closed = closed_port().unwrap();
    let error = client().get(closed.url("/")).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    // Nobody else can be given the port in the meantime.
    let taken = std::net::TcpListener::bind(closed.addr()).unwrap_err();
    assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
}
