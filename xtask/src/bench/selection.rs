//! Which workloads a command line is about, and the list of all of them.

use std::fmt::Write as _;

use super::Options;
use super::plan::{WORKLOADS, Workload};
use crate::report::Failure;

/// The workloads that the command line is about.
///
/// # Errors
///
/// If a name is none, or a workload cannot be run in the way that was asked for.
pub(crate) fn chosen(options: &Options) -> Result<Vec<&'static Workload>, Failure> {
    for name in &options.only {
        if !WORKLOADS.iter().any(|workload| workload.name == name) {
            let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
            let names = names.join(", ");
            return Err(Failure::new(
                format!("there is no workload `{name}`; there are {names}"),
                "cargo xtask bench --list",
            ));
        }
    }
    let wanted = |workload: &&Workload| {
        if !options.only.is_empty() {
            return options.only.iter().any(|name| name == workload.name);
        }
        !workload.python && (!options.quick || workload.quick_requests > 0)
            || workload.python && options.python
    };
    let chosen: Vec<&Workload> = WORKLOADS.iter().filter(wanted).collect();
    let unable = |workload: &&&Workload| workload.python && !options.python;
    if let Some(workload) = chosen.iter().find(unable) {
        let name = workload.name;
        return Err(Failure::new(
            format!("the workload {name} needs --python"),
            format!("cargo xtask bench --python --only {name}"),
        ));
    }
    let unable = |workload: &&&Workload| options.quick && workload.quick_requests == 0;
    if let Some(workload) = chosen.iter().find(unable) {
        let name = workload.name;
        return Err(Failure::new(
            format!("the workload {name} has no quick form"),
            format!("cargo xtask bench --only {name}"),
        ));
    }
    Ok(chosen)
}

/// What `--list` prints.
pub(crate) fn listing() -> String {
    let mut text = String::new();
    for workload in WORKLOADS {
        let subjects: Vec<&str> = workload.subjects.iter().map(|s| s.name).collect();
        let mut notes = Vec::new();
        if workload.python {
            notes.push("with --python");
        } else if workload.quick_requests > 0 {
            notes.push("part of --quick");
        }
        let _ = writeln!(
            text,
            "{}: {}{}{}\n    {}\n    {}",
            workload.name,
            workload.title,
            if notes.is_empty() { "" } else { "; " },
            notes.join(", "),
            workload.what,
            subjects.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::plan::Subject;
    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn names(args: &[&str]) -> Result<Vec<&'static str>, String> {
        let args = ["bench"].iter().chain(args);
        let options = Cli::parse_from(args).options;
        let chosen = chosen(&options).map_err(|failure| failure.output)?;
        Ok(chosen.iter().map(|workload| workload.name).collect())
    }

    #[test]
    fn python_is_compared_when_asked_for() {
        let without = names(&[]).unwrap();
        assert!(without.contains(&"origins") && !without.contains(&"python-http2"));
        assert!(names(&["--python"]).unwrap().contains(&"python-http2"));
        let error = names(&["--only", "python-http2"]).unwrap_err();
        assert!(error.contains("needs --python"), "{error}");
    }

    #[test]
    fn quick_takes_only_what_has_a_quick_form() {
        let quick = names(&["--quick"]).unwrap();
        assert!(quick.contains(&"http2") && !quick.contains(&"origins"));
        assert!(names(&["--quick", "--only", "origins"]).is_err());
    }

    #[test]
    fn a_name_that_is_none_is_answered_with_those_that_are() {
        let only = ["--only", "http2", "--only", "cold"];
        assert_eq!(names(&only).unwrap(), ["http2", "cold"]);
        let error = names(&["--only", "http3"]).unwrap_err();
        assert!(
            error.contains("`http3`") && error.contains("http2-tls"),
            "{error}"
        );
    }

    #[test]
    fn the_list_names_everything() {
        let list = listing();
        for workload in WORKLOADS {
            assert!(list.contains(workload.title));
        }
    }

    #[test]
    fn names_are_told_once_and_references_take_part() {
        for (index, workload) in WORKLOADS.iter().enumerate() {
            let names = WORKLOADS[..index].iter().map(|w| w.name);
            assert!(!names.into_iter().any(|name| name == workload.name));
            let reference = |s: &&Subject| s.name == workload.reference;
            let reference = workload.subjects.iter().find(reference).unwrap();
            // Without its reference, a quick run would have no ratios.
            assert!(
                reference.quick || workload.name == "million",
                "{}",
                workload.name
            );
        }
    }
}
