//! Proxies, TLS settings, sockets, codings and names: what of a client's and a request's settings
//! reaches the backend, and when.

use std::path::Path;

use pr_core::{
    BackendExt, ErrorKind, Proxies, Proxy, RequestConfig, RequestDefaults, Session, TlsConfig,
    TlsVersion, UserAgents,
};

use crate::support::{Scripted, ok, redirect};

#[tokio::test]
async fn proxies_are_asked_for_each_hop() {
    let backend = Scripted::able(|number, _| {
        Ok(match number {
            0 => redirect(302, "http://b.example/"),
            1 => redirect(302, "https://c.example/"),
            2 => redirect(302, "http://a.example/"),
            _ => ok(),
        })
    });
    let mut defaults = RequestDefaults::default();
    let proxy = |url| Proxy::new(url).unwrap();
    let proxies = Proxies::none()
        .http(proxy("http://plain.example"))
        .https(proxy("socks5h://tls.example"))
        .no_proxy("b.example");
    defaults.proxies = Some(proxies);
    let session = Session::new(backend.clone()).with_defaults(defaults);
    session.request("http://a.example/").await.unwrap();
    let used: Vec<_> = backend
        .seen()
        .iter()
        .map(|seen| seen.key.proxy().map(|proxy| proxy.host().to_owned()))
        .collect();
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(
        used,
        [
            name("plain.example"),
            None,
            name("tls.example"),
            name("plain.example")
        ]
    );

    // A request's own word wins over the rules.
    let own = proxy("http://own.example");
    for (request, host) in [
        (
            RequestConfig::get("http://b.example/").proxy(own),
            name("own.example"),
        ),
        (RequestConfig::get("http://a.example/").no_proxy(), None),
    ] {
        session.request(request).await.unwrap();
        let seen = backend.seen();
        let used = seen.last().unwrap().key.proxy();
        assert_eq!(used.map(|proxy| proxy.host().to_owned()), host);
    }
}

#[tokio::test]
async fn tls_settings_follow_redirects_and_a_unix_socket_does_not() {
    let backend = Scripted::able(|number, _| {
        Ok(match number {
            0 => redirect(302, "/again"),
            1 => redirect(302, "https://other.example/"),
            _ => ok(),
        })
    });
    let tls = TlsConfig::default().min_version(TlsVersion::Tls13);
    let request = RequestConfig::get("https://h.example/")
        .tls(tls.clone())
        .unix_socket("/run/h.sock")
        .proxy(Proxy::new("http://p.example").unwrap());
    backend.request(request).await.unwrap();
    let seen = backend.seen();
    assert!(seen.iter().all(|seen| seen.key.tls() == Some(&tls)));
    let through: Vec<_> = seen.iter().map(|seen| seen.key.unix_socket()).collect();
    let socket = Some(Path::new("/run/h.sock"));
    assert_eq!(through, [socket, socket, None]);
    let proxied: Vec<_> = seen.iter().map(|seen| seen.key.proxy().is_some()).collect();
    assert_eq!(proxied, [false, false, true]);
}

#[tokio::test]
async fn a_socket_needs_a_backend_that_can() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let request = RequestConfig::get("http://h.example/").unix_socket("/run/h.sock");
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("Unix sockets"), "{error}");
}

#[cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]
#[tokio::test]
async fn codings_are_asked_for_where_they_are_decoded() {
    use http::{HeaderValue, header};

    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let get = || RequestConfig::get("http://h.example/");
    let all = HeaderValue::from_static("gzip, deflate, br, zstd");
    let table = [
        (get(), Some(all)),
        (get().decode(false), None),
        (get().header("range", "bytes=0-9"), None),
        (
            get().header("accept-encoding", "br"),
            Some(HeaderValue::from_static("br")),
        ),
        (
            get().decode(false).header("accept-encoding", "br"),
            Some(HeaderValue::from_static("br")),
        ),
    ];
    for (request, expected) in table {
        let what = format!("{request:?}");
        backend.request(request).await.unwrap();
        let seen = backend.seen().pop().unwrap();
        assert_eq!(
            seen.headers.get(header::ACCEPT_ENCODING),
            expected.as_ref(),
            "{what}"
        );
    }
}

