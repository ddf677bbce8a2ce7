//! Redirects: where they lead, what they carry along and what they leave behind.

use futures::stream;
use http::{Method, StatusCode};
use pr_core::{BackendError, BackendExt, Body, Delivery, ErrorKind, MAX_REDIRECTS, RequestConfig};

use crate::support::{Scripted, ok, redirect};

#[tokio::test]
async fn method_and_body_change_as_rfc_9110_has_it() {
    // status, method before, method after, whether the body is kept
    let table = [
        (301, Method::POST, Method::GET, false),
        (301, Method::PUT, Method::PUT, true),
        (302, Method::POST, Method::GET, false),
        (302, Method::DELETE, Method::DELETE, true),
        (303, Method::POST, Method::GET, false),
        (303, Method::PUT, Method::GET, false),
        (303, Method::HEAD, Method::HEAD, false),
        (307, Method::POST, Method::POST, true),
        (308, Method::PATCH, Method::PATCH, true),
    ];
    for (status, before, after, keeps_body) in table {
        let backend = Scripted::at_once(move |number, _| {
            Ok(if number == 0 {
                redirect(status, "/next")
            } else {
                ok()
            })
        });
        let request = RequestConfig::new(before.clone(), "http://h.example/first")
            .header("content-type", "text/plain")
            .data("body");
        let response = backend.request(request).await.unwrap();
        let seen = backend.seen();
        assert_eq!(seen[1].method, after, "{status} after {before}");
        assert_eq!(seen[1].uri, "http://h.example/next");
        assert_eq!(
            seen[1].body == b"body",
            keeps_body,
            "{status} after {before}"
        );
        assert_eq!(seen[1].header("content-type").is_some(), keeps_body);
        assert_eq!(response.url().as_str(), "http://h.example/next");
        assert_eq!(response.history().len(), 1);
        assert_eq!(response.history()[0].status_code.as_u16(), status);
        assert_eq!(response.history()[0].url.as_str(), "http://h.example/first");
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin_even_on_the_way_back() {
    for (location, same_origin) in [
        ("http://h.example/next", true),
        ("http://h.example:80/next", true),
        ("http://other.example/next", false),
        ("http://h.example:8080/next", false),
        ("https://h.example/next", false),
        ("//sub.h.example/next", false),
    ] {
        let backend = Scripted::at_once(move |number, _| {
            Ok(match number {
                0 => redirect(302, location),
                1 => redirect(302, "http://h.example/back"),
                _ => ok(),
            })
        });
        let request = RequestConfig::get("http://h.example/")
            .bearer_auth("canary")
            .cookie("session", "canary")
            .header("host", "virtual.example")
            .header("x-kept", "yes");
        backend.request(request).await.unwrap();
        let seen = backend.seen();
        assert_eq!(seen[0].header("authorization"), Some("Bearer canary"));
        for later in &seen[1..] {
            for name in ["authorization", "cookie", "host"] {
                assert_eq!(
                    later.headers.contains_key(name),
                    same_origin,
                    "{name} to {location}"
                );
            }
            assert_eq!(later.header("x-kept"), Some("yes"));
        }
    }
}

#[tokio::test]
async fn user_information_in_a_location_is_not_sent() {
    let backend = Scripted::at_once(|number, _| {
        Ok(if number == 0 {
            redirect(302, "http://u:canary@h.example/")
        } else {
            ok()
        })
    });
    backend.request("http://h.example/").await.unwrap();
    assert!(!backend.seen()[1].headers.contains_key("authorization"));
    assert_eq!(backend.seen()[1].uri, "http://h.example/");
}

#[tokio::test]
async fn a_loop_ends_after_the_limit() {
    let backend = Scripted::at_once(|_, _| Ok(redirect(302, "/again")));
    let error = backend.request("http://h.example/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert_eq!(backend.seen().len(), MAX_REDIRECTS + 1);
}

#[tokio::test]
async fn locations_that_lead_nowhere_are_errors() {
    for location in [
        "file:///etc/passwd",
        "gopher://h.example/",
        "http://",
        "http://[bad/",
        "mailto:a@b",
    ] {
        let backend = Scripted::at_once(move |_, _| Ok(redirect(302, location)));
        let error = backend.request("http://h.example/").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Redirect, "{location}");
        assert_eq!(backend.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_is_no_redirect_to_follow_is_delivered() {
    let not_asked = RequestConfig::get("http://h.example/").follow_redirects(false);
    let backend = Scripted::at_once(|_, _| Ok(redirect(302, "/next")));
    assert_eq!(
        backend.request(not_asked).await.unwrap().status_code(),
        StatusCode::FOUND
    );

    let backend = Scripted::at_once(|_, _| Ok(redirect(304, "/next")));
    assert_eq!(
        backend
            .request("http://h.example/")
            .await
            .unwrap()
            .status_code(),
        304
    );

    let backend = Scripted::at_once(|_, _| {
        Ok(pr_core::ExchangeResponse::new(
            StatusCode::MOVED_PERMANENTLY,
        ))
    });
    assert_eq!(
        backend
            .request("http://h.example/")
            .await
            .unwrap()
            .status_code(),
        301
    );
}

#[tokio::test]
async fn the_fragment_is_inherited_and_never_sent() {
    for (location, last) in [
        ("/next", "http://h.example/next#a"),
        ("/next#b", "http://h.example/next#b"),
    ] {
        let backend = Scripted::at_once(move |number, _| {
            Ok(if number == 0 {
                redirect(302, location)
            } else {
                ok()
            })
        });
        let response = backend.request("http://h.example/first#a").await.unwrap();
        assert_eq!(response.url().as_str(), last);
        assert_eq!(backend.seen()[0].uri, "http://h.example/first");
        assert_eq!(backend.seen()[1].uri, "http://h.example/next");
    }
}

#[tokio::test]
async fn a_one_shot_body_is_never_replayed() {
    let backend = Scripted::at_once(|number, _| {
        Ok(if number == 0 {
            redirect(307, "/next")
        } else {
            ok()
        })
    });
    let once = || Body::one_shot(None, stream::iter([Ok("once".into())]));
    let request = RequestConfig::post("http://h.example/").data(once());
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Redirect);
    assert!(error.message().contains("Body::factory"), "{error}");

    let factory = Body::factory(Some(4), || Box::pin(stream::iter([Ok("many".into())])));
    let backend = Scripted::at_once(|number, _| {
        Ok(if number == 0 {
            redirect(307, "/next")
        } else {
            ok()
        })
    });
    backend
        .request(RequestConfig::post("http://h.example/").data(factory))
        .await
        .unwrap();
    assert_eq!(backend.seen()[1].body, b"many");
}

#[tokio::test]
async fn an_error_after_a_redirect_does_not_claim_that_nothing_was_sent() {
    for status in [301, 302, 303, 307, 308] {
        let backend = Scripted::at_once(move |number, _| match number {
            0 => Ok(redirect(status, "http://dead.example/")),
            _ => Err(BackendError::new(ErrorKind::Connect, "refused")),
        });
        let request = RequestConfig::post("http://h.example/");
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert_eq!(error.delivery(), Delivery::Unknown, "after {status}");
        assert_eq!(error.url(), Some("http://dead.example/"));
    }
}

#[tokio::test]
async fn a_redirect_to_what_the_backend_cannot_do_is_refused() {
    let backend = Scripted::without_tls(|_, _| Ok(redirect(307, "https://h.example/")));
    let request = RequestConfig::post("http://h.example/").data("secret");
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(backend.seen().len(), 1);
}

#[tokio::test]
async fn a_location_that_cannot_be_sent_is_the_peers_mistake() {
    let backend = Scripted::at_once(|_, _| Ok(redirect(303, "http://a\"b/")));
    let error = backend
        .request(RequestConfig::post("http://h.example/"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.delivery()),
        (ErrorKind::Redirect, Delivery::Unknown)
    );
    let error = RequestConfig::get("http://a\"b/").check().unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Input,
        "given by the user, it is the user's"
    );
}
