//! Ends before the end: Ctrl-C, and readers that have had enough.

use pr_testkit::Server;

use crate::support::{PATIENCE, Running, json, preq, run};

#[test]
fn whoever_reads_one_line_and_leaves_causes_no_crash() {
    let server = Server::builder().record_requests(false).start();
    // More than could ever be sent: it ends because nobody reads, and it was never all in memory.
    let args = ["fetch", "--repeat", "1000000000000", &server.url("/get")];
    let mut running = Running::start_unread(&mut preq(args));
    let line = running.take_one_line();
    assert_eq!(json(&line)["status"], 200);
    let finished = running.finish();
    assert_eq!(finished.code, Some(141), "{finished:?}");
    assert!(finished.stderr.contains("requests in "), "{finished:?}");
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    assert!(!finished.stderr.contains("error:"), "{finished:?}");
}

#[test]
fn the_other_commands_do_not_crash_either() {
    for command in ["backends", "demo"] {
        let mut running = Running::start_unread(&mut preq([command]));
        running.take_one_line();
        let finished = running.finish();
        // It depends on the moment whether there was anything left to write.
        assert!(matches!(finished.code, Some(0 | 141)), "{finished:?}");
        assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    }
}

#[test]
fn without_a_summary_a_closed_output_is_silent() {
    let server = Server::builder().record_requests(false).start();
    let args = ["fetch", "-q", "--repeat", "1000000000", &server.url("/get")];
    let mut running = Running::start_unread(&mut preq(args));
    running.take_one_line();
    let finished = running.finish();
    assert_eq!((finished.code, &*finished.stderr), (Some(141), ""));
}

#[cfg(unix)]
#[test]
fn ctrl_c_cancels_what_is_in_flight_and_sums_up() {
    let server = Server::start();
    let args = [
        "fetch",
        "--ordered",
        &server.url("/hang"),
        &server.url("/get"),
        &server.url("/hang"),
    ];
    let running = Running::start(&mut preq(args));
    let two_hang =
        |counts: &pr_testkit::Counts| counts.requests_begun == 3 && counts.requests_answered == 1;
    server
        .ledger()
        .wait_until_blocking(two_hang, PATIENCE)
        .unwrap();
    // The answer may still be on its way, so that it may or may not count as done.
    running.interrupt();
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:?}");
    let done = finished.lines.len();
    assert!(done <= 1, "{finished:?}");
    let stopped = finished.summary("stopped").unwrap();
    assert_eq!(
        stopped,
        format!("by Ctrl-C; {} cancelled in flight", 3 - done)
    );
    let ended = |counts: &pr_testkit::Counts| counts.requests_in_flight() == 0;
    server
        .ledger()
        .wait_until_blocking(ended, PATIENCE)
        .unwrap();
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_waiting_for_input_ends_it_too() {
    let server = Server::start();
    let mut command = preq(["fetch", "--input", "-"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    let mut stdin = running.stdin();
    std::io::Write::write_all(&mut stdin, format!("{}\n", server.url("/get")).as_bytes()).unwrap();
    running.line();
    running.interrupt();
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:?}");
    assert_eq!(
        finished.summary("stopped"),
        Some("by Ctrl-C; 0 cancelled in flight")
    );
    assert_eq!(finished.summary("status"), Some("200: 1"));
    drop(stdin);
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_even_what_is_stuck() {
    let server = Server::start();
    let args = [
        "fetch",
        "--body",
        "--repeat",
        "1000000",
        &server.url("/bytes/100000"),
    ];
    // Nobody reads, so before long it is stuck in writing.
    let mut running = Running::start_unread(&mut preq(args));
    let some = |counts: &pr_testkit::Counts| counts.requests_answered >= 10;
    server.ledger().wait_until_blocking(some, PATIENCE).unwrap();
    let patience = std::time::Instant::now() + PATIENCE;
    while !running.has_ended() {
        assert!(std::time::Instant::now() < patience, "it does not end");
        running.interrupt();
        // A person does not press faster either.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(running.finish().code, Some(130));
}

#[test]
fn a_full_disk_is_an_error() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let server = Server::start();
    let mut command = preq(["fetch", &server.url("/get")]);
    let output = command.stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot write to standard output"),
        "{stderr}"
    );
    assert_eq!(run(["fetch", &server.url("/get")]).code, Some(0));
}
