//! The journal: what is in it, which runs may go on with it, and that no end of a run, however
//! rude, loses or doubles an outcome in it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use http::Method;
use pr_testkit::{Counts, Server, closed_port};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Finished, PATIENCE, Running, json, preq, run, run_with_input};

/// A directory with a journal in it that is yet to be begun.
struct Place {
    directory: TempDir,
    journal: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("run.jsonl");
        Self { directory, journal }
    }

    fn path(&self) -> &str {
        self.journal.to_str().unwrap()
    }

    /// A file with these lines, for `--input`.
    fn input(&self, lines: impl IntoIterator<Item = String>) -> String {
        let path = self.directory.path().join("input");
        let mut text = String::new();
        for line in lines {
            text.push_str(&line);
            text.push('\n');
        }
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.journal).unwrap()
    }

    /// The outcomes in the journal: all lines after the first.
    fn outcomes(&self) -> Vec<Value> {
        self.text().lines().skip(1).map(json).collect()
    }

    /// How often each index is in the journal, from 0 to that of the last request.
    fn times(&self, requests: usize) -> Vec<usize> {
        let mut times = vec![0; requests];
        for outcome in self.outcomes() {
            times[index(&outcome)] += 1;
        }
        times
    }
}

fn index(outcome: &Value) -> usize {
    outcome["index"].as_u64().unwrap().try_into().unwrap()
}

fn indices(finished: &Finished) -> Vec<usize> {
    finished.sorted().iter().map(index).collect()
}

#[test]
fn it_has_what_was_printed_after_a_line_that_says_what_run_it_is() {
    let server = Server::start();
    let (url, port) = (server.url("/bytes/7"), closed_port().unwrap());
    for ordered in [&[][..], &["--ordered"]] {
        let place = Place::new();
        let bad = port.url("/");
        let args = [
            "fetch",
            "--max-retries",
            "0",
            "--journal",
            place.path(),
            &url,
            &bad,
            &url,
        ];
        let finished = run(args.iter().chain(ordered));
        assert_eq!(finished.code, Some(1), "{finished:?}");
        let text = place.text();
        assert!(text.starts_with("{\"preq_journal\":1,\"run\":{"), "{text}");
        assert!(text.ends_with("}\n"));
        let mut journaled: Vec<_> = text.lines().skip(1).map(str::to_owned).collect();
        let mut printed = finished.lines.clone();
        journaled.sort();
        printed.sort();
        assert_eq!(journaled, printed);
        assert_eq!(place.times(3), [1, 1, 1]);
        assert_eq!(finished.summary("journal"), Some(place.path()));
    }
}

#[test]
fn a_run_that_is_done_sends_nothing_when_resumed() {
    let server = Server::start();
    let place = Place::new();
    let input = place.input((0..10).map(|n| server.url(&format!("/bytes/{n}"))));
    let args = [
        "fetch",
        "--input",
        &input,
        "--repeat",
        "3",
        "--journal",
        place.path(),
        "--resume",
    ];
    // There is no journal yet: it is begun.
    let first = run(args);
    assert_eq!((first.code, first.lines.len()), (Some(0), 30), "{first:?}");
    let text = place.text();
    let again = run(args);
    assert_eq!((again.code, again.lines.len()), (Some(0), 0), "{again:?}");
    assert_eq!(place.text(), text);
    assert_eq!(server.ledger().counts().requests_begun, 30);
    let said = again.summary("journal").unwrap();
    assert!(said.ends_with("; 30 done before"), "{said}");
}

#[test]
fn what_is_missing_is_sent_and_nothing_else() {
    let server = Server::start();
    let place = Place::new();
    let args = ["fetch", "--repeat", "4", "--journal", place.path()];
    let urls = [server.url("/bytes/1"), server.url("/bytes/2")];
    let first = run(args.iter().copied().chain(urls.iter().map(String::as_str)));
    assert_eq!(first.code, Some(0), "{first:?}");
    // The indices 1 and 6 are taken out of it.
    let text = place.text();
    let missing = |line: &&str| line.contains("\"index\":1,") || line.contains("\"index\":6,");
    let kept: Vec<_> = text.lines().filter(|line| !missing(line)).collect();
    fs::write(&place.journal, kept.join("\n") + "\n").unwrap();
    for ordered in [&[][..], &["--ordered"]] {
        let before = place.text();
        server.ledger().forget_records();
        let args = args.iter().chain(&["--resume"]).chain(ordered).copied();
        let resumed = run(args.chain(urls.iter().map(String::as_str)));
        assert_eq!(resumed.code, Some(0), "{resumed:?}");
        assert_eq!(indices(&resumed), [1, 6]);
        let bytes: Vec<_> = resumed
            .sorted()
            .iter()
            .map(|outcome| outcome["bytes"].as_u64())
            .collect();
        assert_eq!(bytes, [Some(1), Some(2)]);
        assert_eq!(server.ledger().requests().len(), 2);
        assert_eq!(place.times(8), [1; 8]);
        fs::write(&place.journal, before).unwrap();
    }
}

