//! Requests from files and standard input: lines good and bad, repeated, and slow to come.

use std::{fs, io::Write, process::Stdio};

use pr_testkit::Server;
use serde_json::json;

use crate::support::{Running, keys, preq, run, run_with_input};

#[test]
fn urls_and_objects_a_line_after_those_of_the_command_line() {
    let server = Server::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let object = json!({"url": server.url("/bytes/2"), "method": "HEAD"});
    let text = format!(
        "\u{feff}# a comment\n\n{}\r\n  {object}  \n{}",
        server.url("/bytes/1"),
        server.url("/bytes/3"),
    );
    fs::write(&file, text).unwrap();
    let path = file.path().to_str().unwrap();
    let finished = run([
        "fetch",
        "--input",
        path,
        "--ordered",
        &server.url("/bytes/0"),
    ]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let bytes = finished.outcomes();
    let bytes: Vec<_> = bytes
        .iter()
        .map(|outcome| outcome["bytes"].as_u64())
        .collect();
    // The second is the answer to HEAD.
    assert_eq!(bytes, [Some(0), Some(1), Some(0), Some(3)]);
}

#[test]
fn a_bad_line_is_one_outcome_and_spoils_no_other() {
    let server = Server::start();
    let good = server.url("/get");
    let lines = [
        good.clone(),
        "not a url".to_owned(),
        "# comment".to_owned(),
        "{\"url\": \"http://h.example/\", \"headers\": {\"authorization\": \"canary\"}".to_owned(),
        json!({"url": "http://user:canary@h.example/", "colour": "red"}).to_string(),
        json!({"url": good, "headers": {"x": "a\nb"}}).to_string(),
        json!({"method": "GET"}).to_string(),
        "ftp://h.example/".to_owned(),
        good.clone(),
    ];
    let finished = run_with_input(["fetch", "--input", "-"], &lines.join("\n"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let outcomes = finished.sorted();
    assert_eq!(outcomes.len(), 8);
    for index in [0, 7] {
        assert_eq!(outcomes[index]["status"], 200);
    }
    for (index, line, url, hint) in [
        (1, 2, "not a url", "absolute URL"),
        (2, 4, "", "column "),
        (3, 5, "http://h.example/", "unknown field `colour`"),
        (4, 6, &good, "header"),
        (5, 7, "", "url"),
        (6, 8, "ftp://h.example/", "scheme"),
    ] {
        let outcome = &outcomes[index];
        assert_eq!(keys(outcome), ["error", "index", "url"]);
        assert_eq!(outcome["url"], *url);
        assert_eq!(outcome["error"]["kind"], "input");
        let message = outcome["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("line {line}: ")), "{message}");
        assert!(message.contains(hint), "{message}");
    }
    assert_eq!(finished.summary("errors"), Some("input: 6"));
    assert!(!format!("{finished:?}").contains("canary"));
}

#[test]
fn repeat_sends_each_so_often() {
    let server = Server::start();
    let lines = format!("{}\n{}\n", server.url("/bytes/1"), server.url("/bytes/2"));
    let finished = run_with_input(["fetch", "--input", "-", "--repeat", "250"], &lines);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let outcomes = finished.sorted();
    assert_eq!(outcomes.len(), 500);
    for (index, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome["index"], index);
        assert_eq!(outcome["bytes"], if index < 250 { 1 } else { 2 });
    }
    assert_eq!(server.ledger().requests_to("/bytes/1").len(), 250);
}

#[test]
fn an_outcome_does_not_wait_for_the_next_line() {
    let server = Server::start();
    let mut command = preq(["fetch", "--input", "-"]);
    let mut running = Running::start(command.stdin(Stdio::piped()));
    let mut stdin = running.stdin();
    for index in 0..3 {
        writeln!(stdin, "{}", server.url("/get")).unwrap();
        stdin.flush().unwrap();
        assert!(running.line().starts_with(&format!("{{\"index\":{index},")));
    }
    drop(stdin);
    let finished = running.finish();
    assert_eq!(finished.code, Some(0));
    assert!(finished.stderr.starts_with("3 requests in "));
}

#[test]
fn no_requests_are_no_failure() {
    let finished = run_with_input(["fetch", "--input", "-"], "# nothing\n\n");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.lines.is_empty());
    assert!(
        finished.stderr.starts_with("0 requests in "),
        "{finished:?}"
    );
}

#[test]
fn input_that_cannot_be_read_is_said() {
    // A directory can be opened and not be read.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let finished = run(["fetch", "--input", path]);
    assert_ne!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("input"), "{finished:?}");
}
