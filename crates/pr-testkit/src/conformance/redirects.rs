//! Redirects end where they lead, and take along only what may travel.

use bytes::Bytes;
use futures::stream;
use pr_core::{BackendExt, Body, Capability, Delivery, ErrorKind, MAX_REDIRECTS, RequestConfig};
use serde_json::json;

use super::subject::{Subject, echoed, error_of};
use crate::{Server, ServerBuilder, TestCa, closed_port};

/// The path of a redirect with this status to this target.
fn redirect(status: u16, target: &str) -> String {
    let target: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
    format!("/redirect-to?status_code={status}&url={target}")
}

pub(super) async fn redirects_lead_to_the_final_url(subject: Subject) {
    for link in subject.links() {
        for route in ["relative-redirect", "absolute-redirect"] {
            let response = link.answer(link.url(&format!("/{route}/3"))).await;
            assert_eq!(response.status_code(), 200, "{}", link.label);
            assert_eq!(response.url().as_str(), link.url("/get"), "{}", link.label);
            let hops: Vec<_> = response.history().iter().collect();
            assert_eq!(hops.len(), 3, "{}: {hops:?}", link.label);
            for (hop, left) in hops.iter().zip([3, 2, 1]) {
                assert_eq!(hop.status_code, 302, "{}", link.label);
                let url = link.url(&format!("/{route}/{left}"));
                assert_eq!(hop.url.as_str(), url, "{}", link.label);
            }
        }
        if subject.can(Capability::ConnectionReuse) {
            let counts = link.server.ledger().counts();
            assert_eq!(counts.connections_accepted, 1, "{}", link.label);
        }
    }
}

pub(super) async fn see_other_becomes_get(subject: Subject) {
    for link in subject.links() {
        for (status, method, becomes) in [
            (303, "POST", "GET"),
            (303, "PUT", "GET"),
            (302, "POST", "GET"),
            (301, "POST", "GET"),
        ] {
            let request = RequestConfig::post(link.url(&redirect(status, "/anything")))
                .method(method)
                .json(&json!({ "a": 1 }));
            let echo = link.echo(request).await;
            assert_eq!(echo["method"], becomes, "{}: {status} {method}", link.label);
            assert_eq!(echo["data"], "", "{}", link.label);
            assert!(echoed(&echo, "content-type").is_empty(), "{}", link.label);
            assert!(echoed(&echo, "content-length").is_empty(), "{}", link.label);
        }
    }
}

pub(super) async fn temporary_redirects_keep_method_and_body(subject: Subject) {
    for link in subject.links() {
        for (status, method) in [(307, "POST"), (308, "POST"), (307, "PUT"), (302, "PUT")] {
            let url = link.url(&redirect(status, "/anything"));
            let request = RequestConfig::post(url).method(method).json(&json!([1, 2]));
            let echo = link.echo(request).await;
            assert_eq!(echo["method"], method, "{}: {status}", link.label);
            assert_eq!(echo["json"], json!([1, 2]), "{}: {status}", link.label);
        }
    }
}

pub(super) async fn a_one_shot_body_is_not_sent_again(subject: Subject) {
    for link in subject.links() {
        let body = Body::one_shot(None, stream::iter([Ok(Bytes::from_static(b"once"))]));
        let request = RequestConfig::post(link.url(&redirect(307, "/anything"))).data(body);
        let error = error_of(link.label, link.request(request).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Redirect,
            "{}: {}",
            link.label,
            error.chain()
        );
        if subject.can(Capability::Network) {
            let cut = link.server.ledger().requests_to("/anything");
            assert!(cut.is_empty(), "{}: {cut:?}", link.label);
        }
    }
}

pub(super) async fn endless_redirects_are_an_error(subject: Subject) {
    for link in subject.links() {
        let enough = link
            .answer(link.url(&format!("/redirect/{MAX_REDIRECTS}")))
            .await;
        assert_eq!(enough.history().len(), MAX_REDIRECTS, "{}", link.label);
        let many = link.url(&format!("/redirect/{}", MAX_REDIRECTS + 1));
        let error = error_of(link.label, link.request(many).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Redirect,
            "{}: {}",
            link.label,
            error.chain()
        );

        let elsewhere = link.url(&redirect(302, "ftp://127.0.0.1/file"));
        let error = error_of(link.label, link.request(elsewhere).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Redirect,
            "{}: {}",
            link.label,
            error.chain()
        );
    }
}

pub(super) async fn a_redirect_to_nowhere_was_sent(subject: Subject) {
    let closed = closed_port().expect("a free port");
    for link in subject.links() {
        let target = closed.url("/path");
        let request = RequestConfig::post(link.url(&redirect(303, &target))).data("order");
        let error = error_of(link.label, link.request(request).await);
        let (label, chain) = (link.label, error.chain());
        assert_eq!(error.kind(), ErrorKind::Connect, "{label}: {chain}");
        // The second request was not, but the first, which was the caller's, has been answered.
        assert_eq!(error.delivery(), Delivery::Unknown, "{label}: {chain}");
        assert_eq!(error.url(), Some(&*target), "{label}: {chain}");
    }
}