#[test]
fn failures_are_done_unless_they_are_to_be_retried() {
    let server = Server::start();
    let place = Place::new();
    let port = closed_port().unwrap();
    let urls = [server.url("/get"), port.url("/"), server.url("/status/404")];
    let fetch = |flags: &[&str]| {
        let fixed = ["fetch", "--max-retries", "0", "--journal", place.path()];
        run(fixed
            .iter()
            .chain(flags)
            .copied()
            .chain(urls.iter().map(String::as_str)))
    };
    assert_eq!(fetch(&[]).code, Some(1));
    // A run is as good as all of it.
    let resumed = fetch(&["--resume"]);
    assert_eq!(
        (resumed.code, resumed.lines.len()),
        (Some(1), 0),
        "{resumed:?}"
    );
    assert!(
        resumed
            .summary("journal")
            .unwrap()
            .ends_with("; 3 done before, 1 of them failed")
    );
    let again = fetch(&["--resume", "--retry-failed"]);
    assert_eq!((again.code, indices(&again)), (Some(1), vec![1]));
    let again = fetch(&["--resume", "--retry-failed", "--fail"]);
    assert_eq!((again.code, indices(&again)), (Some(1), vec![1, 2]));
    assert_eq!(place.times(3), [1, 3, 2]);
    let requests = server.ledger().requests();
    assert_eq!(
        requests
            .iter()
            .filter(|request| request.path() == "/get")
            .count(),
        1
    );
}

#[test]
fn a_journal_that_is_not_this_runs_is_left_alone() {
    let server = Server::start();
    let place = Place::new();
    let url = &*server.url("/get");
    let input = place.input([url.to_owned()]);
    let run_it = |args: &[&str]| run(["fetch", "--journal", place.path()].iter().chain(args));
    assert_eq!(run_it(&[url, "-H", "a: b"]).code, Some(0));
    let text = place.text();
    let table: &[(&[&str], &str)] = &[
        (&[url, "-H", "a: b"], "--resume goes on"),
        (
            &["--resume", url],
            "another run: not the same the names of --header",
        ),
        (
            &["--resume", "-H", "a: b", "--repeat", "2", url],
            "--repeat",
        ),
        (&["--resume", "-H", "a: b", url, url], "the URLs"),
        (&["--resume", "-H", "a: b", "-X", "PUT", url], "--method"),
        (&["--resume", "-H", "a: b", "-d", "x", url], "--data"),
        (
            &["--resume", "-H", "a: b", "--input", &input, url],
            "--input",
        ),
    ];
    for (args, hint) in table {
        let refused = run_it(args);
        assert_eq!(
            (refused.code, refused.lines.len()),
            (Some(2), 0),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(hint), "{args:?}: {refused:?}");
        assert_eq!(place.text(), text);
    }
    fs::write(&place.journal, "precious\n").unwrap();
    let refused = run_it(&["--resume", url]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("no journal of preq"), "{refused:?}");
    assert_eq!(place.text(), "precious\n");
    assert_eq!(server.ledger().counts().requests_begun, 1);
}

#[test]
fn an_input_file_that_has_changed_is_another_run() {
    let server = Server::start();
    let place = Place::new();
    let input = place.input([server.url("/bytes/1")]);
    let args = [
        "fetch",
        "--input",
        &input,
        "--journal",
        place.path(),
        "--resume",
    ];
    assert_eq!(run(args).code, Some(0));
    assert_eq!(run(args).code, Some(0));
    place.input([server.url("/bytes/2")]);
    let refused = run(args);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("not the same --input"),
        "{refused:?}"
    );
}

