//! Requests as handles that share what they are until one is changed, and what they carry for others.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::stream;
use http::Method;
use pr_core::{Body, ExchangeObserver, Proxy, RequestConfig, RequestDefaults, Session};

use crate::support::{Scripted, ok};

const URL: &str = "http://h.example/";

/// Counts its clones.
#[derive(Debug, Default)]
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Counted {
    fn clones(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_change_to_one_handle_is_not_seen_through_another() {
    let first = RequestConfig::post(URL).header("x-a", "1").data("body");
    let changed: [fn(RequestConfig) -> RequestConfig; 8] = [
        |request| request.method(Method::PUT),
        |request| request.param("a", "b"),
        |request| request.header("x-b", "2"),
        |request| request.cookie("c", "d"),
        |request| request.timeout(Duration::from_secs(1)),
        |request| request.max_body_size(5),
        |request| request.no_proxy().discard_body(true),
        |request| request.header("x-broken", "a\r\nb"),
    ];
    let before = format!("{first:?} {:?}", first.url());
    for change in changed {
        let second = change(first.clone());
        let after = format!("{second:?} {:?}", second.url());
        assert_ne!(after, before);
        assert_eq!(format!("{first:?} {:?}", first.url()), before, "{after}");
        first.check().unwrap();
    }
}

#[test]
fn nothing_is_copied_before_a_change() {
    let counted = Counted::default();
    let request = RequestConfig::get(URL).extension(Counted(Arc::clone(&counted.0)));
    let handles = vec![request.clone(); 10];
    assert_eq!(counted.clones(), 0);
    let changed = handles[0].clone().header("x-a", "1");
    assert_eq!(counted.clones(), 1);
    // It is the only one of its kind, and is changed in place.
    let _ = changed.header("x-b", "2").timeout(Duration::from_secs(1));
    assert_eq!(counted.clones(), 1);
}

#[tokio::test]
async fn what_others_hold_is_sent_as_it_is_and_stays() {
    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let mut defaults = RequestDefaults::default();
    defaults.headers.insert("x-default", "1".parse().unwrap());
    let session = Session::new(backend.clone()).with_defaults(defaults);
    let counted = Counted::default();
    let request = RequestConfig::post("http://user:secret@h.example/p")
        .header("x-a", "1")
        .cookie("c", "d")
        .json(&[1])
        .max_body_size(100)
        .extension(Counted(Arc::clone(&counted.0)));
    let held = request.clone();
    session.request(held.clone()).await.unwrap();
    session.stream(held.clone()).await.unwrap();
    drop(held);
    // Now there is but one.
    session.request(request).await.unwrap();
    let seen = backend.seen();
    assert_eq!(seen.len(), 3);
    for seen in &seen {
        assert_eq!(seen.headers, seen.headers);
        assert_eq!(seen.headers, backend.seen()[2].headers);
        assert_eq!(seen.header("x-default"), Some("1"));
        assert_eq!(seen.header("cookie"), Some("c=d"));
        assert!(seen.header("authorization").is_some());
        assert_eq!((&seen.method, &seen.body[..]), (&Method::POST, &b"[1]"[..]));
    }
    // What is not sent is not copied for sending.
    assert_eq!(counted.clones(), 0);
}

#[test]
fn an_extension_is_one_of_its_type_and_shown_nowhere() {
    #[derive(Clone, Debug, PartialEq)]
    struct Secret(&'static str);
    let request = RequestConfig::get(URL)
        .extension(Secret("first"))
        .extension(7_u32)
        .extension(Secret("hush"));
    assert_eq!(request.extension_ref(), Some(&Secret("hush")));
    assert_eq!(request.extension_ref(), Some(&7_u32));
    assert_eq!(request.extension_ref::<String>(), None);
    assert_eq!(request.clone().extension_ref(), Some(&Secret("hush")));
    assert!(!format!("{request:?}").contains("hush"), "{request:?}");
}

#[test]
fn what_can_be_sent_again_says_so() {
    let post = || RequestConfig::post(URL);
    let once = Body::one_shot(None, stream::empty());
    for (request, replayable) in [
        (RequestConfig::get(URL), true),
        (post().data("bytes"), true),
        (post().data(Body::file("/nowhere")), true),
        (post().data(once), false),
    ] {
        assert_eq!(request.is_replayable(), replayable, "{request:?}");
    }
}

#[test]
fn a_route_of_its_own_is_one_that_the_request_names() {
    let get = || RequestConfig::get(URL);
    for (request, own) in [
        (get(), false),
        (get().max_body_size(1), false),
        (get().proxy(Proxy::new("http://p.example").unwrap()), true),
        (get().no_proxy(), true),
        (get().no_proxy().unix_socket("/run/s"), true),
        // A redirect may leave it.
        (get().unix_socket("/run/s"), false),
    ] {
        assert_eq!(request.has_own_route(), own, "{request:?}");
    }
    // The client's proxies are not the request's own.
    let mut defaults = RequestDefaults::default();
    defaults.proxies = Some(Proxy::new("http://p.example").unwrap().into());
    let mut request = get();
    defaults.apply(&mut request);
    assert!(!request.has_own_route());
}

/// The future of each request is allocated, and passed on by whoever runs many.
#[tokio::test]
async fn requests_and_their_futures_stay_small() {
    struct Nobody;
    impl ExchangeObserver for Nobody {}

    let backend = Scripted::at_once(|_, _| Ok(ok()));
    let session = Session::new(backend);
    let request = RequestConfig::get(URL).observe_exchange(Arc::new(Nobody));
    assert_eq!(size_of_val(&request), size_of::<usize>());
    let future = session.request(request);
    assert!(size_of_val(&future) <= 1_032, "{}", size_of_val(&future));
    future.await.unwrap();
}
