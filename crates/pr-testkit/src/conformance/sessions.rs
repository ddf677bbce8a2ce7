//! Sessions: cookies by RFC 6265bis, on whatever backend.

use std::net::SocketAddr;
use std::sync::Arc;

use pr_core::{Backend, CookieJar, NormalizedResponse, RequestConfig, Session};
use url::Url;

use super::subject::Subject;
use crate::{Server, TestCa};

fn session(backend: Arc<dyn Backend>) -> (Session, CookieJar) {
    let jar = CookieJar::new();
    (Session::new(backend).with_cookie_jar(jar.clone()), jar)
}

async fn answer(session: &Session, request: impl Into<RequestConfig>) -> NormalizedResponse {
    let outcome = session.request(request).await;
    outcome.unwrap_or_else(|error| panic!("{}", error.chain()))
}

/// The names of the cookies that the server was sent.
async fn sent(session: &Session, url: &str) -> Vec<String> {
    let response = answer(session, url).await;
    let cookies: serde_json::Value = response.json().expect("the route answers with JSON");
    let cookies = cookies["cookies"]
        .as_object()
        .expect("an object of cookies");
    cookies.keys().cloned().collect()
}

pub(super) async fn cookies_are_kept_and_sent_along(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        let (session, jar) = session(Arc::clone(&link.backend));
        // The route redirects, and the redirect's target is sent the cookie already.
        let response = answer(&session, link.url("/cookies/set?a=1")).await;
        assert_eq!(response.url().path(), "/cookies", "{label}");
        assert!(response.text().contains("\"a\""), "{label}");
        assert_eq!(
            sent(&session, &link.url("/cookies")).await,
            ["a"],
            "{label}"
        );

        let own = RequestConfig::get(link.url("/cookies")).cookie("b", "2");
        assert!(
            answer(&session, own).await.text().contains("\"b\""),
            "{label}"
        );
        assert_eq!(
            sent(&session, &link.url("/cookies")).await,
            ["a"],
            "{label}"
        );

        let mut saved = Vec::new();
        jar.save_all(&mut saved).expect("a jar can be written");
        answer(&session, link.url("/cookies/delete?a")).await;
        assert!(jar.is_empty(), "{label}");
        jar.load(&saved[..]).expect("what was written can be read");
        assert_eq!(
            sent(&session, &link.url("/cookies")).await,
            ["a"],
            "{label}"
        );
        jar.clear();
        assert!(
            sent(&session, &link.url("/cookies")).await.is_empty(),
            "{label}"
        );
    }
}

/// A server of this machine under another name.
fn named(server: &Server, host: &str, path: &str) -> String {
    format!("http://{host}:{}{path}", server.addr().port())
}

fn raw(lines: &[&str]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(lines.iter().map(|line| ("line", line)))
        .finish();
    format!("/cookies/set-raw?{query}")
}

