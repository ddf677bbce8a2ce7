//! The lines that `preq fetch` prints: their keys, their values, their order.

use std::time::Duration;

use pr_testkit::{Server, closed_port};
use serde_json::json;

use crate::support::{PATIENCE, Running, keys, preq, run, server_with_a_latch};

const ANSWER: [&str; 7] = [
    "backend",
    "bytes",
    "elapsed_ms",
    "http_version",
    "index",
    "status",
    "url",
];

#[test]
fn an_answer_has_the_documented_keys_and_values() {
    let server = Server::start();
    for backend in parallel_backends() {
        let finished = run([
            "fetch",
            "--backend",
            backend,
            &server.url("/bytes/1000?x=1"),
        ]);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let [line] = &finished.lines[..] else {
            panic!("{finished:?}");
        };
        assert!(line.starts_with("{\"index\":0,\"url\":\"http://"), "{line}");
        let outcome = &finished.outcomes()[0];
        assert_eq!(keys(outcome), ANSWER);
        assert_eq!(outcome["url"], server.url("/bytes/1000?x=1"));
        assert_eq!(outcome["status"], 200);
        assert_eq!(outcome["http_version"], "HTTP/1.1");
        assert_eq!(outcome["bytes"], 1000);
        assert_eq!(outcome["backend"], backend);
        assert!(outcome["elapsed_ms"].as_f64().unwrap() > 0.0);
    }
}

