//! Versions of TLS, certificates of both sides, and what the ledger tells of a handshake.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use pr_testkit::{Counts, Identity, Script, ScriptedServer, Server, TestCa};
use reqwest::tls::Version;

use crate::support::{PATIENCE, client, client_builder};

#[tokio::test]
async fn one_version_of_tls_is_spoken_where_asked_for() {
    let tls = || Server::builder().tls(TestCa::shared().localhost());
    for (server, version, name) in [
        (tls().tls12_only().start(), Version::TLS_1_2, "TLS 1.2"),
        (tls().tls13_only().start(), Version::TLS_1_3, "TLS 1.3"),
    ] {
        for only in [Version::TLS_1_2, Version::TLS_1_3] {
            let limited = client_builder().tls_version_min(only).tls_version_max(only);
            let outcome = limited
                .build()
                .unwrap()
                .get(server.url("/get"))
                .send()
                .await;
            assert_eq!(outcome.is_ok(), only == version, "{name}: {outcome:?}");
        }
        let failed = |seen: &Counts| seen.tls_handshakes_failed == 1;
        server.ledger().wait_until(failed, PATIENCE).await.unwrap();
        let connections = server.ledger().connections();
        let versions: Vec<_> = connections
            .iter()
            .filter_map(|one| one.tls_version)
            .collect();
        assert_eq!(versions, [name]);
    }
}

#[tokio::test]
async fn the_ledger_tells_what_was_asked_for_even_in_vain() {
    let good = Server::builder().tls(TestCa::shared().localhost()).start();
    let bad = Server::builder()
        .tls(TestCa::generate().localhost())
        .start();
    for (server, is_good) in [(&good, true), (&bad, false)] {
        let url = server.url_with_host("localhost", "/get");
        assert_eq!(client().get(url).send().await.is_ok(), is_good);
        let settled = |seen: &Counts| seen.tls_handshakes_failed + seen.requests_begun == 1;
        server.ledger().wait_until(settled, PATIENCE).await.unwrap();
        let connection = &server.ledger().connections()[0];
        assert_eq!(connection.server_name.as_deref(), Some("localhost"));
        assert_eq!(connection.alpn_offered, ["h2", "http/1.1"]);
        assert_eq!(connection.tls, is_good);
        assert_eq!(connection.tls_version, connection.tls.then_some("TLS 1.3"));
    }
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .request_client_certificate(ca)
        .start();
    let identities = [
        Some(ca.issue_client("one")),
        None,
        Some(ca.issue_client("two")),
    ];
    for identity in &identities {
        let mut builder = client_builder();
        if let Some(identity) = identity {
            let pem = format!("{}{}", identity.certificate_pem(), identity.key_pem());
            builder = builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap());
        }
        let request = builder.build().unwrap().get(server.url("/get"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    let shown = server.ledger().connections();
    let shown: Vec<_> = shown
        .iter()
        .map(|one| one.client_certificate.as_deref())
        .collect();
    let expected = identities
        .each_ref()
        .map(|one| one.as_ref().map(Identity::certificate_der));
    assert_eq!(shown, expected);

    let foreign = TestCa::generate().issue_client("stranger");
    let pem = format!("{}{}", foreign.certificate_pem(), foreign.key_pem());
    let identity = reqwest::Identity::from_pem(pem.as_bytes()).unwrap();
    let stranger = client_builder().identity(identity).build().unwrap();
    stranger.get(server.url("/get")).send().await.unwrap_err();
}

#[tokio::test]
async fn certificates_are_as_good_as_they_are_called() {
    let ca = TestCa::shared();
    let names = &["localhost", "127.0.0.1"];
    let through = ca.issue_through_intermediate(names);
    for (what, identity, refusal) in [
        ("through an intermediate", through.clone(), None),
        (
            "incomplete",
            through.without_intermediates(),
            Some("UnknownIssuer"),
        ),
        (
            "not yet valid",
            ca.issue_not_yet_valid(names),
            Some("NotValidYet"),
        ),
        (
            "by common name",
            ca.issue_by_common_name("localhost"),
            Some("NotValidForName"),
        ),
        (
            "a NUL in the name",
            ca.issue(&["localhost\0.example"]),
            Some(""),
        ),
        ("a wildcard", ca.issue(&["*"]), Some("")),
        (
            "a client's",
            ca.issue_client("localhost"),
            Some("InvalidPurpose"),
        ),
    ] {
        let server = Server::builder().tls(identity).start();
        let url = server.url_with_host("localhost", "/get");
        let outcome = client().get(url).send().await;
        match refusal {
            None => assert!(outcome.is_ok(), "{what}: {outcome:?}"),
            Some(text) => {
                let error = format!("{:?}", outcome.unwrap_err());
                assert!(error.contains(text), "{what}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn old_tls_is_understood_and_refused() {
    for (script, text) in [
        (Script::tls11_alert(), "ProtocolVersion"),
        (Script::tls11_server_hello(), "PeerIncompatible"),
    ] {
        let server = ScriptedServer::once(script);
        let url = server.url("/").replace("http:", "https:");
        let error = client().get(url).send().await.unwrap_err();
        let chain = format!("{error:?}");
        assert!(chain.contains(text), "{chain}");
        server.shutdown();
    }
}

#[tokio::test]
async fn scripts_notice_who_does_not_wait() {
    let wait = || {
        Script::new()
            .expect_head()
            .expect_silence(Duration::from_millis(50))
            .send_informational(103, 3)
            .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .close()
    };
    let patient = ScriptedServer::once(wait());
    let response = client().get(patient.url("/")).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "ok");
    patient.shutdown();

    let hasty = ScriptedServer::once(wait());
    let request = client().post(hasty.url("/")).body("now");
    request.send().await.unwrap_err();
    let panic = std::panic::catch_unwind(AssertUnwindSafe(|| hasty.verify())).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("expected the client to wait"), "{text}");
}