pub(super) async fn cookies_for_others_are_refused(subject: Subject) {
    let server = Server::start();
    let address: SocketAddr = server.addr();
    let hosts = [
        "www.shop.co.uk",
        "other.co.uk",
        "shop.co.uk.",
        "wwwshop.co.uk",
    ];
    let backend = subject.backend_with(|config| {
        hosts
            .iter()
            .fold(config, |config, host| config.resolve(host, [address]))
    });
    let (session, jar) = session(backend);
    let refused = [
        "suffix=1; Domain=co.uk",
        "suffix2=1; Domain=CO.UK",
        "suffix3=1; Domain=.co.uk",
        "dot=1; Domain=shop.co.uk.",
        "stranger=1; Domain=other.co.uk",
        "tail=1; Domain=op.co.uk",
        "below=1; Domain=a.www.shop.co.uk",
        "secure=1; Secure",
        "__Secure-a=1; Secure",
        "__Host-a=1; Secure; Path=/",
        "__host-b=1; Path=/",
    ];
    answer(&session, named(&server, "www.shop.co.uk", &raw(&refused))).await;
    let kept: Vec<_> = jar
        .all()
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .collect();
    assert!(kept.is_empty(), "{kept:?} should have been refused");

    // What is for the whole shop goes to the whole shop, and nowhere else.
    let fine = [
        "wide=1; Domain=SHOP.co.uk",
        "narrow=1",
        "path=1; Path=/elsewhere",
    ];
    answer(&session, named(&server, "www.shop.co.uk", &raw(&fine))).await;
    assert_eq!(jar.len(), 3);
    for (host, expected) in [
        ("www.shop.co.uk", &["narrow", "wide"][..]),
        ("other.co.uk", &[]),
        ("wwwshop.co.uk", &[]),
    ] {
        let names = sent(&session, &named(&server, host, "/cookies")).await;
        assert_eq!(names, expected, "{host}");
    }

    // An address has no domain above it.
    let (session, jar) = self::session(subject.backend());
    let by_address = server.url(&raw(&[
        "ip=1; Domain=127.0.0.1",
        "tail=1; Domain=0.0.1",
        "own=1",
    ]));
    answer(&session, by_address).await;
    let kept: Vec<_> = jar
        .all()
        .iter()
        .map(|cookie| cookie.name().to_owned())
        .collect();
    assert!(!kept.contains(&"tail".to_owned()), "{kept:?}");
    assert!(kept.contains(&"own".to_owned()), "{kept:?}");
    assert!(jar.all().iter().all(pr_core::Cookie::is_host_only));
}

pub(super) async fn secure_cookies_stay_secure(subject: Subject) {
    let ca = TestCa::shared();
    let secure = Server::builder().tls(ca.localhost()).start();
    let plain = Server::start();
    let (session, jar) = session(subject.backend());
    let url = |server: &Server, path: &str| {
        let scheme = if std::ptr::eq(server, &raw const secure) {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}{path}", server.addr().port())
    };
    let lines = [
        "s=secret; Secure; Path=/",
        "__Host-h=1; Secure; Path=/",
        "plain=1; Path=/",
    ];
    answer(&session, url(&secure, &raw(&lines))).await;
    assert_eq!(jar.len(), 3);
    // Ports do not separate cookies (RFC 6265, section 8.5), Secure does.
    assert_eq!(sent(&session, &url(&plain, "/cookies")).await, ["plain"]);
    answer(
        &session,
        url(&plain, &raw(&["s=stolen; Path=/", "plain=2; Path=/"])),
    )
    .await;
    let held = |name: &str| {
        let origin = Url::parse(&url(&secure, "/")).expect("a URL");
        jar.get(&origin, name)
            .map(|cookie| cookie.value().to_owned())
    };
    assert_eq!(held("s").as_deref(), Some("secret"));
    assert_eq!(held("plain").as_deref(), Some("2"));
    let names = sent(&session, &url(&secure, "/cookies")).await;
    assert_eq!(names, ["__Host-h", "plain", "s"]);
}

pub(super) async fn floods_of_cookies_are_bounded(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        let (session, jar) = session(Arc::clone(&link.backend));
        let long = format!("long={}", "x".repeat(4_093));
        answer(
            &session,
            link.url(&raw(&[&long, "forever=1; Max-Age=99999999999"])),
        )
        .await;
        assert_eq!(jar.len(), 1, "{label}: a cookie has at most 4,096 bytes");
        let kept = &jar.all()[0];
        let limit = std::time::SystemTime::now() + std::time::Duration::from_secs(401 * 86_400);
        assert!(kept.expires().is_some_and(|at| at < limit), "{label}");

        jar.clear();
        answer(
            &session,
            link.url("/cookies/set-raw?line=n%7B%7D=1&count=60"),
        )
        .await;
        assert_eq!(jar.len(), 50, "{label}: of one response, 50 are taken");
        jar.clear();
        for round in 0..5 {
            let value = "x".repeat(1_900);
            let line = format!("c{round}{{}}={value}; Path=/");
            let path = raw(&[&line]) + "&count=2";
            answer(&session, link.url(&path)).await;
        }
        let response = answer(&session, link.url("/headers")).await;
        let echo = response.text();
        let bytes = echo.matches('x').count();
        assert!(
            (1_900..=8_190).contains(&bytes),
            "{label}: {bytes} bytes were sent"
        );
    }
}
