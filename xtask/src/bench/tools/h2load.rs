//! h2load, of nghttp2: the floor for HTTP/2. It prepares its requests once and parses next to
//! nothing.

use std::process::Command;

use super::Job;
use super::units::seconds;
use crate::bench::model::Run;

/// One connection with all requests on it, as our client has by default.
pub(super) fn prepare(command: &mut Command, job: &Job<'_>) {
    command.args(["-t", "1", "-c", "1"]);
    command.args(["-m", &job.workload.concurrency.to_string()]);
    command.args(["-n", &job.requests.to_string(), job.url]);
}

/// What it says in its last lines; nothing if they are not there.
pub(super) fn parse(output: &str) -> Option<Run> {
    let after = |start: &str| output.lines().find_map(|line| line.strip_prefix(start));
    let wall = after("finished in ")?.split(',').next()?;
    let counts = after("requests: ")?;
    let count = |name: &str| -> Option<u64> {
        let part = counts.split(", ").find(|part| part.ends_with(name))?;
        part.split(' ').next()?.parse().ok()
    };
    let codes = after("status codes: ")?;
    let good: u64 = codes.split(' ').next()?.parse().ok()?;
    let data = after("traffic: ")?.split(", ").last()?;
    let body_bytes = data.split(['(', ')']).nth(1)?.parse().ok()?;
    let requests = count("total")?;
    // An answer that is complete and says 404 is a success to h2load, and none to us.
    let succeeded = count("succeeded")?.min(good);
    Some(Run {
        requests,
        succeeded,
        failed: requests.saturating_sub(succeeded),
        body_bytes,
        wall_s: seconds(wall)?,
        first_error: (succeeded < requests).then(|| format!("{counts}; {codes}")),
        ..Run::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "\
starting benchmark...
spawning thread #0: 1 total client(s). 20000 total requests
Application protocol: h2c
progress: 100% done

finished in 56.45ms, 354289.56 req/s, 355.79MB/s
requests: 20000 total, 20000 started, 20000 done, 20000 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 20.08MB (21060097) total, 214.92KB (220073) headers (space savings 92.95%), 19.53MB (20480000) data
                     min         max         mean         sd        +/- sd
time for request:      158us      3.80ms       256us       260us    98.50%
";

    const REFUSED: &str = "\
starting benchmark...
spawning thread #0: 4 total client(s). 1000 total requests

finished in 281us, 0.00 req/s, 0B/s
requests: 1000 total, 0 started, 0 done, 0 succeeded, 1000 failed, 1000 errored, 0 timeout
status codes: 0 2xx, 0 3xx, 0 4xx, 0 5xx
traffic: 0B (0) total, 0B (0) headers (space savings 0.00%), 0B (0) data
";

    #[test]
    fn its_counts_and_its_clock_are_read() {
        let run = parse(FINE).unwrap();
        assert_eq!(
            (run.requests, run.succeeded, run.failed),
            (20_000, 20_000, 0)
        );
        assert_eq!(run.body_bytes, 20_480_000);
        assert!((run.wall_s - 0.056_45).abs() < 1e-9);
        assert_eq!(run.first_error, None);
    }

    #[test]
    fn requests_that_failed_are_failures() {
        let run = parse(REFUSED).unwrap();
        assert_eq!((run.succeeded, run.failed), (0, 1_000));
        assert!(run.first_error.unwrap().contains("1000 errored"));
        let missing = FINE.replace("20000 2xx, 0 3xx, 0 4xx", "0 2xx, 0 3xx, 20000 4xx");
        assert_eq!(parse(&missing).unwrap().failed, 20_000);
    }

    #[test]
    fn what_it_never_printed_is_nothing() {
        assert_eq!(parse(""), None);
        assert_eq!(parse(&FINE.replace("requests:", "calls:")), None);
    }
}
