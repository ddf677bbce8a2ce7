//! The backend in memory does what its script says, on a clock that a test controls, and counts.

use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, stream};
use pr_core::{
    Backend, BackendExt, Body, Capability, Delivery, ErrorKind, RequestConfig, TimeoutPhase,
};
use pr_testkit::{Answer, MemoryBackend, content};
use tokio::time::Instant;

const URL: &str = "https://anywhere.example/path?q=1";

#[tokio::test]
async fn a_queue_is_given_in_order_and_then_fails() {
    let backend = MemoryBackend::queue([
        Answer::status(503)
            .header("retry-after", "1")
            .header("x", "a")
            .header("x", "b"),
        Answer::error(ErrorKind::Truncated, "cut off"),
        Answer::ok().body("done").version(http::Version::HTTP_2),
    ]);
    let first = backend.request(URL).await.unwrap();
    assert_eq!(first.status_code(), 503);
    assert_eq!(first.headers().get_all("x").iter().count(), 2);
    let second = backend.request(URL).await.unwrap_err();
    assert_eq!(
        (second.kind(), second.message()),
        (ErrorKind::Truncated, "cut off")
    );
    assert_eq!(second.backend_name(), Some("memory"));
    let third = backend.request(URL).await.unwrap();
    assert_eq!(
        (&*third.text(), third.version()),
        ("done", http::Version::HTTP_2)
    );
    assert_eq!(
        backend.request(URL).await.unwrap_err().kind(),
        ErrorKind::Other
    );
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.answered, counts.failed), (4, 2, 2));
}

#[tokio::test]
async fn errors_say_what_the_script_says() {
    let backend = MemoryBackend::queue([
        Answer::error(ErrorKind::Connect, "refused"),
        Answer::error(ErrorKind::Protocol, "odd").delivery(Delivery::NotProcessed),
        Answer::timeout(TimeoutPhase::Queue),
        // The caller sends it again, on a fresh connection.
        Answer::error(ErrorKind::Closed, "stale").on_reused_connection(),
        Answer::ok(),
    ])
    .recording();
    assert_eq!(
        backend.request(URL).await.unwrap_err().delivery(),
        Delivery::NotSent
    );
    let odd = backend.request(URL).await.unwrap_err();
    assert_eq!(odd.delivery(), Delivery::NotProcessed);
    let late = backend.request(URL).await.unwrap_err();
    assert_eq!(
        (late.is_timeout(), late.timeout_phase()),
        (true, Some(TimeoutPhase::Queue))
    );
    assert_eq!(backend.request(URL).await.unwrap().attempts(), 2);
    let fresh: Vec<_> = backend
        .requests()
        .iter()
        .map(|one| one.fresh_connection)
        .collect();
    assert_eq!(fresh, [false, false, false, false, true]);
}

#[tokio::test(start_paused = true)]
async fn waiting_is_done_on_tokios_clock() {
    let backend = MemoryBackend::queue([
        Answer::ok().after(Duration::from_secs(20)),
        Answer::ok()
            .pieces(["a", "b", "c"])
            .pause(Duration::from_secs(5)),
        Answer::hang(),
        Answer::ok().pieces(["a"]).then_hang(),
    ]);
    let begun = Instant::now();
    backend.request(URL).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
    assert_eq!(backend.request(URL).await.unwrap().text(), "abc");
    assert_eq!(begun.elapsed(), Duration::from_secs(35));
    let hang = RequestConfig::get(URL).timeout(Duration::from_secs(7));
    let error = backend.request(hang.clone()).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Head));
    let error = backend.request(hang).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
    assert_eq!(begun.elapsed(), Duration::from_secs(49));
    let counts = backend.counts();
    assert_eq!(
        (counts.answered, counts.dropped, counts.in_flight()),
        (2, 2, 0)
    );
}

#[tokio::test]
async fn bodies_may_break_off() {
    let cut = Answer::ok()
        .body("half")
        .then_error(ErrorKind::Truncated, "cut off");
    let backend = MemoryBackend::always(cut);
    let mut response = backend.stream(URL).await.unwrap();
    assert_eq!(response.next().await.unwrap().unwrap(), "half");
    assert_eq!(
        response.next().await.unwrap().unwrap_err().kind(),
        ErrorKind::Truncated
    );
    assert!(response.next().await.is_none());
    assert_eq!(backend.counts().failed, 1);
}

