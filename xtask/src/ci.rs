//! `cargo xtask ci`: the steps in an order that fails fast, one line for each, and a summary.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use crate::report::{Failure, Outcome, StepResult};
use crate::shell::Shell;
use crate::workspace::Workspace;
use crate::{dependencies, docs, examples, features, msrv, package, tidy};

/// What the person asked for.
#[derive(Args)]
pub(crate) struct Options {
    /// Print the steps and what each is for, and run nothing
    #[arg(long)]
    list: bool,
    /// Run only this step; may be repeated
    #[arg(long, value_name = "NAME", value_parser = step_names())]
    only: Vec<String>,
    /// Leave this step out; may be repeated
    #[arg(long, value_name = "NAME", value_parser = step_names())]
    skip: Vec<String>,
    /// Go on after a failure, to see all of them at once
    #[arg(long)]
    keep_going: bool,
}

/// One line of the list.
struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> StepResult,
}

/// Cheap and likely to fail first; whatever compiles comes after whatever only reads.
const STEPS: [Step; 13] = [
    Step {
        name: "fmt",
        about: "the code is formatted",
        run: fmt,
    },
    Step {
        name: "tidy",
        about: "house rules that no compiler checks",
        run: tidy::check,
    },
    Step {
        name: "dependencies",
        about: "no crate depends on what it must not know",
        run: dependencies::check,
    },
    Step {
        name: "msrv",
        about: "rust-version is what is needed, not more",
        run: msrv::check,
    },
    Step {
        name: "package",
        about: "the library crates can be packaged",
        run: package::check,
    },
    Step {
        name: "deny",
        about: "licenses, bans and sources, if cargo-deny is here",
        run: deny,
    },
    Step {
        name: "clippy",
        about: "no lint in any target, all features on",
        run: clippy,
    },
    Step {
        name: "features",
        about: "each crate alone, each feature alone and all together",
        run: features::check,
    },
    Step {
        name: "facade",
        about: "the facade's tests with no backend and with each alone",
        run: features::test_facade,
    },
    Step {
        name: "docs",
        about: "the documents say what the code declares",
        run: docs::check,
    },
    Step {
        name: "rustdoc",
        about: "the API documentation builds without a warning",
        run: rustdoc,
    },
    Step {
        name: "examples",
        about: "the documents' Rust examples compile and run",
        run: examples::check,
    },
    Step {
        name: "benches",
        about: "each Criterion bench runs once",
        run: benches,
    },
];

/// Runs the chosen steps and reports each.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> ExitCode {
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| options.chooses(step.name))
        .collect();
    if options.list {
        for step in &chosen {
            println!("{:<14}{}", step.name, step.about);
        }
        return ExitCode::SUCCESS;
    }

    let started = Instant::now();
    let mut tally = Tally::default();
    for (index, step) in chosen.iter().enumerate() {
        print!("{:>2}/{} {:<14}", index + 1, chosen.len(), step.name);
        // Without a terminal nobody waits for the line; with one, it shows what is being waited for.
        let _ = io::stdout().flush();
        let step_started = Instant::now();
        let result = (step.run)(workspace);
        tally.record(step.name, &result, step_started.elapsed());
        if result.is_err() && !options.keep_going {
            tally
                .not_run
                .extend(chosen[index + 1..].iter().map(|step| step.name));
            break;
        }
    }
    println!("\n{} in {}", tally.summary(), seconds(started.elapsed()));
    if tally.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Options {
    fn chooses(&self, name: &str) -> bool {
        let named = |list: &[String]| list.iter().any(|entry| entry == name);
        (self.only.is_empty() || named(&self.only)) && !named(&self.skip)
    }
}

/// How many steps ended how.
#[derive(Default)]
struct Tally {
    passed: usize,
    skipped: Vec<&'static str>,
    failed: Vec<&'static str>,
    not_run: Vec<&'static str>,
}

impl Tally {
    fn record(&mut self, name: &'static str, result: &StepResult, elapsed: Duration) {
        let elapsed = seconds(elapsed);
        match result {
            Ok(Outcome::Passed(note)) => {
                self.passed += 1;
                println!("ok      {elapsed:>8}  {note}");
            }
            Ok(Outcome::Skipped(reason)) => {
                self.skipped.push(name);
                println!("skipped {elapsed:>8}  {reason}");
            }
            Err(failure) => {
                self.failed.push(name);
                println!("FAILED  {elapsed:>8}\n\n{failure}");
                println!("   or: cargo xtask ci --only {name}\n");
            }
        }
    }