#[test]
fn standard_input_is_taken_to_be_the_same() {
    let server = Server::start();
    let place = Place::new();
    let lines: String = (0..5)
        .map(|n| server.url(&format!("/bytes/{n}")) + "\n")
        .collect();
    let args = [
        "fetch",
        "--input",
        "-",
        "--journal",
        place.path(),
        "--resume",
    ];
    let (first_three, _) = lines.split_at(lines.len() / 5 * 3);
    assert_eq!(run_with_input(args, first_three).lines.len(), 3);
    let resumed = run_with_input(args, &lines);
    assert_eq!((resumed.code, indices(&resumed)), (Some(0), vec![3, 4]));
    assert_eq!(place.times(5), [1; 5]);
}

#[test]
fn wrong_combinations_are_refused_and_leave_no_journal() {
    let place = Place::new();
    let directory = place.directory.path().to_str().unwrap();
    let missing = place.directory.path().join("no/such/journal");
    let url = "http://h.example/";
    let table: &[(&[&str], &str)] = &[
        (&["--resume"], "--journal"),
        (&["--fsync"], "--journal"),
        (&["--journal", place.path(), "--retry-failed"], "--resume"),
        (&["--journal", directory], directory),
        (&["--journal", missing.to_str().unwrap()], "no/such/journal"),
        (&["--journal", "/dev/null"], "no regular file"),
        (&["--journal", place.path(), "-H", "x"], "no colon"),
    ];
    for (args, hint) in table {
        let refused = run(["fetch", url].iter().chain(*args));
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(hint), "{args:?}: {refused:?}");
    }
    assert!(!place.journal.exists());
}

#[test]
fn two_at_once_on_one_journal_are_refused() {
    let server = Server::start();
    let place = Place::new();
    let url = server.url("/hang");
    let args = ["fetch", "--journal", place.path(), "--resume", &url];
    let first = Running::start(&mut preq(args));
    let begun = |counts: &Counts| counts.requests_begun == 1;
    server
        .ledger()
        .wait_until_blocking(begun, PATIENCE)
        .unwrap();
    let second = run(args);
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(
        second.stderr.contains("another process is writing it"),
        "{second:?}"
    );
    first.kill();
    assert_eq!(server.ledger().counts().requests_begun, 1);
}

#[cfg(unix)]
#[test]
fn what_ctrl_c_cancels_is_not_done() {
    let server = Server::start();
    let place = Place::new();
    let urls = [server.url("/get"), server.url("/hang"), server.url("/hang")];
    let args = [
        "fetch",
        "--journal",
        place.path(),
        "--resume",
        &urls[0],
        &urls[1],
        &urls[2],
    ];
    let mut running = Running::start(&mut preq(args));
    running.line();
    let all = |counts: &Counts| counts.requests_begun == 3;
    server.ledger().wait_until_blocking(all, PATIENCE).unwrap();
    running.interrupt();
    assert_eq!(running.finish().code, Some(130));
    assert_eq!(place.times(3), [1, 0, 0]);
    let running = Running::start(&mut preq(args));
    let again = |counts: &Counts| counts.requests_begun == 5;
    server
        .ledger()
        .wait_until_blocking(again, PATIENCE)
        .unwrap();
    running.kill();
    assert_eq!(place.times(3), [1, 0, 0]);
}

#[test]
fn outcomes_are_on_file_before_they_are_printed() {
    let server = Server::start();
    let place = Place::new();
    let url = server.url("/bytes/1");
    let mut command = preq([
        "fetch",
        "--repeat",
        "200",
        "--fsync",
        "--journal",
        place.path(),
        &url,
    ]);
    let mut running = Running::start(&mut command);
    for _ in 0..200 {
        let line = running.line();
        assert!(place.text().contains(&format!("{line}\n")), "{line}");
    }
    assert_eq!(running.finish().code, Some(0));
}

