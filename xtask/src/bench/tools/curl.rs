//! curl: one transfer at a time, or `--parallel` for many.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Command;

use super::{Job, curl_protocol};
use crate::bench::model::Run;
use crate::bench::plan::{LARGE, Target};

/// What each transfer ends with.
const FORMAT: &str = "%{http_code} %{size_download} %{size_upload} %{time_total}\\n";

/// Where bodies go.
const NOWHERE: &str = if cfg!(windows) { "NUL" } else { "/dev/null" };

/// One download or upload.
pub(super) fn prepare_one(command: &mut Command, job: &Job<'_>) -> Result<(), String> {
    common(command, job);
    command.args(["--output", NOWHERE]);
    if job.workload.target == Target::Upload {
        // A file that is one hole: it is as long as any other and takes no room on the disk.
        let path = job.directory.join("upload");
        File::create(&path)
            .and_then(|file| file.set_len(LARGE))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        command.args(["--request", "POST", "--header", "Expect:"]);
        command.arg("--upload-file").arg(path);
    }
    command.arg(job.url);
    Ok(())
}

/// Many downloads in one process.
pub(super) fn prepare_many(command: &mut Command, job: &Job<'_>) -> Result<(), String> {
    let mut config = String::new();
    for _ in 0..job.requests {
        let _ = writeln!(config, "url = \"{}\"\noutput = \"{NOWHERE}\"", job.url);
    }
    let path = job.directory.join("curl.config");
    fs::write(&path, config).map_err(|error| format!("{}: {error}", path.display()))?;
    common(command, job);
    command.args(["--parallel", "--parallel-max"]);
    command.arg(job.workload.concurrency.to_string());
    command.arg("--config").arg(path);
    Ok(())
}

fn common(command: &mut Command, job: &Job<'_>) {
    // Without `--disable` as the first word, a person's own ~/.curlrc would take part.
    command.args(["--disable", "--no-progress-meter"]);
    command.args([curl_protocol(job.workload), "--write-out", FORMAT]);
    if let Some(ca) = job.ca {
        command.arg("--cacert").arg(ca);
    }
}

/// The one transfer; nothing if the line is not one.
pub(super) fn one(output: &str) -> Option<Run> {
    let transfer = transfer(output.trim())?;
    let error = (!transfer.good).then(|| format!("the status is {}", transfer.status));
    Some(Run {
        requests: 1,
        succeeded: u64::from(transfer.good),
        failed: u64::from(!transfer.good),
        body_bytes: transfer.bytes,
        wall_s: transfer.seconds,
        first_error: error,
        ..Run::default()
    })
}

/// The transfers of `--parallel`, of which there should be so many.
pub(super) fn many(output: &str, requests: u64) -> Option<Run> {
    let mut run = Run {
        requests,
        ..Run::default()
    };
    for line in output.lines() {
        let transfer = transfer(line)?;
        run.body_bytes += transfer.bytes;
        if transfer.good {
            run.succeeded += 1;
        } else if run.first_error.is_none() {
            run.first_error = Some(format!("the status is {}", transfer.status));
        }
    }
    run.failed = requests.saturating_sub(run.succeeded);
    Some(run)
}

struct Transfer {
    status: String,
    good: bool,
    bytes: u64,
    seconds: f64,
}

fn transfer(line: &str) -> Option<Transfer> {
    let words: Vec<&str> = line.split(' ').collect();
    let [status, down, up, seconds] = words.as_slice() else {
        return None;
    };
    let (down, up): (u64, u64) = (down.parse().ok()?, up.parse().ok()?);
    Some(Transfer {
        status: (*status).to_owned(),
        good: *status == "200",
        // Of an upload, the answer is not what was moved.
        bytes: if up > 0 { up } else { down },
        seconds: seconds.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_and_an_upload_count_what_they_moved() {
        let run = one("200 1073741824 0 0.512345\n").unwrap();
        assert_eq!((run.succeeded, run.body_bytes), (1, LARGE));
        assert!((run.wall_s - 0.512_345).abs() < 1e-9);
        let run = one("200 51 1073741824 1.200000\n").unwrap();
        assert_eq!((run.succeeded, run.body_bytes), (1, LARGE));
    }

    #[test]
    fn no_answer_is_a_failure() {
        let run = one("000 0 0 0.000112\n").unwrap();
        assert_eq!((run.succeeded, run.failed), (0, 1));
        assert_eq!(run.first_error.as_deref(), Some("the status is 000"));
        assert_eq!(one("curl: (7) Failed to connect"), None);
    }

    #[test]
    fn transfers_that_are_missing_have_failed() {
        let output = "200 1024 0 0.001\n404 5 0 0.001\n200 1024 0 0.001\n";
        let run = many(output, 4).unwrap();
        assert_eq!((run.requests, run.succeeded, run.failed), (4, 2, 2));
        assert_eq!(run.body_bytes, 2_053);
        assert_eq!(run.first_error.as_deref(), Some("the status is 404"));
        assert_eq!(many("nonsense\n", 1), None);
    }
}