#[tokio::test]
async fn leave_is_asked_for_a_body_by_a_backend_that_waits() {
    let able = Scripted::able(|_, _| Ok(ok()));
    let unable = Scripted::at_once(|_, _| Ok(ok()));
    let post = |body: &'static str| {
        RequestConfig::post("http://h.example/")
            .expect_continue(true)
            .data(body)
    };
    able.request(post("content")).await.unwrap();
    able.request(post("")).await.unwrap();
    unable.request(post("content")).await.unwrap();
    let asked = |seen: &crate::support::Seen| seen.header("expect").map(ToOwned::to_owned);
    let of_able: Vec<_> = able.seen().iter().map(asked).collect();
    assert_eq!(of_able, [Some("100-continue".to_owned()), None]);
    assert_eq!(unable.seen()[0].header("expect"), None);
}

#[tokio::test]
async fn user_agents_take_turns() {
    let backend = Scripted::at_once(|number, _| {
        Ok(if number == 0 {
            redirect(302, "/again")
        } else {
            ok()
        })
    });
    let mut defaults = RequestDefaults::default();
    defaults.user_agents = Some(UserAgents::in_turn(["one/1", "two/2"]).unwrap());
    let session = Session::new(backend.clone()).with_defaults(defaults);
    let get = || RequestConfig::get("http://h.example/");
    session.request(get()).await.unwrap();
    session.request(get()).await.unwrap();
    let own = get().header("user-agent", "own/3");
    session.request(own).await.unwrap();
    session.request(get()).await.unwrap();
    let names: Vec<_> = backend
        .seen()
        .iter()
        .map(|seen| seen.header("user-agent").unwrap().to_owned())
        .collect();
    // A redirect keeps the name of its request.
    assert_eq!(names, ["one/1", "one/1", "two/2", "own/3", "one/1"]);

    assert!(UserAgents::in_turn(Vec::<&str>::new()).is_err());
    assert!(UserAgents::in_turn(["a\r\nb"]).is_err());
}

#[cfg(feature = "cookies")]
mod cookies {
    use http::{HeaderValue, header};
    use pr_core::{CookieJar, ExchangeResponse};
    use url::Url;

    use super::*;

    fn setting(cookie: &str, mut response: ExchangeResponse) -> ExchangeResponse {
        let value = HeaderValue::from_str(cookie).unwrap();
        response.headers.append(header::SET_COOKIE, value);
        response
    }

    #[tokio::test]
    async fn a_sessions_jar_is_filled_by_responses_and_redirects_and_sent_along() {
        let backend = Scripted::at_once(|number, _| {
            Ok(match number {
                0 => setting("a=1", redirect(302, "http://other.example/")),
                1 => setting("b=2", redirect(302, "http://h.example/x")),
                _ => ok(),
            })
        });
        let jar = CookieJar::new();
        let session = Session::new(backend.clone()).with_cookie_jar(jar.clone());
        let first = RequestConfig::get("http://h.example/").cookie("own", "0");
        session.request(first).await.unwrap();
        session.request("http://other.example/").await.unwrap();
        // Without the session, nothing is sent.
        backend.request("http://h.example/").await.unwrap();
        let sent: Vec<_> = backend
            .seen()
            .iter()
            .map(|seen| seen.header("cookie").map(ToOwned::to_owned))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        // The request's own cookie stays with its origin, and does not come back.
        assert_eq!(sent, [some("own=0"), None, some("a=1"), some("b=2"), None]);
        assert_eq!(jar.len(), 2);

        let url = Url::parse("http://h.example/").unwrap();
        jar.insert(&url, "c", "3").unwrap();
        let own = RequestConfig::get(url.as_str()).cookie("a", "own");
        session.request(own).await.unwrap();
        let last = backend.seen().pop().unwrap();
        let header = last.headers.get(header::COOKIE).unwrap();
        assert!(header.is_sensitive());
        assert_eq!(last.headers.get_all(header::COOKIE).iter().count(), 1);
        let text = header.to_str().unwrap();
        assert!(text.contains("a=own") && text.contains("c=3"), "{text}");
        assert!(!text.contains("a=1"), "the request's own wins: {text}");
    }
}