#[test]
fn an_answer_is_one_whatever_its_status_and_has_the_final_url() {
    let server = Server::start();
    let urls = ["/status/404", "/redirect/2"].map(|path| server.url(path));
    let finished = run(["fetch", &urls[0], &urls[1]]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcomes = finished.sorted();
    assert_eq!(outcomes[0]["status"], 404);
    assert_eq!(outcomes[1]["status"], 200);
    assert_eq!(outcomes[1]["url"], server.url("/get"));
    assert_eq!(finished.summary("status"), Some("200: 1, 404: 1"));
}

#[test]
fn with_fail_a_404_is_a_failure() {
    let server = Server::start();
    let finished = run(["fetch", "--fail", &server.url("/status/404")]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(finished.outcomes()[0]["status"], 404);
    assert!(finished.stderr.contains("0 succeeded, 1 failed"));
    assert_eq!(run(["fetch", "--fail", &server.url("/get")]).code, Some(0));
}

#[test]
fn a_failure_has_its_kind_and_spoils_nothing_else() {
    let server = Server::start();
    let port = closed_port().unwrap();
    let finished = run([
        "fetch",
        "--timeout",
        "5",
        "--max-retries",
        "0",
        &port
            .url("/a?token=1#b")
            .replace("http://", "http://user:canary@"),
        &server.url("/get"),
        "http://name.invalid/",
        "no url",
    ]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let outcomes = finished.sorted();
    for (index, kind) in [(0, "connect"), (2, "dns"), (3, "input")] {
        let outcome = &outcomes[index];
        assert_eq!(keys(outcome), ["error", "index", "url"]);
        assert_eq!(keys(&outcome["error"]), ["delivery", "kind", "message"]);
        assert_eq!(outcome["error"]["kind"], kind);
        assert!(!outcome["error"]["message"].as_str().unwrap().is_empty());
    }
    assert_eq!(outcomes[0]["url"], port.url("/a?token=1#b"));
    assert_eq!(outcomes[1]["status"], 200);
    assert_eq!(outcomes[3]["url"], "no url");
    assert_eq!(
        finished.summary("errors"),
        Some("connect: 1, dns: 1, input: 1")
    );
    assert!(!format!("{finished:?}").contains("canary"));
}

#[test]
fn a_timeout_is_one() {
    let server = Server::start();
    let finished = run(["fetch", "--timeout", "0.05", &server.url("/hang")]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let outcome = &finished.outcomes()[0];
    assert_eq!(outcome["error"]["kind"], "timeout");
    assert_eq!(outcome["error"]["phase"], "head");
    assert_eq!(outcome["error"]["delivery"], "unknown");
    assert_eq!(outcome["url"], server.url("/hang"));
    let message = outcome["error"]["message"].as_str().unwrap();
    assert!(message.contains("50ms"), "{message}");
}

#[test]
fn the_timeout_holds_for_the_body_too() {
    let server = Server::start();
    let url = server.url("/drip?duration=60&numbytes=60");
    let finished = run(["fetch", "--timeout", "0.3", &url]);
    assert_eq!(finished.outcomes()[0]["error"]["kind"], "timeout");
}

#[test]
fn body_adds_the_text() {
    let server = Server::builder()
        .handle("/text", async |_| http::Response::new("grün\n".into()))
        .start();
    let finished = run(["fetch", "--body", &server.url("/text")]);
    let outcome = &finished.outcomes()[0];
    assert_eq!(keys(outcome).len(), ANSWER.len() + 1);
    assert_eq!(outcome["body"], "grün\n");
    assert_eq!(outcome["bytes"], 6);
}

#[test]
fn outcomes_come_as_they_complete() {
    let (server, latch) = server_with_a_latch();
    let urls = [server.url("/slow"), server.url("/get")];
    let mut running = Running::start(&mut preq(["fetch", &urls[0], &urls[1]]));
    // The first is still on its way when the second's line is there to be read.
    assert!(running.line().starts_with("{\"index\":1,"));
    latch.open();
    assert!(running.line().starts_with("{\"index\":0,"));
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn ordered_outcomes_come_in_the_order_of_the_input() {
    let (server, latch) = server_with_a_latch();
    let mut args = vec![
        "fetch".to_owned(),
        "--ordered".to_owned(),
        server.url("/slow"),
    ];
    args.extend((1..100).map(|n| server.url(&format!("/bytes/{n}"))));
    let running = Running::start(&mut preq(args));
    // All but the first are answered before it is.
    let answered = |counts: &pr_testkit::Counts| counts.requests_answered == 99;
    server
        .ledger()
        .wait_until_blocking(answered, PATIENCE)
        .unwrap();
    latch.open();
    let finished = running.finish();
    assert_eq!(finished.code, Some(0));
    let outcomes = finished.outcomes();
    assert_eq!(outcomes.len(), 100);
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome["index"], index);
        assert!(index == 0 || outcome["bytes"] == index);
    }
}

#[test]
fn the_summary_adds_up() {
    let server = Server::start();
    let finished = run([
        "fetch",
        "--repeat",
        "300",
        "--concurrency",
        "7",
        &server.url("/bytes/10"),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let stderr = &finished.stderr;
    assert!(stderr.starts_with("300 requests in "), "{stderr}");
    assert!(stderr.contains(": 300 answered, 0 failed\n"), "{stderr}");
    assert_eq!(finished.summary("status"), Some("200: 300"));
    assert_eq!(finished.summary("bytes"), Some("3.00 kB in bodies"));
    let latency = finished.summary("latency").unwrap();
    for word in ["p50 ", ", p90 ", ", p99 ", ", max "] {
        assert!(latency.contains(word), "{latency}");
    }
    assert!(
        finished
            .summary("rate")
            .unwrap()
            .ends_with(" requests per second")
    );
    assert!(
        finished
            .summary("backend")
            .unwrap()
            .contains("detection order")
    );
    // A connection that was made and then not needed carried nothing, and does not count.
    let connections: u64 = finished.summary("connections").unwrap().parse().unwrap();
    let accepted = server.ledger().counts().connections_accepted;
    assert!(
        (1..=accepted).contains(&connections),
        "{connections} of {accepted}"
    );
}

#[test]
fn no_more_are_in_flight_than_the_concurrency() {
    let (server, latch) = server_with_a_latch();
    let args = [
        "fetch",
        "--concurrency",
        "7",
        "--repeat",
        "20",
        &server.url("/slow"),
    ];
    let running = Running::start(&mut preq(args));
    let ledger = server.ledger();
    let in_flight =
        |more_than| move |counts: &pr_testkit::Counts| counts.requests_begun > more_than;
    ledger.wait_until_blocking(in_flight(6), PATIENCE).unwrap();
    ledger
        .wait_until_blocking(in_flight(7), Duration::from_millis(200))
        .unwrap_err();
    latch.open();
    let finished = running.finish();
    assert_eq!((finished.code, finished.lines.len()), (Some(0), 20));
}

#[test]
fn quiet_is_quiet() {
    let server = Server::start();
    let finished = run(["fetch", "--quiet", &server.url("/get")]);
    assert_eq!((finished.lines.len(), &*finished.stderr), (1, ""));
}

#[test]
fn a_warning_of_the_client_is_in_the_summary() {
    let server = Server::start();
    let line = json!({"url": server.url("/get"), "http2": true}).to_string();
    for backend in parallel_backends().filter(|&backend| backend != "h2") {
        let args = ["fetch", "--backend", backend, "--input", "-"];
        let finished = crate::support::run_with_input(args, &line);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        assert!(finished.summary("warning").unwrap().contains("http2(true)"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn bodies_that_nobody_asked_for_are_not_held() {
    const BODY: u64 = 64 << 20;
    const MOST_KIB: u64 = 100 << 10;

    let server = Server::start();
    let url = server.url(&format!("/bytes/{BODY}"));
    for backend in parallel_backends() {
        let args = ["fetch", "--backend", backend, "--repeat", "4", &url];
        let mut running = Running::start(&mut preq(args));
        let mut peak = 0;
        while !running.has_ended() {
            peak = running.peak_kib().unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        let finished = running.finish();
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let outcomes = finished.outcomes();
        assert!(outcomes.iter().all(|outcome| outcome["bytes"] == BODY));
        assert!((1..MOST_KIB).contains(&peak), "{backend}: {peak} KiB");
    }
}

fn parallel_backends() -> impl Iterator<Item = &'static str> {
    [
        ("h2", cfg!(feature = "h2")),
        ("hyper", cfg!(feature = "hyper")),
        ("blocking", cfg!(feature = "blocking")),
    ]
    .into_iter()
    .filter_map(|(name, compiled_in)| compiled_in.then_some(name))
}
