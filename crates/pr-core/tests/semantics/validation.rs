//! Mistakes are refused before a byte is sent, as typed errors that hold no secret.

use std::{sync::Arc, time::Duration};

use futures::FutureExt;
use http::Method;
use pr_core::{
    Backend, BackendError, BackendExt, Body, Capabilities, Capability, ErrorKind, ExchangeRequest,
    ExchangeResponse, Proxy, RequestConfig, RequestDefaults, Session, Warnings,
};
use proptest::prelude::*;

use crate::support::{Scripted, ok};

const URL: &str = "http://h.example/";

#[tokio::test]
async fn mistakes_are_refused_and_nothing_is_sent() {
    let get = || RequestConfig::get(URL);
    let table = [
        ("no URL", RequestConfig::get("nonsense")),
        ("scheme", RequestConfig::get("ftp://h.example/")),
        ("line break in a value", get().header("x", "a\r\nb")),
        ("NUL in a value", get().header("x", "a\0b")),
        ("name", get().header("x y", "a")),
        ("method", get().method("GE T")),
        ("CONNECT", get().method(Method::CONNECT)),
        ("TRACE", get().method(Method::TRACE)),
        ("zero timeout", get().timeout(Duration::ZERO)),
        (
            "transfer-encoding",
            get().header("transfer-encoding", "chunked"),
        ),
        ("connection", get().header("connection", "close")),
        ("upgrade", get().header("upgrade", "websocket")),
        ("te", get().header("te", "gzip")),
        (
            "proxy-authorization",
            get().header("proxy-authorization", "x"),
        ),
        ("two hosts", get().header("host", "a").header("host", "b")),
        ("bad host", get().header("host", "a b")),
        ("host with user", get().header("host", "u@a")),
        (
            "length",
            RequestConfig::post(URL)
                .data("four")
                .header("content-length", "5"),
        ),
        (
            "signed length",
            RequestConfig::post(URL)
                .data("four")
                .header("content-length", "+4"),
        ),
        (
            "lengths",
            get()
                .header("content-length", "0")
                .header("content-length", "0"),
        ),
        (
            "content type of a form in parts",
            RequestConfig::post(URL)
                .header("content-type", "multipart/form-data")
                .multipart(pr_core::Multipart::new().text("a", "b")),
        ),
        ("expectation", get().header("expect", "200-ok")),
        (
            "expectation without a body",
            get().header("expect", "100-continue"),
        ),
        ("read timeout", get().read_timeout(Duration::ZERO)),
        ("cookie name", get().cookie("a b", "c")),
        ("cookie value", get().cookie("a", "b; c=d")),
        ("cookie control", get().cookie("a", "b\r\nc")),
    ];
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    for (what, request) in table {
        let stated = request.check().expect_err(what);
        let error = backend.request(request).await.expect_err(what);
        assert_eq!(error.kind(), ErrorKind::Input, "{what}: {error}");
        assert_eq!(error.message(), stated.message());
        assert!(!error.may_have_been_processed());
        assert_eq!(error.backend_name(), Some("scripted"));
    }
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn what_the_backend_cannot_do_is_refused() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    for (proxy, capability) in [
        ("http://p.example:3128", "HTTP and HTTPS proxies"),
        ("https://p.example", "HTTP and HTTPS proxies"),
        ("socks5://p.example", "SOCKS5"),
    ] {
        let request = RequestConfig::get(URL).proxy(Proxy::new(proxy).unwrap());
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.message().contains(capability), "{error}");
    }
    assert!(backend.seen().is_empty());
}

#[tokio::test]
async fn http2_is_warned_about_once_where_there_is_none() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    backend
        .request(RequestConfig::get(URL).http2(false))
        .await
        .unwrap();
    assert!(backend.warnings().list().is_empty());
    backend
        .request(RequestConfig::get(URL).http2(true))
        .await
        .unwrap();
    backend
        .request(RequestConfig::get(URL).http2(true))
        .await
        .unwrap();
    assert_eq!(backend.warnings().list().len(), 1);
}

