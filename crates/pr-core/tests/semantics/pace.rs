//! The time limits of a request's parts, each with its name in the error. All on a paused clock.

use std::{future::pending, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::StatusCode;
use pr_core::{
    BackendExt, Body, ErrorKind, ExchangeResponse, Frame, IncomingBody, RequestConfig, Stage,
    TimeoutPhase,
};
use tokio::time::{Instant, sleep};

use crate::support::{Scripted, ok};

const URL: &str = "http://h.example/";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test(start_paused = true)]
async fn each_part_has_a_limit_of_its_own() {
    let set = || RequestConfig::get(URL).timeout(seconds(100));
    let table = [
        (
            Stage::Sending,
            set().write_timeout(seconds(3)),
            Some((3, TimeoutPhase::Write)),
        ),
        (
            Stage::AwaitingHead,
            set().first_byte_timeout(seconds(4)),
            Some((4, TimeoutPhase::Head)),
        ),
        // A limit is not for other parts.
        (Stage::AwaitingHead, set().write_timeout(seconds(3)), None),
        (Stage::Sending, set().first_byte_timeout(seconds(4)), None),
        (
            Stage::Connecting,
            set()
                .first_byte_timeout(seconds(4))
                .write_timeout(seconds(3)),
            None,
        ),
        // Without a limit on the whole, each part has one all the same.
        (
            Stage::Sending,
            RequestConfig::get(URL).no_timeout(),
            Some((30, TimeoutPhase::Write)),
        ),
        (
            Stage::AwaitingHead,
            RequestConfig::get(URL).no_timeout(),
            Some((30, TimeoutPhase::Head)),
        ),
    ];
    for (stage, request, expected) in table {
        let backend = Scripted::new(move |_, _, progress| {
            progress.reach(Stage::Sending);
            progress.reach(stage);
            Box::pin(pending())
        });
        let started = Instant::now();
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let taken = started.elapsed();
        match expected {
            Some((limit, phase)) => {
                assert_eq!(error.timeout_phase(), Some(phase), "{stage:?}");
                assert_eq!(taken.as_secs(), limit, "{stage:?}");
                assert!(error.message().contains(&format!("{limit}s")), "{error}");
                assert!(error.may_have_been_processed());
            }
            None => assert_eq!(taken.as_secs(), 100, "{stage:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_begins_unseen_has_its_full_time() {
    // The stage is moved by another task, as a thread or a connection's task would.
    let backend = Scripted::new(|_, _, progress| {
        progress.reach(Stage::Sending);
        tokio::spawn(async move {
            sleep(seconds(5)).await;
            progress.reach(Stage::AwaitingHead);
        });
        Box::pin(pending())
    });
    let started = Instant::now();
    let request = RequestConfig::get(URL)
        .no_timeout()
        .write_timeout(seconds(50))
        .first_byte_timeout(seconds(7));
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Head));
    assert_eq!(started.elapsed().as_secs(), 12);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_of_the_users_is_not_the_peers_fault() {
    let backend = Scripted::at_once(|_, seen| {
        assert_eq!(seen.body, b"abc");
        Ok(ok())
    });
    let slow = stream::iter(["a", "b", "c"]).then(|piece| async move {
        sleep(seconds(20)).await;
        Ok(Bytes::from(piece))
    });
    let request = RequestConfig::post(URL)
        .data(Body::one_shot(Some(3), slow))
        .no_timeout()
        .write_timeout(seconds(2));
    let response = backend.request(request).await.unwrap();
    assert_eq!(response.timings().total.as_secs(), 60);
}

/// A body whose pieces take a second each, and which stalls after `pieces`.
fn slow_body(pieces: usize) -> ExchangeResponse {
    let frames = stream::iter(0..pieces)
        .then(|_| async {
            sleep(seconds(1)).await;
            Ok(Frame::Data(Bytes::from_static(b"x")))
        })
        .chain(stream::pending());
    let mut response = ExchangeResponse::new(StatusCode::OK);
    response.body = IncomingBody::streaming(frames, None);
    response
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_and_a_slow_one_does_not() {
    for streamed in [false, true] {
        let backend = Scripted::at_once(|_, _| Ok(slow_body(200)));
        let started = Instant::now();
        let request = RequestConfig::get(URL)
            .no_timeout()
            .read_timeout(seconds(5));
        let error = if streamed {
            let body = backend.stream(request).await.unwrap();
            let mut pieces: Vec<_> = body.collect().await;
            let last = pieces.pop().unwrap().unwrap_err();
            assert_eq!(pieces.len(), 200);
            last
        } else {
            backend.request(request).await.unwrap_err()
        };
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
        assert_eq!(started.elapsed().as_secs(), 205);
        assert_eq!(error.backend_name(), Some("scripted"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_ends_also_where_nothing_is_set_but_no_timeout() {
    let backend = Scripted::at_once(|_, _| Ok(slow_body(50)));
    let started = Instant::now();
    let request = RequestConfig::get(URL).no_timeout();
    let error = backend.request(request).await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Read));
    assert_eq!(started.elapsed().as_secs(), 80);
}

#[tokio::test(start_paused = true)]
async fn the_limit_on_the_whole_holds_beside_those_of_the_parts() {
    let backend = Scripted::at_once(|_, _| Ok(slow_body(200)));
    for streamed in [false, true] {
        let started = Instant::now();
        let request = RequestConfig::get(URL)
            .timeout(seconds(9))
            .read_timeout(seconds(5));
        let error = if streamed {
            let body = backend.stream(request).await.unwrap();
            body.into_whole().await.unwrap_err()
        } else {
            backend.request(request).await.unwrap_err()
        };
        assert!(error.is_timeout());
        assert_eq!(started.elapsed().as_secs(), 9);
    }
    // Without one of the user's, the default holds for a body that is kept in memory.
    let started = Instant::now();
    let request = RequestConfig::get(URL).read_timeout(seconds(5));
    assert!(backend.request(request).await.unwrap_err().is_timeout());
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn timings_tell_the_parts_apart() {
    let backend = Scripted::new(|number, _, progress| {
        Box::pin(async move {
            if number == 0 {
                sleep(seconds(1)).await;
                return Ok(crate::support::redirect(302, "/next"));
            }
            sleep(seconds(2)).await;
            progress.reach(Stage::Connecting);
            sleep(seconds(3)).await;
            let mut dial = pr_core::DialTimings::default();
            (dial.dns, dial.tcp) = (Some(seconds(1)), Some(seconds(2)));
            progress.dialed(dial);
            progress.reach(Stage::Sending);
            sleep(seconds(4)).await;
            let mut response = ok();
            let body = stream::once(async {
                sleep(seconds(5)).await;
                Ok(Frame::Data(Bytes::from_static(b"x")))
            });
            response.body = IncomingBody::streaming(body, None);
            Ok(response)
        })
    });
    let response = backend.request(URL).await.unwrap();
    let timings = response.timings();
    let dial = timings.dial.unwrap();
    assert_eq!((dial.dns, dial.tls), (Some(seconds(1)), None));
    let parts = [
        timings.before,
        timings.queued,
        dial.total(),
        timings.first_byte,
        timings.head,
        timings.total,
    ];
    assert_eq!(parts.map(|part| part.as_secs()), [1, 2, 3, 4, 10, 15]);
}

#[tokio::test(start_paused = true)]
async fn a_body_in_memory_moves_as_it_is_taken() {
    // A MiB at 64 KiB a second, by a backend that takes piece by piece.
    for body in [
        Body::from(vec![7; 1 << 20]),
        Body::one_shot(
            Some(1 << 20),
            stream::iter([Ok(Bytes::from(vec![7; 1 << 20]))]),
        ),
    ] {
        let backend = Scripted::slowly(seconds(1), |_, seen| {
            assert_eq!(seen.body, vec![7; 1 << 20]);
            Ok(ok())
        });
        let request = RequestConfig::post(URL)
            .data(body)
            .no_timeout()
            .write_timeout(seconds(3));
        let response = backend.request(request).await.unwrap();
        assert_eq!(response.timings().total.as_secs(), 16);
    }
}

#[tokio::test(start_paused = true)]
async fn every_limit_of_a_year_or_more_is_none() {
    let backend = Scripted::new(|_, _, progress| {
        progress.reach(Stage::AwaitingHead);
        Box::pin(pending())
    });
    for limit in [Duration::MAX, seconds(u64::MAX), seconds(366 * 86_400)] {
        let started = Instant::now();
        let request = RequestConfig::get(URL).timeout(limit);
        let error = backend.request(request).await.unwrap_err();
        assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Head));
        assert_eq!(started.elapsed().as_secs(), 30);
    }
}

#[tokio::test(start_paused = true)]
async fn asking_for_leave_takes_a_second_of_silence() {
    for (limit, passes) in [(Duration::from_millis(500), true), (seconds(5), true)] {
        let backend = Scripted::new(|_, _, progress| {
            progress.reach(Stage::Sending);
            Box::pin(async move {
                sleep(Duration::from_millis(999)).await;
                progress.reach(Stage::AwaitingHead);
                Ok(ok())
            })
        });
        let request = RequestConfig::put(URL)
            .data("content")
            .expect_continue(true)
            .write_timeout(limit);
        assert_eq!(backend.request(request).await.is_ok(), passes);
    }
}

#[tokio::test(start_paused = true)]
async fn timings_of_an_earlier_hop_are_not_those_of_the_last() {
    let backend = Scripted::new(|number, _, progress| {
        Box::pin(async move {
            if number == 0 {
                let mut dial = pr_core::DialTimings::default();
                dial.tcp = Some(seconds(1));
                sleep(seconds(1)).await;
                progress.dialed(dial);
                progress.reach(Stage::Sending);
                return Ok(crate::support::redirect(302, "/next"));
            }
            sleep(seconds(2)).await;
            // Some backends have nothing to send after the head.
            progress.reach(Stage::AwaitingHead);
            sleep(seconds(3)).await;
            Ok(ok())
        })
    });
    let timings = backend.request(URL).await.unwrap().timings();
    assert_eq!(timings.dial, None);
    let parts = [
        timings.before,
        timings.queued,
        timings.first_byte,
        timings.head,
    ];
    assert_eq!(parts.map(|part| part.as_secs()), [1, 2, 3, 6]);
}
