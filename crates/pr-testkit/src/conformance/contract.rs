//! What holds for every backend, with or without a network.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use http::Version;
use pr_core::{BackendExt, Body, Capability, Delivery, ErrorKind, Proxy, RequestConfig, Warning};

use super::subject::{Subject, error_of};

pub(super) async fn the_name_is_one_lower_case_word(subject: Subject) {
    let backend = subject.backend();
    let name = backend.name();
    assert!(!name.is_empty());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    assert!(name.bytes().all(plain), "{name:?}");
    assert_eq!(backend.capabilities(), subject.capabilities());
    assert!(backend.warnings().list().is_empty());
}

pub(super) async fn input_errors_are_typed(subject: Subject) {
    let backend = subject.backend();
    let url = "http://127.0.0.1:9/";
    for (what, request) in [
        ("no URL", RequestConfig::get("not a url")),
        ("no host", RequestConfig::get("http://")),
        ("another scheme", RequestConfig::get("ftp://127.0.0.1/")),
        (
            "a line break in a value",
            RequestConfig::get(url).header("x", "a\r\nb: c"),
        ),
        (
            "a space in a name",
            RequestConfig::get(url).header("a b", "c"),
        ),
        ("no method", RequestConfig::get(url).method("A B")),
        ("CONNECT", RequestConfig::get(url).method("CONNECT")),
        ("no time", RequestConfig::get(url).timeout(Duration::ZERO)),
        (
            "a wrong length",
            RequestConfig::post(url)
                .data("abc")
                .header("content-length", "4"),
        ),
        (
            "its own framing",
            RequestConfig::post(url).header("transfer-encoding", "chunked"),
        ),
    ] {
        let error = error_of(what, backend.request(request).await);
        assert_eq!(error.kind(), ErrorKind::Input, "{what}: {}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent, "{what}");
    }
}

pub(super) async fn what_the_backend_cannot_do_is_refused(subject: Subject) {
    let backend = subject.backend();
    let url = "http://127.0.0.1:9/";
    let proxy = |url| Proxy::new(url).expect("the proxy's URL is one");
    let stream = Body::factory(None, || Box::pin(futures::stream::empty()));
    for (capability, request) in [
        (Capability::Tls, RequestConfig::get("https://127.0.0.1:9/")),
        (
            Capability::StreamingUpload,
            RequestConfig::post(url).data(stream),
        ),
        (
            Capability::HttpProxy,
            RequestConfig::get(url).proxy(proxy("http://127.0.0.1:9")),
        ),
        (
            Capability::SocksProxy,
            RequestConfig::get(url).proxy(proxy("socks5://127.0.0.1:9")),
        ),
    ] {
        if !subject.can(capability) {
            let error = error_of(capability.label(), backend.request(request).await);
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{}", error.chain());
            assert_eq!(error.delivery(), Delivery::NotSent);
        }
    }
}

pub(super) async fn input_errors_tell_no_secret(subject: Subject) {
    let backend = subject.backend();
    let url = "http://user:s3cret-a@127.0.0.1:9/path?token=s3cret-b";
    let request = RequestConfig::get(url)
        .bearer_auth("s3cret-c")
        .cookie("id", "s3cret-d")
        .header("transfer-encoding", "chunked");
    let error = error_of("a mistake", backend.request(request).await);
    assert_eq!(error.backend_name(), Some(backend.name()));
    let named = error.url().unwrap_or_default();
    assert!(named.starts_with("http://127.0.0.1:9/path"), "{named}");
    let shown = format!("{error} {error:?} {}", error.chain());
    assert!(!shown.contains("s3cret"), "{shown}");
}

pub(super) async fn http2_asked_of_an_http1_backend_warns_once(subject: Subject) {
    for link in subject.links() {
        let backend = &link.backend;
        assert!(backend.warnings().list().is_empty());
        for _ in 0..2 {
            let request = RequestConfig::get(link.url("/get")).http2(true);
            let response = link.answer(request).await;
            assert_eq!(response.version(), Version::HTTP_11, "{}", link.label);
        }
        let warnings = backend.warnings().list();
        assert!(
            matches!(warnings[..], [Warning::Http2Unsupported { backend: name }] if name == backend.name()),
            "{}: {warnings:?}",
            link.label
        );
    }
}

pub(super) async fn a_closed_backend_refuses(subject: Subject) {
    let backend = subject.backend();
    backend.close().await;
    for _ in 0..2 {
        let error = error_of("closed", backend.request("http://127.0.0.1:9/").await);
        assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
        assert_eq!(error.delivery(), Delivery::NotSent);
        backend.close().await;
    }
}

pub(super) async fn concurrent_requests_have_one_outcome_each(subject: Subject) {
    for link in subject.links() {
        let requests = (0..50).map(|number| {
            let request = RequestConfig::get(link.url("/anything")).param("n", number.to_string());
            let link = &link;
            async move { link.echo(request).await["args"][0][1].clone() }
        });
        let numbers = join_all(requests).await;
        for (number, echoed) in numbers.iter().enumerate() {
            assert_eq!(echoed, &number.to_string(), "{}", link.label);
        }
        let distinct: HashSet<_> = numbers.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), 50, "{}", link.label);
        if subject.can(Capability::Network) {
            let counts = link.server.ledger().counts();
            assert_eq!(counts.requests_begun, 50, "{}", link.label);
            assert!(counts.connections_accepted <= 50, "{}", link.label);
        }
    }
}