pub(super) async fn redirects_can_be_declined(subject: Subject) {
    for link in subject.links() {
        let request = RequestConfig::get(link.url("/redirect/2")).follow_redirects(false);
        let response = link.answer(request).await;
        assert_eq!(response.status_code(), 302, "{}", link.label);
        assert_eq!(
            response.headers()["location"],
            "/relative-redirect/1",
            "{}",
            link.label
        );
        assert!(response.history().is_empty(), "{}", link.label);
    }
}

pub(super) async fn credentials_stay_with_their_origin(subject: Subject) {
    // Another port is another origin (RFC 6454).
    for (link, other) in subject.links().into_iter().zip(subject.links()) {
        let ask = |target: &str| {
            RequestConfig::get(link.url(&redirect(302, target)))
                .basic_auth("user", "password")
                .cookie("session", "secret")
                .header("x-harmless", "1")
        };
        let abroad = link.echo(ask(&other.url("/anything"))).await;
        for name in ["authorization", "cookie"] {
            assert!(echoed(&abroad, name).is_empty(), "{}: {abroad}", link.label);
        }
        assert_eq!(echoed(&abroad, "x-harmless"), ["1"], "{}", link.label);

        let home = link.echo(ask("/anything")).await;
        assert_eq!(echoed(&home, "authorization").len(), 1, "{}", link.label);
        assert_eq!(
            echoed(&home, "cookie"),
            ["session=secret"],
            "{}",
            link.label
        );

        // Nor does the way back restore them.
        let back = redirect(302, &link.url("/anything"));
        let returned = link.echo(ask(&other.url(&back))).await;
        assert!(
            echoed(&returned, "authorization").is_empty(),
            "{}",
            link.label
        );
        assert!(echoed(&returned, "cookie").is_empty(), "{}", link.label);
    }
}

pub(super) async fn loops_are_an_error(subject: Subject) {
    let there_and_back = |server: ServerBuilder| {
        server
            .handle("/loop", |_| async { found("/loop") })
            .handle("/there", |_| async { found("/back") })
            .handle("/back", |_| async { found("/there#again") })
    };
    for link in subject.links_with(there_and_back) {
        for path in ["/loop", "/there"] {
            let before = link.server.ledger().counts().requests_begun;
            let error = error_of(link.label, link.request(link.url(path)).await);
            let chain = error.chain();
            assert_eq!(error.kind(), ErrorKind::Redirect, "{}: {chain}", link.label);
            let asked = link.server.ledger().counts().requests_begun - before;
            assert_eq!(asked, MAX_REDIRECTS as u64 + 1, "{}: {path}", link.label);
        }
    }
}

fn found(location: &'static str) -> http::Response<Bytes> {
    let mut response = http::Response::default();
    *response.status_mut() = http::StatusCode::FOUND;
    let location = http::HeaderValue::from_static(location);
    response.headers_mut().insert("location", location);
    response
}

pub(super) async fn places_that_are_not_http_are_not_gone_to(subject: Subject) {
    for link in subject.links() {
        for target in [
            "file:///etc/passwd",
            "gopher://127.0.0.1/",
            "ftp://127.0.0.1/file",
            "javascript:alert(1)",
            "data:text/plain,hello",
            "mailto:user@example.org",
            "ws://127.0.0.1/",
            "http://",
            "http://[::1",
            "http://127.0.0.1:99999/",
            "http://exa%2fmple/",
            "//",
        ] {
            for status in [302, 307] {
                let url = link.url(&redirect(status, target));
                let error = error_of(target, link.request(url).await);
                let chain = error.chain();
                assert_eq!(error.kind(), ErrorKind::Redirect, "{target}: {chain}");
                let named = error.url().unwrap_or_default();
                assert!(
                    named.starts_with(&link.url("/redirect-to")),
                    "{target}: {named}"
                );
            }
        }
    }
}

pub(super) async fn credentials_do_not_leave_https(subject: Subject) {
    let plain = Server::builder().http1_only().start();
    let tls = || Server::builder().tls(TestCa::shared().localhost());
    let secure = tls().http1_only().start();
    let backend = subject.backend();
    let away = redirect(302, &plain.url("/anything"));
    let back = redirect(302, &plain.url(&redirect(302, &secure.url("/anything"))));
    for (path, last) in [(away, &plain), (back, &secure)] {
        let request = RequestConfig::get(secure.url(&path))
            .bearer_auth("t0k3n")
            .cookie("session", "s3cret")
            .header("referer", "https://127.0.0.1/secret-path");
        let response = backend.request(request).await;
        let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
        assert_eq!(response.url().as_str(), last.url("/anything"));
        let request = last.ledger().requests().pop().expect("the request arrived");
        for name in ["authorization", "cookie", "referer"] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
    for request in plain.ledger().requests() {
        for name in ["authorization", "cookie", "referer"] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
}