#[tokio::test]
async fn headers_are_completed() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    backend.request(URL).await.unwrap();
    let request = RequestConfig::post("http://user:p%40ss@h.example/")
        .json(&1)
        .header("user-agent", "mine")
        .header("cookie", "a=b")
        .cookie("c", "d")
        .header("content-length", "1");
    backend.request(request).await.unwrap();
    let seen = backend.seen();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        seen[0].header("user-agent"),
        Some(&*format!("parallel-requests/{version}"))
    );
    assert_eq!(seen[0].header("accept"), Some("*/*"));
    assert_eq!(seen[1].header("user-agent"), Some("mine"));
    assert_eq!(seen[1].header("content-type"), Some("application/json"));
    assert_eq!(seen[1].header("cookie"), Some("a=b; c=d"));
    assert_eq!(seen[1].header("authorization"), Some("Basic dXNlcjpwQHNz"));
    assert_eq!(
        seen[1].header("content-length"),
        None,
        "the backend frames the message"
    );
    assert_eq!(seen[1].uri, "http://h.example/");
}

#[tokio::test]
async fn parameters_join_the_query() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let none: [(&str, &str); 0] = [];
    backend
        .request(RequestConfig::get("http://h.example/p").params(none))
        .await
        .unwrap();
    let request = RequestConfig::get("http://h.example/p?x=1")
        .param("a b", "c&d")
        .param("a b", "ü");
    backend.request(request).await.unwrap();
    assert_eq!(backend.seen()[0].uri, "http://h.example/p");
    assert_eq!(
        backend.seen()[1].uri,
        "http://h.example/p?x=1&a+b=c%26d&a+b=%C3%BC"
    );
}

#[tokio::test]
async fn a_flood_of_headers_is_refused_without_a_panic() {
    let mut request = RequestConfig::get(URL);
    let mut defaults = RequestDefaults::default();
    for number in 0..20_000 {
        request = request.header(format!("x-{number}"), "1");
        defaults.headers.append(
            http::HeaderName::try_from(format!("y-{number}")).unwrap(),
            http::HeaderValue::from_static("1"),
        );
    }
    let session = Session::new(Scripted::at_once(|_, _| Ok(ok()))).with_defaults(defaults);
    assert_eq!(
        session.request(request).await.unwrap_err().kind(),
        ErrorKind::Input
    );
}

#[tokio::test]
async fn what_a_request_says_wins_over_defaults() {
    let mut defaults = RequestDefaults::default();
    defaults
        .headers
        .insert("authorization", "Bearer service".parse().unwrap());
    defaults
        .headers
        .insert("content-type", "text/plain".parse().unwrap());
    defaults.proxies = Some(Proxy::new("http://p.example").unwrap().into());
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let session = Session::new(backend.clone()).with_defaults(defaults);
    let request = RequestConfig::post("http://u:p@h.example/")
        .json(&1)
        .no_proxy();
    session.request(request).await.unwrap();
    let seen = &backend.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Basic dTpw"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(seen.key.proxy().is_none());
    let error = session.request(URL).await.unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Unsupported,
        "the default proxy holds for the others"
    );
}