#[tokio::test]
async fn closures_see_the_whole_request() {
    let backend = MemoryBackend::answering(|request| {
        let seen = format!("{} {} {} ", request.number, request.method, request.uri);
        Answer::ok().body([seen.as_bytes(), &request.body].concat())
    })
    .recording();
    let body = Body::factory(None, || {
        stream::iter(["in ", "two"].map(|piece| Ok(piece.into()))).boxed()
    });
    let request = RequestConfig::post(URL)
        .data(body)
        .header("x-a", "1")
        .verify_ssl(false);
    let expected = "0 POST https://anywhere.example/path?q=1 in two";
    assert_eq!(backend.request(request).await.unwrap().text(), expected);
    let seen = &backend.requests()[0];
    assert_eq!(
        (&seen.headers["x-a"], &seen.body[..]),
        (&"1".parse().unwrap(), &b"in two"[..])
    );
    assert!(!seen.key.verify_ssl());

    let failing = Body::factory(None, || {
        stream::iter([Ok("piece".into()), Err("disk".into())]).boxed()
    });
    let error = backend
        .request(RequestConfig::post(URL).data(failing))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_counted_from_the_requests_arrival() {
    let backend = MemoryBackend::routes();
    for (upload, delay, taken) in [(1, 3, 3), (3, 1, 3), (0, 2, 2)].map(seconds) {
        let body = Body::factory(None, move || {
            let last = stream::once(async move {
                tokio::time::sleep(upload).await;
                Ok("a".into())
            });
            last.boxed()
        });
        let url = format!("https://anywhere.example/delay/{}", delay.as_secs());
        let begun = Instant::now();
        let response = backend.request(RequestConfig::post(&url).data(body)).await;
        assert_eq!(response.unwrap().status_code(), 200);
        assert_eq!(begun.elapsed(), taken, "{upload:?} and {delay:?}");
    }
}

fn seconds((upload, delay, taken): (u64, u64, u64)) -> (Duration, Duration, Duration) {
    let seconds = Duration::from_secs;
    (seconds(upload), seconds(delay), seconds(taken))
}

#[tokio::test(start_paused = true)]
async fn the_most_in_flight_are_counted() {
    let backend = MemoryBackend::always(Answer::ok().after(Duration::from_secs(1)));
    join_all((0..7).map(|_| backend.request(URL))).await;
    join_all((0..3).map(|_| backend.request(URL))).await;
    let counts = backend.counts();
    assert_eq!(
        (counts.begun, counts.answered, counts.max_in_flight),
        (10, 10, 7)
    );
}

#[tokio::test]
async fn dropping_and_closing_are_counted() {
    let backend = MemoryBackend::always(Answer::hang());
    let other = backend.clone();
    let hanging = |backend: MemoryBackend| tokio::spawn(async move { backend.request(URL).await });
    let dropped = hanging(backend.clone());
    let closed = hanging(backend.clone());
    while backend.counts().in_flight() < 2 {
        tokio::task::yield_now().await;
    }
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    assert_eq!(backend.counts().dropped, 1);
    other.close().await;
    assert_eq!(closed.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let refused = backend.request(URL).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.delivery()),
        (ErrorKind::Closed, Delivery::NotSent)
    );
    let counts = backend.counts();
    assert_eq!((counts.begun, counts.failed, counts.in_flight()), (2, 1, 0));
}

#[tokio::test]
async fn closing_ends_a_body_that_is_being_read() {
    let backend = MemoryBackend::always(Answer::ok().pieces(["a"]).then_hang());
    let mut response = backend.stream(URL).await.unwrap();
    assert_eq!(response.next().await.unwrap().unwrap(), "a");
    backend.close().await;
    assert_eq!(
        response.next().await.unwrap().unwrap_err().kind(),
        ErrorKind::Closed
    );
}

#[tokio::test]
async fn the_routes_work_without_a_socket() {
    let backend = MemoryBackend::routes().named("httpbin");
    let echo = backend
        .request("https://h.example/anything?a=1")
        .await
        .unwrap();
    assert_eq!(echo.backend(), "httpbin");
    let echo: serde_json::Value = echo.json().unwrap();
    assert_eq!(echo["url"], "https://h.example/anything?a=1");
    let end = backend
        .request("http://h.example/absolute-redirect/3")
        .await
        .unwrap();
    assert_eq!((end.history().len(), end.url().path()), (3, "/get"));
    let bytes = backend
        .request("http://h.example/bytes/70000")
        .await
        .unwrap();
    assert_eq!(bytes.content(), &content::bytes(70_000));
    let trailers = backend.request("http://h.example/trailers").await.unwrap();
    assert_eq!(trailers.trailers()["x-trailer"], "arrived");
}

#[tokio::test]
async fn a_handler_gets_the_exchange_itself() {
    let backend = MemoryBackend::handling(|request| async move {
        assert!(request.deadline.is_some());
        let mut response = pr_core::ExchangeResponse::new(http::StatusCode::ACCEPTED);
        response.connection = pr_core::ConnectionInfo::new(7, true, None);
        Ok(response)
    });
    let response = backend.request(URL).await.unwrap();
    assert_eq!(
        (response.status_code().as_u16(), response.connection().id),
        (202, 7)
    );
}

#[tokio::test]
async fn capabilities_are_what_is_claimed() {
    let default = MemoryBackend::always(Answer::ok()).capabilities();
    assert!(default.has(Capability::Tls) && !default.has(Capability::Network));
    let only = pr_core::Capabilities::of(&[Capability::Http1]);
    let plain = MemoryBackend::always(Answer::ok()).with_capabilities(only);
    assert_eq!(
        plain.request(URL).await.unwrap_err().kind(),
        ErrorKind::Unsupported
    );
}

#[tokio::test]
async fn two_hundred_thousand_exchanges_are_cheap() {
    let backend = MemoryBackend::always(Answer::ok().body("small"));
    let begun = std::time::Instant::now();
    for _ in 0..200_000 {
        backend.request("http://h.example/").await.unwrap();
    }
    let counts = backend.counts();
    assert_eq!((counts.answered, counts.max_in_flight), (200_000, 1));
    // A second or two in a debug build; the limit is for machines much slower than that.
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    assert!(backend.requests().is_empty());
}
