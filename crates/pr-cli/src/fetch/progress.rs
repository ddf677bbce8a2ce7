//! The progress bar, for those who sit before a terminal.

use std::{fmt::Write, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar where the number of requests is known, a count where it is not, and nothing where
/// standard error is no terminal.
pub(super) struct Progress {
    bar: ProgressBar,
}

const KNOWN: &str = "{bar:30} {human_pos}/{human_len} {percent}%  {rate}, {eta} left{msg}";
const UNKNOWN: &str = "{spinner} {human_pos} done  {rate}, {elapsed}{msg}";

/// So that the clock goes on while nothing completes.
const TICK: Duration = Duration::from_millis(200);

impl Progress {
    pub(super) fn new(total: Option<u64>, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            // It hides itself where there is no terminal.
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        if bar.is_hidden() {
            return Self { bar };
        }
        let template = if total.is_some() { KNOWN } else { UNKNOWN };
        let style = ProgressStyle::with_template(template)
            .expect("the templates are constant, and a test reads both");
        bar.set_style(style.progress_chars("━╸─").with_key("rate", rate));
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    pub(super) fn update(&self, done: u64, failed: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(done);
        if failed > 0 {
            self.bar.set_message(format!("  {failed} failed"));
        }
    }

    /// Does something that needs the terminal for itself.
    pub(super) fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.bar.suspend(work)
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Without the digits that nobody can read while they change.
fn rate(state: &ProgressState, out: &mut dyn Write) {
    let _ = write!(out, "{:.0}/s", state.per_sec());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_can_be_read() {
        for template in [KNOWN, UNKNOWN] {
            ProgressStyle::with_template(template).unwrap();
        }
    }
}
