//! Runs commands from the workspace's root, keeps what they print, and on failure says how a person
//! would run the same thing.

use std::env;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;

use crate::report::Failure;

/// A command that is about to run, in the form in which a person would type it.
pub(crate) struct Shell<'a> {
    program: &'a str,
    args: Vec<String>,
    env: Vec<(&'a str, &'a str)>,
}

impl<'a> Shell<'a> {
    /// Cargo, the one that runs this program, with arguments that are separated by white space.
    pub(crate) fn cargo(args: &str) -> Self {
        Self::new("cargo", args)
    }

    /// Any program, with arguments that are separated by white space.
    pub(crate) fn new(program: &'a str, args: &str) -> Self {
        let args = args.split_whitespace().map(str::to_owned).collect();
        Self {
            program,
            args,
            env: Vec::new(),
        }
    }

    /// Sets a variable for this command only.
    pub(crate) fn env(mut self, name: &'a str, value: &'a str) -> Self {
        self.env.push((name, value));
        self
    }

    /// Runs it; gives back standard output and standard error as they were interleaved.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or its exit status is not 0: the output, and the command.
    pub(crate) fn run(&self, root: &Path) -> Result<String, Failure> {
        let (success, output) = self
            .spawn(root)
            .map_err(|error| Failure::new(error.to_string(), self.typed()))?;
        if success {
            Ok(output)
        } else {
            Err(Failure::new(output, self.typed()))
        }
    }

    /// Runs it; gives back only standard output, for programs whose answer is to be parsed.
    pub(crate) fn read(&self, root: &Path) -> Result<String, Failure> {
        let done = self
            .command(root)
            .output()
            .map_err(|error| Failure::new(error.to_string(), self.typed()))?;
        if !done.status.success() {
            return Err(Failure::new(
                String::from_utf8_lossy(&done.stderr),
                self.typed(),
            ));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// The command as a person would type it.
    pub(crate) fn typed(&self) -> String {
        let quote = |word: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+".contains(c);
            if word.chars().all(plain) {
                word.to_owned()
            } else {
                format!("'{word}'")
            }
        };
        let variables = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", quote(value)));
        let words = self.args.iter().map(|word| quote(word));
        variables
            .chain(std::iter::once(self.program.to_owned()))
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Both output streams go into one pipe: an error then stands where it happened.
    fn spawn(&self, root: &Path) -> io::Result<(bool, String)> {
        let (mut reader, writer) = io::pipe()?;
        let mut command = self.command(root);
        command.stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn()?;
        // The command still holds the writing ends: without this the reader would never see the end.
        drop(command);
        let mut output = Vec::new();
        reader.read_to_end(&mut output)?;
        let success = child.wait()?.success();
        Ok((success, String::from_utf8_lossy(&output).into_owned()))
    }

    fn command(&self, root: &Path) -> Command {
        let mut command = match (self.program, env::var_os("CARGO")) {
            ("cargo", Some(cargo)) => Command::new(cargo),
            _ => Command::new(self.program),
        };
        command.args(&self.args).current_dir(root);
        // `cargo run` describes xtask's own package in the environment. A build script that watches
        // such a variable would be run again by the inner cargo, and again by the person's next one.
        for (name, _) in env::vars_os() {
            let inherited = name.to_string_lossy();
            if inherited.starts_with("CARGO_PKG_") || inherited.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command.envs(self.env.iter().copied());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_prints_as_it_would_be_typed() {
        let shell = Shell::cargo("doc --no-deps").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            shell.typed(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
        assert_eq!(
            Shell::cargo("test --bench *").typed(),
            "cargo test --bench '*'"
        );
    }

    #[test]
    fn a_failing_command_hands_over_its_output_and_itself() {
        let failure = Shell::cargo("no-such-subcommand")
            .run(Path::new("."))
            .unwrap_err();
        assert!(
            failure.output.contains("no-such-subcommand"),
            "{}",
            failure.output
        );
        assert_eq!(failure.rerun, "cargo no-such-subcommand");
    }

    #[test]
    fn a_missing_program_is_a_failure_and_no_panic() {
        let failure = Shell::new("no-such-program-at-all", "--help").run(Path::new("."));
        assert_eq!(failure.unwrap_err().rerun, "no-such-program-at-all --help");
    }
}
