//! Peers that are gone without a word, and peers that only have nothing to say.

use std::time::{Duration, Instant};

use futures::poll;
use http::Method;
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig, TransportConfig};
use pr_core::Delivery;
use pr_testkit::{DelayingProxy, Server};
use tokio::{
    join,
    time::{sleep, timeout},
};

use crate::support::{
    backend, exchange, plain,
    raw::{CANCEL, Listener, STATUS_200},
    soon,
};

const INTERVAL: Duration = Duration::from_millis(50);
/// Longer than a live peer takes on a machine that is busy.
const LIMIT: Duration = Duration::from_secs(1);
/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3_600);

/// Settings with which silence has consequences soon.
fn watchful() -> TransportConfig {
    plain()
        .http2_keep_alive_interval(INTERVAL)
        .http2_keep_alive_timeout(LIMIT)
}

/// A server, and a line to it that can be cut.
fn distant() -> (Server, DelayingProxy) {
    let server = Server::builder().http2_only().start();
    let proxy = DelayingProxy::start(server.addr(), Duration::from_millis(1));
    (server, proxy)
}

fn url(proxy: &DelayingProxy, path: &str) -> String {
    format!("http://{}{path}", proxy.authority())
}

#[tokio::test]
async fn a_peer_that_has_gone_ends_its_connection_and_is_dialed_anew() {
    let (_server, proxy) = distant();
    let backend = backend(watchful());
    let get = |method| backend.exchange(exchange(method, &url(&proxy, "/anything")));
    soon(get(Method::GET)).await.unwrap();
    proxy.fall_silent();
    let error = soon(get(Method::POST)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{}", error.chain());
    assert_eq!(error.delivery(), Delivery::Unknown);
    assert!(error.was_on_reused_connection());
    assert!(error.chain().contains("PING"), "{}", error.chain());
    assert!(!soon(get(Method::GET)).await.unwrap().connection.reused);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn only_what_is_idempotent_is_sent_again_into_the_open() {
    for (method, attempts) in [(Method::GET, Some(2)), (Method::POST, None)] {
        let (server, proxy) = distant();
        let backend = backend(watchful());
        soon(backend.request(url(&proxy, "/get"))).await.unwrap();
        proxy.fall_silent();
        let request = RequestConfig::new(method, url(&proxy, "/anything"));
        let outcome = soon(backend.request(request)).await;
        match attempts {
            Some(_) => assert_eq!(outcome.ok().map(|response| response.attempts()), attempts),
            None => assert_eq!(outcome.unwrap_err().delivery(), Delivery::Unknown),
        }
        let begun = server.ledger().counts().requests_begun;
        assert_eq!(begun, 1 + u64::from(attempts.is_some()));
    }
}

#[tokio::test]
async fn a_body_of_a_peer_that_has_gone_breaks_off() {
    let (_server, proxy) = distant();
    let backend = backend(watchful());
    let mut body = soon(backend.stream(url(&proxy, "/drip?duration=60&numbytes=60")))
        .await
        .unwrap();
    proxy.fall_silent();
    let error = loop {
        match soon(futures::StreamExt::next(&mut body)).await.unwrap() {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Truncated, "{}", error.chain());
    assert!(error.chain().contains("PING"), "{}", error.chain());
}

#[tokio::test]
async fn a_request_that_timed_out_does_not_leave_a_dead_connection_to_the_next() {
    let (server, proxy) = distant();
    // Only the timeout can give the dead peer away.
    let settings = plain().http2_keep_alive_interval(NEVER);
    let backend = backend(settings.http2_keep_alive_timeout(LIMIT));
    soon(backend.request(url(&proxy, "/get"))).await.unwrap();
    proxy.fall_silent();
    let impatient = RequestConfig::get(url(&proxy, "/get")).timeout(Duration::from_millis(100));
    assert!(
        soon(backend.request(impatient))
            .await
            .unwrap_err()
            .is_timeout()
    );
    // As soon as the PING is overdue, even a request that could not be sent twice is safe.
    sleep(LIMIT / 3).await;
    let post = RequestConfig::post(url(&proxy, "/post"));
    assert_eq!(soon(backend.request(post)).await.unwrap().attempts(), 1);
    assert_eq!(server.ledger().counts().requests_begun, 2);
}

#[tokio::test]
async fn giving_up_asks_for_a_sign_of_life_only_if_there_was_none() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_keep_alive_interval(NEVER));
    let request = || Box::pin(backend.exchange(exchange(Method::GET, &listener.url("/"))));
    let (mut peer, first) = soon(async { join!(listener.accept_and_answer(&[]), request()) }).await;
    first.unwrap();
    assert_eq!(soon(peer.pings_until_now()).await, 0);

    let mut unheard = request();
    assert!(poll!(&mut unheard).is_pending());
    let stream = tokio::select! {
        stream = soon(peer.request()) => stream,
        _ = &mut unheard => panic!("it is not answered"),
    };
    drop(unheard);
    let reset = soon(peer.read_stream()).await;
    assert_eq!((reset.stream, reset.code()), (stream, CANCEL));
    let payload = soon(peer.ping()).await;
    peer.pong(&payload).await;

    // The peer says something, if not what was asked for.
    let mut heard = request();
    assert!(poll!(&mut heard).is_pending());
    let sign = async {
        peer.request().await;
        peer.pings_until_now().await
    };
    let pings = tokio::select! {
        pings = soon(sign) => pings,
        _ = &mut heard => panic!("it is not answered"),
    };
    assert_eq!(pings, 0);
    drop(heard);
    soon(peer.read_stream()).await;
    assert_eq!(soon(peer.pings_until_now()).await, 0);
}

#[tokio::test]
async fn a_peer_that_has_nothing_to_say_is_asked_ever_more_rarely_and_kept() {
    let listener = Listener::bind().await;
    let backend = backend(watchful().http2_keep_alive_timeout(NEVER));
    let begun = Instant::now();
    let client = backend.request(listener.url("/"));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        for _ in 0..3 {
            let payload = peer.ping().await;
            peer.pong(&payload).await;
        }
        // After one interval, then two, then four.
        assert!(begun.elapsed() >= 7 * INTERVAL, "{:?}", begun.elapsed());
        peer.answer(stream).await;
        peer
    };
    let (response, _peer) = soon(async { join!(client, server) }).await;
    assert_eq!(response.unwrap().attempts(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_asked_along_with_its_next_request() {
    let listener = Listener::bind().await;
    let backend = backend(watchful().http2_keep_alive_timeout(NEVER));
    let request = || backend.request(listener.url("/"));
    let (mut peer, first) = soon(async { join!(listener.accept_and_answer(&[]), request()) }).await;
    first.unwrap();
    // Nobody waits for anything, so nothing is asked.
    let asked = timeout(6 * INTERVAL, peer.ping()).await;
    assert!(asked.is_err(), "an idle peer was asked");
    let server = async {
        let payload = peer.ping().await;
        peer.pong(&payload).await;
        // The request may have been read before the PING.
        peer.answer(3).await;
    };
    let (response, ()) = soon(async { join!(request(), server) }).await;
    assert_eq!(response.unwrap().attempts(), 1);
}

#[tokio::test]
async fn whatever_arrives_is_a_sign_of_life() {
    let limit = Duration::from_secs(1);
    let listener = Listener::bind().await;
    let backend = backend(watchful().http2_keep_alive_timeout(limit));
    let client = backend.request(listener.url("/"));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        // It is never answered: the answer would stand behind what is coming.
        peer.ping().await;
        let begun = Instant::now();
        while begun.elapsed() < 3 * limit / 2 {
            peer.data(stream, b"still here, ", false).await;
            sleep(limit / 10).await;
        }
        peer.data(stream, b"done", true).await;
        peer
    };
    let (response, _peer) = soon(async { join!(client, server) }).await;
    assert!(response.unwrap().text().ends_with("done"));
}

#[tokio::test]
async fn without_keep_alive_nothing_is_asked() {
    let listener = Listener::bind().await;
    let backend = backend(plain().http2_keep_alive_interval(None));
    let mut dropped = Box::pin(backend.exchange(exchange(Method::GET, &listener.url("/"))));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        peer.request().await;
        peer
    };
    let mut peer = tokio::select! {
        peer = soon(server) => peer,
        _ = &mut dropped => panic!("it is not answered"),
    };
    drop(dropped);
    soon(peer.read_stream()).await;
    assert_eq!(soon(peer.pings_until_now()).await, 0);
}
