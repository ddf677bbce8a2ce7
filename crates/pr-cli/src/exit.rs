//! How the command ends: the exit codes, and the errors that end it early.

use std::{
    io::{self, Write},
    process::ExitCode,
};

/// What the exit code says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything that was asked for was done.
    Success = 0,
    /// Some requests failed, or the command itself did.
    Failure = 1,
    /// The command line asks for something that cannot be.
    Usage = 2,
    /// The deadline passed, with the code that `timeout` has for it.
    DeadlinePassed = 124,
    /// Ctrl-C: 128 and the number of SIGINT, as shells have it.
    Interrupted = 130,
    /// Whoever read the output has gone: 128 and the number of SIGPIPE, as shells have it for
    /// commands that the signal ends.
    BrokenPipe = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command ends before its work is done.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The person has to ask for something else.
    Usage(String),
    /// It did not work.
    Failed(String),
    /// Standard output could not be written.
    Output(io::Error),
}

impl CommandError {
    /// Says it on standard error, and with which code to exit.
    pub(crate) fn report(&self) -> Exit {
        match self {
            Self::Usage(text) => {
                say(&format!("error: {text}\n\nFor more, try '--help'."));
                Exit::Usage
            }
            Self::Failed(text) => {
                say(&format!("error: {text}"));
                Exit::Failure
            }
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
            Self::Output(error) => {
                say(&format!("error: cannot write to standard output: {error}"));
                Exit::Failure
            }
        }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes a line to standard error. Where nobody reads that, there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// An error with everything that caused it, on one line.
pub(crate) fn explain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
