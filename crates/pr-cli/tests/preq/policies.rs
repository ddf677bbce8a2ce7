//! How requests are sent: limits, rates, retries, proxies, hedges, as the servers see it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::{Response, StatusCode};
use pr_testkit::{Counts, ProxyServer, Server, closed_port};

use crate::support::{Finished, PATIENCE, Running, keys, preq, run, server_with_a_latch};

/// A server that answers `/flaky` with these statuses, one after the other, and then with 200.
fn flaky(statuses: &'static [u16]) -> Server {
    let turn = Arc::new(AtomicUsize::new(0));
    Server::builder()
        .handle("/flaky", move |_| {
            let status = statuses.get(turn.fetch_add(1, Ordering::SeqCst));
            let status = StatusCode::from_u16(status.copied().unwrap_or(200)).unwrap();
            async move {
                let mut response = Response::new("x".into());
                *response.status_mut() = status;
                response
            }
        })
        .start()
}

fn sent(server: &Server) -> usize {
    server.ledger().requests_to("/flaky").len()
}

#[test]
fn a_request_that_fails_for_a_while_is_sent_again_and_says_so() {
    let server = flaky(&[503, 500]);
    let finished = run(["fetch", "--verbose-attempts", &server.url("/flaky")]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcome = &finished.outcomes()[0];
    assert_eq!(
        (outcome["status"].as_u64(), outcome["attempts"].as_u64()),
        (Some(200), Some(3))
    );
    let earlier = outcome["earlier_attempts"].as_array().unwrap();
    let statuses: Vec<_> = earlier
        .iter()
        .map(|attempt| attempt["status"].as_u64())
        .collect();
    assert_eq!(statuses, [Some(503), Some(500)]);
    for attempt in earlier {
        assert_eq!(keys(attempt), ["backoff_ms", "elapsed_ms", "status"]);
    }
    assert_eq!(sent(&server), 3);
    assert_eq!(
        finished.summary("retried"),
        Some("1 request, after 500: 1, 503: 1")
    );

    let server = flaky(&[503]);
    let finished = run(["fetch", &server.url("/flaky")]);
    let outcome = &finished.outcomes()[0];
    assert_eq!(outcome["attempts"], 2);
    assert!(outcome.get("earlier_attempts").is_none(), "{outcome}");
}

#[test]
fn max_retries_is_how_often_it_is_sent_again() {
    for (retries, attempts) in [("0", 1), ("1", 2)] {
        let server = flaky(&[503; 9]);
        let finished = run([
            "fetch",
            "--max-retries",
            retries,
            "--fail",
            &server.url("/flaky"),
        ]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert_eq!(finished.outcomes()[0]["status"], 503);
        assert_eq!(sent(&server), attempts);
    }
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let server = flaky(&[503; 9]);
    let finished = run(["fetch", "-X", "POST", "-d", "x", &server.url("/flaky")]);
    assert_eq!(finished.outcomes()[0]["status"], 503);
    assert_eq!(sent(&server), 1);
}

#[test]
fn failures_without_an_answer_have_their_attempts_too() {
    let port = closed_port().unwrap();
    let finished = run([
        "fetch",
        "--max-retries",
        "1",
        "--verbose-attempts",
        &port.url("/"),
    ]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let outcome = &finished.outcomes()[0];
    assert_eq!(
        keys(outcome),
        ["attempts", "earlier_attempts", "error", "index", "url"]
    );
    assert_eq!(outcome["attempts"], 2);
    assert_eq!(outcome["earlier_attempts"][0]["error"], "connect");
    assert_eq!(
        finished.summary("retried"),
        Some("1 request, after connect: 1")
    );
}

#[test]
fn no_more_are_sent_than_the_rate_allows() {
    let server = Server::start();
    for flag in ["--rate", "--rate-per-host"] {
        let started = Instant::now();
        let args = [
            "fetch",
            flag,
            "100/s",
            "--burst",
            "5",
            "--repeat",
            "45",
            &server.url("/get"),
        ];
        let finished = run(args);
        assert_eq!(
            (finished.code, finished.lines.len()),
            (Some(0), 45),
            "{finished:?}"
        );
        // Five at once, and forty more at one in 10 ms.
        assert!(started.elapsed() >= Duration::from_millis(390), "{flag}");
    }
}

#[test]
fn no_more_are_in_flight_to_a_host_than_allowed() {
    let servers = [server_with_a_latch(), server_with_a_latch()];
    let urls = servers.each_ref().map(|(server, _)| server.url("/slow"));
    let args = [
        "fetch",
        "--per-host",
        "3",
        "--repeat",
        "6",
        &urls[0],
        &urls[1],
    ];
    let running = Running::start(&mut preq(args));
    for (server, _) in &servers {
        let three = |counts: &Counts| counts.requests_begun == 3;
        server
            .ledger()
            .wait_until_blocking(three, PATIENCE)
            .unwrap();
    }
    for (server, latch) in &servers {
        let more = |counts: &Counts| counts.requests_begun > 3;
        let wait = Duration::from_millis(100);
        server.ledger().wait_until_blocking(more, wait).unwrap_err();
        latch.open();
    }
    let finished = running.finish();
    assert_eq!(
        (finished.code, finished.lines.len()),
        (Some(0), 12),
        "{finished:?}"
    );
    for (server, _) in &servers {
        assert_eq!(server.ledger().counts().max_requests_in_flight, 3);
    }
}

#[test]
fn a_request_that_waits_too_long_for_its_turn_is_given_up() {
    let (server, latch) = server_with_a_latch();
    let url = server.url("/slow");
    let args = [
        "fetch",
        "--per-host",
        "1",
        "--queue-timeout",
        "0.2",
        &url,
        &url,
    ];
    let mut running = Running::start(&mut preq(args));
    let line = crate::support::json(&running.line());
    assert_eq!(line["error"]["kind"], "timeout", "{line}");
    latch.open();
    let finished = running.finish();
    assert_eq!(
        (finished.code, finished.lines.len()),
        (Some(1), 1),
        "{finished:?}"
    );
    assert_eq!(server.ledger().counts().requests_begun, 1);
}

#[test]
fn requests_go_through_the_proxy() {
    let server = Server::start();
    let proxy = ProxyServer::http();
    let finished = run(["fetch", "--proxy", &proxy.url("http"), &server.url("/get")]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(proxy.requests().len(), 1);
    assert_eq!(server.ledger().counts().requests_begun, 1);
}

#[test]
fn requests_go_through_the_proxies_in_turn() {
    let server = Server::start();
    let proxies = [ProxyServer::http(), ProxyServer::http()];
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines = format!(
        "# two\n{}\n\n{}\n",
        proxies[0].authority(),
        proxies[1].url("http")
    );
    fs::write(&file, lines).unwrap();
    let path = file.path().to_str().unwrap();
    let url = server.url("/get");
    let fetch = |flags: &[&str]| {
        let fixed = [
            "fetch",
            "--proxies",
            path,
            "--repeat",
            "10",
            "--concurrency",
            "1",
            &url,
        ];
        let finished = run(fixed.iter().chain(flags));
        assert_eq!(
            (finished.code, finished.lines.len()),
            (Some(0), 10),
            "{finished:?}"
        );
        proxies.each_ref().map(|proxy| proxy.requests().len())
    };
    assert_eq!(fetch(&[]), [5, 5]);
    let sticky = fetch(&["--proxy-strategy", "sticky"]);
    assert!(sticky == [15, 5] || sticky == [5, 15], "{sticky:?}");
}

#[test]
fn a_slow_get_gets_a_second_copy() {
    let turn = Arc::new(AtomicUsize::new(0));
    let server = Server::builder()
        .handle("/hedged", move |_| {
            let first = turn.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                Response::default()
            }
        })
        .start();
    let finished = run(["fetch", "--hedge", "0.05", &server.url("/hedged")]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    // It did not wait for the first to fail.
    assert_eq!(finished.outcomes()[0].get("attempts"), None, "{finished:?}");
    assert_eq!(server.ledger().requests_to("/hedged").len(), 2);
}

#[test]
fn a_host_that_fails_all_the_time_is_left_alone() {
    let port = closed_port().unwrap();
    let url = port.url("/");
    let args = [
        "fetch",
        "--circuit-breaker",
        "--max-retries",
        "0",
        "--repeat",
        "300",
        &url,
    ];
    let finished = run(args);
    assert_eq!(
        (finished.code, finished.lines.len()),
        (Some(1), 300),
        "{finished:?}"
    );
    assert!(
        finished.summary("errors").unwrap().contains("circuit-open"),
        "{finished:?}"
    );
}

#[test]
fn a_limit_that_finds_itself_lets_everything_through() {
    let server = Server::start();
    let args = [
        "fetch",
        "--adaptive",
        "--repeat",
        "300",
        &server.url("/get"),
    ];
    let finished = run(args);
    assert_eq!(
        (finished.code, finished.lines.len()),
        (Some(0), 300),
        "{finished:?}"
    );
}

/// What comes of these lines with these flags.
fn fetch_lines(lines: &[String], flags: &[&str]) -> Finished {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, lines.join("\n")).unwrap();
    let fixed = [
        "fetch",
        "--concurrency",
        "2",
        "--input",
        file.path().to_str().unwrap(),
    ];
    run(fixed.iter().chain(flags))
}

#[test]
fn the_first_failure_can_end_it_all() {
    let server = Server::builder().record_requests(false).start();
    let mut lines = vec![server.url("/get"), server.url("/status/404")];
    lines.resize_with(100_000, || server.url("/bytes/1"));
    // With --fail a 404 is one.
    let finished = fetch_lines(&lines, &["--fail-fast", "--fail"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let most = lines.len() / 2;
    assert!(
        (1..most).contains(&finished.lines.len()),
        "{}",
        finished.stderr
    );
    let stopped = finished.summary("stopped").unwrap();
    assert!(stopped.starts_with("after a failure; "), "{stopped}");
    assert!(server.ledger().counts().requests_begun < most as u64);
}

#[test]
fn so_many_failures_are_borne_and_no_more() {
    let server = Server::builder().record_requests(false).start();
    let mut lines = vec!["no url".to_owned(); 5];
    lines.push(server.url("/get"));
    let finished = fetch_lines(&lines, &["--max-failures", "5"]);
    assert_eq!(
        (finished.code, finished.lines.len()),
        (Some(1), 6),
        "{finished:?}"
    );
    assert_eq!(finished.summary("stopped"), None);

    lines.resize_with(100_000, || server.url("/get"));
    let finished = fetch_lines(&lines, &["--max-failures", "4"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let stopped = finished.summary("stopped").unwrap();
    assert!(stopped.starts_with("after 5 failures; "), "{stopped}");
    assert!(finished.lines.len() < lines.len() / 2);
}

#[test]
fn the_deadline_ends_the_run() {
    let server = Server::start();
    let urls = [server.url("/get"), server.url("/hang")];
    let args = ["fetch", "--deadline", "1.5", &urls[0], &urls[1]];
    let finished = run(args);
    assert_eq!(finished.code, Some(124), "{finished:?}");
    assert_eq!(finished.outcomes()[0]["index"], 0);
    assert_eq!(finished.lines.len(), 1);
    let stopped = finished.summary("stopped");
    assert_eq!(
        stopped,
        Some("by the deadline of 1.5s; 1 cancelled in flight")
    );
}

#[test]
fn the_deadline_ends_what_would_never_end() {
    let server = Server::builder().record_requests(false).start();
    let args = [
        "fetch",
        "--deadline",
        "0.3",
        "--repeat",
        "1000000000000",
        &server.url("/get"),
    ];
    assert_eq!(run(args).code, Some(124));
    // Nobody types anything.
    let mut command = preq(["fetch", "--deadline", "0.3", "--input", "-"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    let stdin = running.stdin();
    assert_eq!(running.finish().code, Some(124));
    drop(stdin);
}
