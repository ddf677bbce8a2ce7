//! Which certificates and versions of TLS are good enough, and that the others get no request.

use pr_core::{BackendExt, Delivery, ErrorKind, RequestConfig};

use super::subject::{Subject, error_of};
use crate::{Identity, Script, ScriptedServer, Server, TestCa};

/// Each is bad for `localhost`, some for more.
fn bad_certificates() -> Vec<(&'static str, Identity)> {
    let names = &["localhost", "127.0.0.1"];
    let ca = TestCa::shared();
    let through = ca.issue_through_intermediate(names);
    vec![
        ("expired", ca.issue_expired(names)),
        ("not yet valid", ca.issue_not_yet_valid(names)),
        ("wrong host", ca.issue(&["elsewhere.example"])),
        (
            "no name but in the subject",
            ca.issue_by_common_name("localhost"),
        ),
        ("self-signed", Identity::self_signed(names)),
        ("unknown authority", TestCa::generate().issue(names)),
        ("incomplete chain", through.without_intermediates()),
        ("for clients only", ca.issue_client("localhost")),
    ]
}

/// Names in certificates that some clients have taken for `localhost`.
fn treacherous_certificates() -> Vec<(&'static str, Identity)> {
    let ca = TestCa::shared();
    vec![
        ("a NUL after the name", ca.issue(&["localhost\0.example"])),
        ("a NUL before the name", ca.issue(&["example\0localhost"])),
        ("a wildcard for all", ca.issue(&["*"])),
        ("a wildcard in a label", ca.issue(&["local*"])),
        ("a wildcard in an IDN", ca.issue(&["xn--*", "*.xn--p1ai"])),
        ("a dot at the start", ca.issue(&[".localhost"])),
    ]
}

pub(super) async fn bad_certificates_are_tls_errors(subject: Subject) {
    for (what, identity) in bad_certificates()
        .into_iter()
        .chain(treacherous_certificates())
    {
        let server = Server::builder().tls(identity).start();
        let url = server.url_with_host("localhost", "/get");
        let error = error_of(what, subject.backend().request(url).await);
        assert_is_tls(what, &error);
        assert_eq!(server.ledger().counts().requests_begun, 0, "{what}");
    }
    // A name does not vouch for the address that it leads to.
    let server = Server::builder()
        .tls(TestCa::shared().issue(&["localhost"]))
        .start();
    let error = error_of(
        "an address",
        subject.backend().request(server.url("/get")).await,
    );
    assert_is_tls("an address", &error);
}

pub(super) async fn bad_certificates_pass_without_verification(subject: Subject) {
    for (what, identity) in bad_certificates() {
        let server = Server::builder().tls(identity).start();
        let url = server.url_with_host("localhost", "/get");
        let backend = subject.backend();
        let careless = RequestConfig::get(&*url).verify_ssl(false);
        let outcome = backend.request(careless).await;
        assert!(outcome.is_ok(), "{what}: {outcome:?}");
        // What one request let pass must not pass for the next.
        let error = error_of(what, backend.request(&*url).await);
        assert_is_tls(what, &error);
    }
}

pub(super) async fn a_chain_of_authorities_is_followed(subject: Subject) {
    let identity = TestCa::shared().issue_through_intermediate(&["localhost"]);
    let server = Server::builder().tls(identity).start();
    let url = server.url_with_host("localhost", "/get");
    let response = subject.backend().request(url).await;
    let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(response.status_code(), 200);
    let connection = &server.ledger().connections()[0];
    assert_eq!(connection.server_name.as_deref(), Some("localhost"));
}

pub(super) async fn both_versions_of_tls_are_spoken(subject: Subject) {
    let tls = || Server::builder().tls(TestCa::shared().localhost());
    for (server, version) in [
        (tls().tls12_only().start(), "TLS 1.2"),
        (tls().tls13_only().start(), "TLS 1.3"),
    ] {
        let response = subject.backend().request(server.url("/get")).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.status_code(), 200);
        let connections = server.ledger().connections();
        assert_eq!(connections[0].tls_version, Some(version));
        // An address is not a name that could be indicated (RFC 6066 section 3).
        assert_eq!(connections[0].server_name, None);
    }
}

pub(super) async fn old_versions_of_tls_are_tls_errors(subject: Subject) {
    for (what, script) in [
        ("an alert", Script::tls11_alert()),
        ("a hello", Script::tls11_server_hello()),
    ] {
        let server = ScriptedServer::always(script);
        let url = server.url("/").replace("http:", "https:");
        for verify in [true, false] {
            let request = RequestConfig::get(&*url).verify_ssl(verify);
            let error = error_of(what, subject.backend().request(request).await);
            assert_is_tls(what, &error);
        }
    }
}

fn assert_is_tls(what: &str, error: &pr_core::BackendError) {
    assert_eq!(error.kind(), ErrorKind::Tls, "{what}: {}", error.chain());
    assert_eq!(error.delivery(), Delivery::NotSent, "{what}");
    assert!(error.is_tls() && error.is_connect(), "{what}");
}