#[tokio::test]
async fn defaults_and_exchanges_print_no_secret() {
    let mut defaults = RequestDefaults::default();
    defaults
        .headers
        .insert("authorization", "Bearer canary".parse().unwrap());
    let backend = MemoryOfDebug::default();
    let session = Session::new(Arc::new(backend)).with_defaults(defaults);
    let request = RequestConfig::get("http://h.example/?canary").cookie("a", "canary");
    let response = session.request(request).await.unwrap();
    let history = format!("{:?}", response.history());
    let printed = response.text().into_owned() + &history + &format!("{session:?}");
    assert!(
        printed.contains("authorization") && !printed.contains("canary"),
        "{printed}"
    );
    assert!(
        response
            .json::<u64>()
            .unwrap_err()
            .chain()
            .contains("not JSON")
    );
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_not_quoted() {
    let backend = Scripted::at_once(|_, _| {
        Ok(ExchangeResponse::new(http::StatusCode::OK).with_body("\"canary\""))
    });
    let error = backend
        .request(URL)
        .await
        .unwrap()
        .json::<u64>()
        .unwrap_err();
    assert!(error.message().contains("not of the form"), "{error}");
    assert!(!format!("{error:?} {}", error.chain()).contains("canary"));
}

/// Answers with what `Debug` prints of the request, after a redirect with a secret in its query.
#[derive(Debug, Default)]
struct MemoryOfDebug {
    warnings: Warnings,
}

#[async_trait::async_trait]
impl Backend for MemoryOfDebug {
    fn name(&self) -> &'static str {
        "debug"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::of(&[Capability::Http1])
    }

    fn warnings(&self) -> &Warnings {
        &self.warnings
    }

    async fn exchange(&self, request: ExchangeRequest) -> Result<ExchangeResponse, BackendError> {
        let mut response = ExchangeResponse::new(http::StatusCode::FOUND);
        response
            .headers
            .insert("location", "/next?other=canary".parse().unwrap());
        if request.uri.path() == "/next" {
            response.status = http::StatusCode::OK;
        }
        let printed = format!("{request:?} {response:?}");
        Ok(response.with_body(printed))
    }

    async fn close(&self) {}
}

#[tokio::test]
async fn a_one_shot_body_is_sent_once() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let body = Body::one_shot(None, futures::stream::iter([Ok("once".into())]));
    let request = RequestConfig::post(URL).data(body);
    backend.request(request.clone()).await.unwrap();
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(backend.seen().len(), 1);
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let outcome = backend
        .request(URL)
        .now_or_never()
        .expect("it fails at once");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Config);
}

proptest! {
    /// Whatever text goes in, the outcome is a request that was sent or an input error: no panic,
    /// and no line break or NUL reaches a backend.
    #[test]
    fn no_text_breaks_a_message(
        url in "(http://h\\.example/)?\\PC{0,12}[\r\n\0]?\\PC{0,4}",
        method in "[A-Z\r\n\0 ]{0,6}",
        name in "[a-z\r\n\0: ]{0,6}",
        value in "\\PC{0,6}[\r\n\0]?\\PC{0,6}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let backend = Scripted::at_once(|_, _| Ok(ok()));
        let request = RequestConfig::get(url)
            .method(method.as_str())
            .header(name.as_str(), value.as_str())
            .param(&name, &value)
            .cookie(name.clone(), value.clone());
        if let Err(error) = runtime.block_on(backend.request(request)) {
            prop_assert_eq!(error.kind(), ErrorKind::Input);
            prop_assert!(backend.seen().is_empty());
        }
        for seen in backend.seen() {
            let dangerous = |text: &[u8]| text.iter().any(|byte| b"\r\n\0".contains(byte));
            prop_assert!(!dangerous(seen.uri.as_bytes()));
            prop_assert!(!dangerous(seen.method.as_str().as_bytes()));
            for (name, value) in &seen.headers {
                prop_assert!(!dangerous(name.as_str().as_bytes()) && !dangerous(value.as_bytes()));
            }
        }
    }

    /// No secret that a user puts into a request shows in what is printed of it.
    #[test]
    fn no_secret_is_printed(defect in any::<bool>(), fails in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let backend = Scripted::at_once(move |_, _| {
            if fails { Err(BackendError::new(ErrorKind::Closed, "gone")) } else { Ok(ok()) }
        });
        let mut request = RequestConfig::post("http://canary:canary@h.example/?token=canary#canary")
            .bearer_auth("canary")
            .cookie("session", "canary")
            .header("x-api-key", "canary")
            .data("canary")
            .proxy(Proxy::new("http://canary:canary@p.example").unwrap());
        if defect {
            request = request.header("x", "canary\r\n");
        }
        let before = format!("{request:?}");
        let after = match runtime.block_on(backend.request(request)) {
            Ok(response) => format!("{response:?}"),
            Err(error) => format!("{error:?} {error} {}", error.chain()),
        };
        prop_assert!(!before.contains("canary") && !after.contains("canary"), "{before}{after}");
    }
}
