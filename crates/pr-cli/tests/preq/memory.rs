//! Memory depends on what is in flight, however long the input and the journal are.

use std::{fmt::Write as _, fs, io::Write as _, time::Duration};

use pr_testkit::{Server, closed_port};

use crate::support::{Running, preq};

/// More than a program of this size needs for itself, in a debug build, too.
const MOST_KIB: u64 = 64 << 10;

/// The most memory that this took, in KiB.
fn peak(args: &[&str]) -> (Running, u64) {
    let mut running = Running::start_unread(preq(args).stdout(std::process::Stdio::null()));
    let mut peak = 0;
    while !running.has_ended() {
        peak = running.peak_kib().unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    (running, peak)
}

/// So many lines that they are 100 MB, and a journal of all but a few of them.
#[test]
fn neither_the_input_nor_the_journal_is_held() {
    const LINES: usize = 250_000;
    let server = Server::builder().record_requests(false).start();
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("input");
    let journal = directory.path().join("journal");
    let port = closed_port().unwrap();

    let mut text = String::new();
    let filler = "x".repeat(400);
    for line in 0..LINES {
        // What is done is not sent, and could not be.
        let url = if line % 10_000 == 0 {
            server.url("/bytes/1")
        } else {
            port.url("/")
        };
        writeln!(text, "{url}?{filler}").unwrap();
    }
    fs::write(&input, &text).unwrap();
    drop(text);
    let (input, name) = (input.to_str().unwrap(), journal.to_str().unwrap());

    // One run to have the first line written; it ends at once.
    let begun = preq([
        "fetch",
        "-q",
        "--input",
        input,
        "--journal",
        name,
        "--deadline",
        "0.000001",
    ]);
    drop({ begun }.output().unwrap());
    let header = fs::read_to_string(&journal).unwrap();
    let header = header.lines().next().unwrap();
    let mut file = std::io::BufWriter::new(fs::File::create(&journal).unwrap());
    writeln!(file, "{header}").unwrap();
    for index in (0..LINES).filter(|index| index % 10_000 != 0) {
        writeln!(file, "{{\"index\":{index},\"url\":\"\",\"status\":200}}").unwrap();
    }
    drop(file);

    let args = ["fetch", "--input", input, "--journal", name, "--resume"];
    let (running, peak) = peak(&args);
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(server.ledger().counts().requests_answered, 25);
    assert!((1..MOST_KIB).contains(&peak), "{peak} KiB");
}