    fn summary(&self) -> String {
        let mut parts = vec![format!("{} passed", self.passed)];
        for (what, names) in [
            ("failed", &self.failed),
            ("skipped", &self.skipped),
            ("not run", &self.not_run),
        ] {
            if !names.is_empty() {
                parts.push(format!("{} {what} ({})", names.len(), names.join(", ")));
            }
        }
        format!("ci: {}", parts.join(", "))
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn step_names() -> clap::builder::PossibleValuesParser {
    STEPS
        .iter()
        .map(|step| step.name)
        .collect::<Vec<_>>()
        .into()
}

fn fmt(workspace: &Workspace) -> StepResult {
    match Shell::cargo("fmt --all --check -- --color never").run(&workspace.root) {
        Ok(_) => Ok(Outcome::passed(format!(
            "{} packages",
            workspace.members.len()
        ))),
        Err(failure) => Err(Failure::new(failure.output, "cargo fmt --all")),
    }
}

fn clippy(workspace: &Workspace) -> StepResult {
    let command = "clippy --locked --workspace --all-targets --all-features -- -D warnings";
    Shell::cargo(command).run(&workspace.root)?;
    Ok(Outcome::passed(format!(
        "{} packages",
        workspace.members.len()
    )))
}

fn rustdoc(workspace: &Workspace) -> StepResult {
    Shell::cargo("doc --locked --workspace --no-deps --all-features")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run(&workspace.root)?;
    Ok(Outcome::passed(format!(
        "{} packages",
        workspace.members.len()
    )))
}

/// The benches in the profile of the tests: that builds nothing but the benches themselves after
/// `cargo test --workspace`, and whether a bench still runs does not depend on the optimizer.
fn benches(workspace: &Workspace) -> StepResult {
    let with_benches = workspace
        .members
        .iter()
        .filter(|member| member.has_benches)
        .count();
    if with_benches == 0 {
        return Ok(Outcome::Skipped("no package has a bench target".to_owned()));
    }
    Shell::cargo("test --locked --workspace --bench * -- --test").run(&workspace.root)?;
    Ok(Outcome::passed(format!(
        "the benches of {with_benches} package(s)"
    )))
}

/// Only what the tree itself decides. Advisories change from one day to the next, so they would turn
/// a change red that has nothing to do with them.
fn deny(workspace: &Workspace) -> StepResult {
    if Shell::cargo("deny --version").run(&workspace.root).is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not installed, and the gate does not need it".to_owned(),
        ));
    }
    Shell::cargo("deny --locked --all-features check bans licenses sources")
        .run(&workspace.root)?;
    Ok(Outcome::passed("bans, licenses, sources"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(only: &[&str], skip: &[&str]) -> Options {
        let owned = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect();
        Options {
            list: false,
            only: owned(only),
            skip: owned(skip),
            keep_going: false,
        }
    }

    #[test]
    fn only_and_skip_choose_steps() {
        assert!(options(&[], &[]).chooses("fmt"));
        assert!(!options(&[], &["fmt"]).chooses("fmt"));
        assert!(!options(&["docs"], &[]).chooses("fmt"));
        assert!(!options(&["fmt"], &["fmt"]).chooses("fmt"));
    }

    #[test]
    fn step_names_are_unique() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(
                STEPS[index + 1..]
                    .iter()
                    .all(|other| other.name != step.name)
            );
        }
    }

    #[test]
    fn the_summary_names_what_failed_and_what_did_not_run() {
        let mut tally = Tally::default();
        tally.record("fmt", &Ok(Outcome::passed("1 package")), Duration::ZERO);
        tally.record(
            "tidy",
            &Err(Failure::new("bad", "cargo xtask tidy")),
            Duration::ZERO,
        );
        tally.not_run.push("docs");
        assert_eq!(
            tally.summary(),
            "ci: 1 passed, 1 failed (tidy), 1 not run (docs)"
        );
    }
}
