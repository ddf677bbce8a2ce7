//! Runs one program to its end and says what it cost, by the operating system's accounts.

use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wait4::Wait4;

/// A program that ran to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// CPU time of the whole process.
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// From its start to its end.
    pub(crate) wall: Duration,
}

/// Longer than any honest run: what takes this long hangs.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a command with nothing on its standard input.
///
/// # Errors
///
/// If it cannot be started or does not end in time; then it is killed.
pub(crate) fn run(command: Command) -> Result<Ended, String> {
    run_within(command, LIMIT)
}

fn run_within(mut command: Command, limit: Duration) -> Result<Ended, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    // A program that ends closes its output, so that there is no need to ask for it again and again.
    let Ok(stdout) = stdout.recv_timeout(limit) else {
        // Without a kill there would be nothing to wait for; one that has just ended is as good.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("did not end within {} s", limit.as_secs()));
    };
    let usage = child.wait4().map_err(|error| format!("{name}: {error}"))?;
    let wall = started.elapsed();
    Ok(Ended {
        status: usage.status,
        stdout,
        stderr: stderr.recv().unwrap_or_default(),
        user: usage.rusage.utime,
        system: usage.rusage.stime,
        wall,
    })
}

/// Reads a stream to its end on a thread, so that a full pipe never stops the program under
/// measurement.
fn collect(stream: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        // Nobody listens any more after the time limit.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

impl Ended {
    /// Standard output, if the program says that all went well.
    ///
    /// # Errors
    ///
    /// The last line of standard error, if it says that not.
    pub(crate) fn output(&self) -> Result<&str, String> {
        if self.status.success() {
            return Ok(&self.stdout);
        }
        let mut lines = self.stderr.lines().map(str::trim);
        let last = lines.rfind(|line| !line.is_empty());
        Err(format!(
            "{} ({})",
            last.unwrap_or("no message"),
            self.status
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cargo(args: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(args);
        command
    }

    #[test]
    fn a_program_that_ends_well_gives_its_output() {
        let ended = run(cargo(&["--version"])).unwrap();
        assert!(ended.output().unwrap().starts_with("cargo "));
        assert!(ended.wall > Duration::ZERO);
    }

    #[test]
    fn a_program_that_fails_gives_its_last_words() {
        let ended = run(cargo(&["no-such-subcommand-at-all"])).unwrap();
        assert!(ended.output().is_err());
        assert!(!ended.stderr.is_empty());
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error() {
        let error = run(Command::new("no-such-program-at-all")).unwrap_err();
        assert!(error.contains("no-such-program-at-all"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_that_hangs_is_killed() {
        let mut command = Command::new("sleep");
        command.arg("60");
        let started = Instant::now();
        let error = run_within(command, Duration::from_millis(100)).unwrap_err();
        assert!(error.contains("did not end"), "{error}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
