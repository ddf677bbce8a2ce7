//! wrk: the floor for HTTP/1.1. It works for a time and not for a number of requests.

use std::process::Command;

use super::Job;
use super::units::seconds;
use crate::bench::model::Run;

/// One thread, as our client on a current-thread runtime has.
pub(super) fn prepare(command: &mut Command, job: &Job<'_>) {
    let seconds = if job.quick { "1s" } else { "2s" };
    command.args(["--latency", "-t", "1", "-d", seconds]);
    command.args(["-c", &job.workload.concurrency.to_string(), job.url]);
}

/// What it says at its end; nothing if that is not there.
pub(super) fn parse(output: &str) -> Option<Run> {
    let lines = || output.lines().map(str::trim);
    let (counted, rest) = lines().find_map(|line| line.split_once(" requests in "))?;
    let requests: u64 = counted.parse().ok()?;
    let wall = rest.split(',').next()?;
    let after = |start: &str| lines().find_map(|line| line.strip_prefix(start));
    let refused = after("Non-2xx or 3xx responses: ");
    let refused: u64 = refused.map_or(Some(0), |count| count.parse().ok())?;
    let broken = after("Socket errors: ");
    let broken: u64 = broken.map_or(0, |list| {
        list.split([' ', ','])
            .filter_map(|word| word.parse::<u64>().ok())
            .sum()
    });
    let quantile = |name| Some(seconds(after(name)?.trim())? * 1e6);
    let first_error = (refused + broken > 0)
        .then(|| format!("{refused} responses were neither 2xx nor 3xx, {broken} socket errors"));
    Some(Run {
        requests: requests + broken,
        succeeded: requests.saturating_sub(refused),
        failed: refused + broken,
        wall_s: seconds(wall)?,
        p50_us: quantile("50%"),
        p99_us: quantile("99%"),
        first_error,
        ..Run::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "\
Running 1s test @ a server
  1 threads and 100 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.17ms  273.34us   5.31ms   95.03%
    Req/Sec    85.45k     5.77k   94.49k    70.00%
  Latency Distribution
     50%    1.17ms
     75%    1.26ms
     90%    1.33ms
     99%    1.93ms
  84853 requests in 1.00s, 102.29MB read
Requests/sec:  84652.88
Transfer/sec:    102.04MB
";

    const NOT_FOUND: &str = "\
Running 1s test @ a server
  1 threads and 10 connections
  120607 requests in 1.10s, 35.43MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 120607
Requests/sec: 109688.00
";

    #[test]
    fn its_counts_and_its_clock_are_read() {
        let run = parse(FINE).unwrap();
        assert_eq!(
            (run.requests, run.succeeded, run.failed),
            (84_853, 84_853, 0)
        );
        assert!((run.wall_s - 1.0).abs() < 1e-9);
        assert!((run.p99_us.unwrap() - 1930.0).abs() < 1e-6);
        assert_eq!(run.first_error, None);
    }

    #[test]
    fn requests_that_failed_are_failures() {
        let run = parse(NOT_FOUND).unwrap();
        assert_eq!((run.succeeded, run.failed), (0, 120_611));
        assert!(run.first_error.unwrap().contains("4 socket errors"));
    }

    #[test]
    fn what_it_never_printed_is_nothing() {
        assert_eq!(parse("unable to connect to 127.0.0.1:18081"), None);
        assert_eq!(parse(&FINE.replace("1.00s, ", "soon, ")), None);
    }
}
