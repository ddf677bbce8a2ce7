//! What a check answers. Every step of `cargo xtask ci` speaks these two types, so that the runner
//! can print any of them the same way.

use std::fmt;

/// The answer of one check.
pub(crate) type StepResult = Result<Outcome, Failure>;

/// A check that did not fail.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It ran and holds. The text says how much was looked at.
    Passed(String),
    /// It could not run here. The text says why, because silence would look like a pass.
    Skipped(String),
}

impl Outcome {
    /// A pass with a note.
    pub(crate) fn passed(note: impl Into<String>) -> Self {
        Self::Passed(note.into())
    }
}

/// A check that failed: what it found, and how to see that again without the rest.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The findings, or the output of the command that failed.
    pub(crate) output: String,
    /// The command to type, ready to be copied into a shell.
    pub(crate) rerun: String,
}

impl Failure {
    /// A failure with its output and the command that repeats it.
    pub(crate) fn new(output: impl Into<String>, rerun: impl Into<String>) -> Self {
        Self {
            output: output.into(),
            rerun: rerun.into(),
        }
    }

    /// Turns a list of findings into a pass with `note`, or into a failure that lists them all.
    pub(crate) fn unless_empty(findings: &[String], note: String, rerun: &str) -> StepResult {
        if findings.is_empty() {
            return Ok(Outcome::passed(note));
        }
        Err(Self::new(findings.join("\n"), rerun))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nrerun: {}", self.output.trim_end(), self.rerun)
    }
}
