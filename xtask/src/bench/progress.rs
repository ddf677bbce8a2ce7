//! What a person sees while waiting: one line that is rewritten, or, where standard error is not a
//! terminal, a line for each subject that has finished.

use std::io::{self, IsTerminal, Write};
use std::time::Instant;

use super::format;
use super::model::Cell;

/// The progress of a comparison.
pub(crate) struct Progress {
    total: usize,
    begun: usize,
    started: Instant,
    terminal: bool,
}

impl Progress {
    /// For so many runs.
    pub(crate) fn new(total: usize) -> Self {
        Self {
            total,
            begun: 0,
            started: Instant::now(),
            terminal: io::stderr().is_terminal(),
        }
    }

    /// A run begins.
    pub(crate) fn starts(&mut self, workload: &str, subject: &str, round: usize, rounds: usize) {
        self.begun += 1;
        if self.terminal {
            let elapsed = self.elapsed();
            let (begun, total) = (self.begun, self.total);
            Self::rewrite(&format!(
                "{elapsed}  run {begun} of {total}: {workload}, {subject} ({round}/{rounds})"
            ));
        }
    }

    /// So many runs will not take place.
    pub(crate) fn skips(&mut self, runs: usize) {
        self.total = self.total.saturating_sub(runs);
    }

    /// A subject has finished a workload.
    pub(crate) fn finished(&self, workload: &str, cell: &Cell) {
        if let Some(problem) = cell.problem() {
            self.say(&format!("FAILED: {workload}, {}: {problem}", cell.subject));
        } else if !self.terminal {
            let figure = cell.requests_per_second();
            let figure = figure.map_or(0.0, |spread| spread.median);
            let figure = format::thousands(figure, usize::from(figure < 100.0));
            let (subject, elapsed) = (&cell.subject, self.elapsed());
            self.say(&format!(
                "{elapsed}  {workload}, {subject}: {figure} requests/s"
            ));
        }
    }

    /// Says something that stays.
    pub(crate) fn say(&self, line: &str) {
        if self.terminal {
            Self::rewrite("");
        }
        eprintln!("{line}");
    }

    fn elapsed(&self) -> String {
        let seconds = self.started.elapsed().as_secs();
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }

    fn rewrite(line: &str) {
        let mut stderr = io::stderr();
        // Progress that cannot be shown is no reason to stop.
        let _ = write!(stderr, "\r\x1b[2K{line}");
        let _ = stderr.flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            Self::rewrite("");
        }
    }
}
