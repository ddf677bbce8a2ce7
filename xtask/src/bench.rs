//! `cargo xtask bench`: this project's clients next to what one would take otherwise, on the machine
//! of whoever asks, in one command. What is compared stands in `plan.rs`, what is claimed in `bars.rs`.

mod bars;
mod baseline;
mod cores;
mod format;
mod html;
mod machine;
mod markdown;
mod model;
mod plan;
mod process;
mod progress;
mod python;
mod runner;
#[cfg(test)]
mod samples;
mod scene;
mod selection;
mod server;
mod stats;
mod subjects;
mod table;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use self::machine::Machine;
use self::model::{LeftOut, Report, SCHEMA};
use self::plan::{Program, Subject, Workload};
use self::progress::Progress;
use self::python::Environment;
use self::runner::Runner;
use self::scene::Scene;
use self::server::Choice;
use crate::report::Failure;
use crate::workspace::Workspace;

const RERUN: &str = "cargo xtask bench";

/// When a quick run begins no further rounds, so that it ends within 90 s on a slow machine as well.
const QUICK: Duration = Duration::from_secs(75);

/// The command line of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Print the workloads and their subjects, and end
    #[arg(long)]
    list: bool,
    /// Only this workload; may be given several times
    #[arg(long, value_name = "WORKLOAD")]
    only: Vec<String>,
    /// How often each subject runs [default: 5, or 3 with --quick]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    runs: Option<u16>,
    /// The main workloads with fewer requests: done within 90 s once it is built
    #[arg(long)]
    quick: bool,
    /// Python clients too, installed into a virtual environment below the target directory
    #[arg(long)]
    python: bool,
    /// The server that all talk to
    #[arg(long, value_enum, default_value = "auto")]
    server: Choice,
    /// Write everything that was measured, for machines
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a page with charts, for people
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the document, usually docs/performance.md; keeps what was written there by hand
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Say what changed since an earlier --json
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Compares, prints, and writes what was asked for. Fails if any request did.
pub(crate) fn run(options: &Options, workspace: &Workspace) -> ExitCode {
    if options.list {
        print!("{}", selection::listing());
        return ExitCode::SUCCESS;
    }
    match compare(options, &workspace.root) {
        Ok(report) if report.has_failures() => {
            eprintln!("requests failed: see the lines that say FAILED");
            ExitCode::FAILURE
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options, root: &Path) -> Result<Report, Failure> {
    let workloads = selection::chosen(options)?;
    // Read before anything is measured: a wrong name should not cost ten minutes.
    let before = options
        .baseline
        .as_deref()
        .map(baseline::read)
        .transpose()?;
    let document = options.markdown.as_deref().map(markdown::Document::open);
    let document = document.transpose()?;
    for path in [&options.json, &options.html, &options.markdown] {
        writable(path.as_deref())?;
    }
    if let Some(kind) = options.server.named()
        && !kind.is_installed()
    {
        let error = format!("{} is not installed", kind.describe());
        return Err(Failure::new(error, RERUN));
    }

    let report = measure(options, root, &workloads)?;
    print!("{}", table::report(&report));
    if let Some(before) = before {
        print!("\n{}", baseline::compare(&before, &report));
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report);
        let text = text.map_err(|error| Failure::new(error.to_string(), RERUN))?;
        write(path, &format!("{text}\n"))?;
    }
    if let Some(path) = &options.html {
        write(path, &html::page(&report))?;
    }
    if let (Some(path), Some(document)) = (&options.markdown, document) {
        write(path, &document.filled(&report))?;
    }
    Ok(report)
}

fn measure(options: &Options, root: &Path, workloads: &[&Workload]) -> Result<Report, Failure> {
    // Looked at before the build, which makes any machine busy.
    let mut machine = Machine::look(root);
    let scene = Scene::set(root)?;
    let list = subjects::List::ask(&scene.subject)?;
    let mut left_out = Vec::new();
    let python = python(options, root, &scene, &mut left_out);
    let rounds = if options.quick { 3 } else { 5 };
    let runner = Runner {
        scene: &scene,
        list: &list,
        python: python.as_ref(),
        server: options.server,
        quick: options.quick,
        rounds: options.runs.map_or(rounds, usize::from),
    };
    let planned: Vec<(&Workload, Vec<&Subject>)> = workloads
        .iter()
        .map(|workload| (*workload, runner.taking_part(workload, &mut left_out)))
        .filter(|(_, subjects)| !subjects.is_empty())
        .collect();
    let runs = |(workload, subjects): &(&Workload, Vec<&Subject>)| {
        runner.rounds(workload) * subjects.len()
    };
    let mut progress = Progress::new(planned.iter().map(runs).sum());
    if let Some(warning) = machine.warning() {
        progress.say(&warning);
    }
    for entry in &left_out {
        progress.say(&format!("left out: {}: {}", entry.subject, entry.why));
    }
    let started = machine::now();
    let mut reports = Vec::new();
    let clock = Instant::now();
    for (index, (workload, subjects)) in (1_u32..).zip(&planned) {
        note_tools(subjects, &mut machine);
        // Each workload gets its share of a quick run's time, and what those before it left over.
        let share = || clock + QUICK / u32::try_from(planned.len()).unwrap_or(1) * index;
        let until = options.quick.then(share);
        let report = runner.run(workload, subjects, until, &mut progress);
        reports.push(report.map_err(|error| Failure::new(error, RERUN))?);
    }
    drop(progress);
    let versions = python.as_ref().map(|python| python.versions.clone());
    machine.tools.extend(versions.unwrap_or_default());
    let mut report = Report {
        schema: SCHEMA,
        started,
        quick: options.quick,
        rounds: runner.rounds,
        machine,
        workloads: reports,
        left_out,
        bars: Vec::new(),
    };
    report.bars = bars::evaluate(&report);
    Ok(report)
}

/// The Python environment if it was asked for, or the reason why there is none.
fn python(
    options: &Options,
    root: &Path,
    scene: &Scene,
    left_out: &mut Vec<LeftOut>,
) -> Option<Environment> {
    if !options.python {
        return None;
    }
    let made = Environment::make(&scene::target_directory(root), scene);
    made.map_err(|why| {
        left_out.push(LeftOut {
            subject: "the Python clients".to_owned(),
            why,
        });
    })
    .ok()
}

/// Notes the versions of the foreign tools that take part.
fn note_tools(subjects: &[&Subject], machine: &mut Machine) {
    for subject in subjects {
        if let Program::Tool(tool) = subject.program
            && let Some(version) = tools::version(tool.program())
        {
            machine.tools.insert(tool.program().to_owned(), version);
        }
    }
}

/// Refuses a file whose directory is not there.
fn writable(path: Option<&Path>) -> Result<(), Failure> {
    let parent = path.and_then(Path::parent);
    // The parent of a bare name is the empty path, which means here.
    let missing = parent.filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir());
    missing.map_or(Ok(()), |parent| {
        let parent = parent.display();
        Err(Failure::new(
            format!("there is no directory {parent}"),
            RERUN,
        ))
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| {
        let path = path.display();
        Failure::new(format!("{path}: {error}"), RERUN)
    })?;
    eprintln!("wrote {}", path.display());
    Ok(())
}