/// Runs that are killed at any moment, one after the other, and in the end have done each request
/// once, as far as the journal can tell.
#[test]
fn killed_twenty_times_the_journal_has_each_request_once() {
    const REQUESTS: usize = 3000;
    const KILLS: usize = 20;
    let server = Server::builder().record_requests(true).start();
    let place = Place::new();
    let input = place.input((0..REQUESTS).map(|n| {
        // A body, so that records have more than one length, and the odd failure among them.
        match n % 50 {
            0 => "no url".to_owned(),
            _ => format!(
                "{{\"url\": \"{}\", \"method\": \"POST\", \"data\": \"{n}\"}}",
                server.url("/post")
            ),
        }
    }));
    let args = [
        "fetch",
        "--input",
        &input,
        "--journal",
        place.path(),
        "--resume",
        "--concurrency",
        "8",
    ];
    // Under way when a run is killed: in flight, waiting to be taken, about to be written.
    let under_way = 3 * 8;
    // Moments that depend on nothing but how far the journal is.
    let mut random = 0x5eed_u64;
    for kill in 1..=KILLS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let jitter = usize::try_from(random >> 57).unwrap();
        let lines = kill * REQUESTS / (KILLS + 1) + jitter - 64;
        let ordered = (kill % 2 == 0).then_some(&"--ordered");
        let mut running = Running::start(&mut preq(args.iter().chain(ordered)));
        while lines_in(&place.journal) < lines {
            assert!(!running.has_ended(), "it ended before its time");
            std::thread::yield_now();
        }
        running.kill();
    }
    let finished = run(args);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(place.times(REQUESTS), vec![1; REQUESTS]);
    // What was on its way when a run was killed was sent again, and nothing else.
    let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
    for request in server.ledger().requests_to("/post") {
        assert_eq!(request.method, Method::POST);
        *seen.entry(request.body.to_vec()).or_default() += 1;
    }
    assert_eq!(seen.len(), REQUESTS - REQUESTS / 50);
    let again: usize = seen.values().map(|times| times - 1).sum();
    assert!(again <= KILLS * under_way, "{again} were sent again");
}

/// The lines that a journal has now.
fn lines_in(journal: &Path) -> usize {
    let bytes = fs::read(journal).unwrap_or_default();
    line_ends(&bytes)
}

fn line_ends(bytes: &[u8]) -> usize {
    String::from_utf8_lossy(bytes).matches('\n').count()
}

/// However much of the last outcome a crash has left, it is done again, or not, as one.
#[test]
fn a_last_line_torn_at_any_byte_is_made_good() {
    let server = Server::start();
    let place = Place::new();
    let url = server.url("/bytes/1");
    let args = [
        "fetch",
        "--repeat",
        "2",
        "--journal",
        place.path(),
        "--resume",
        &url,
    ];
    assert_eq!(run(args).code, Some(0));
    let whole = place.text();
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    for length in last..whole.len() {
        fs::write(&place.journal, &whole[..length]).unwrap();
        let resumed = run(args);
        assert_eq!(resumed.code, Some(0), "{length}: {resumed:?}");
        // All but the line's end is an outcome.
        let complete = length == whole.len() - 1;
        assert_eq!(resumed.lines.len(), usize::from(!complete), "{length}");
        assert_eq!(place.times(2), [1, 1], "{length}");
        assert!(place.text().ends_with("}\n"));
    }
    // Nothing of what was torn is left, if it was longer than what takes its place.
    let torn = format!(
        "{}{{\"index\":1,\"url\":\"{}",
        &whole[..last],
        "x".repeat(1000)
    );
    fs::write(&place.journal, torn).unwrap();
    assert_eq!(run(args).lines.len(), 1);
    assert_eq!(place.times(2), [1, 1]);
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_and_the_journal_can_be_gone_on_with() {
    const REQUESTS: usize = 200;
    let server = Server::start();
    let place = Place::new();
    let url = server.url("/bytes/1");
    let repeat = REQUESTS.to_string();
    let args = [
        "fetch",
        "--repeat",
        &repeat,
        "--journal",
        place.path(),
        "--resume",
        &url,
    ];
    // A limit on the size of files, as a disk that is full: 8 blocks of 512 or 1,024 bytes.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""]);
    command
        .arg(env!("CARGO_BIN_EXE_preq"))
        .args(args)
        .env_remove("RUST_LOG");
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cannot write the journal"), "{stderr}");
    assert!(stderr.contains("because the journal"), "{stderr}");
    let printed = line_ends(&output.stdout);
    assert!(
        printed <= place.outcomes().len(),
        "printed, and not in the journal"
    );
    let resumed = run(args);
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    assert_eq!(place.times(REQUESTS), vec![1; REQUESTS]);
}
