//! Goes through the plan: a server for each workload, its subjects in turns (A B C, A B C, ...), so
//! that whatever slows the machine down for a while slows all of them down.

use std::path::Path;
use std::time::Instant;

use super::cores::Cores;
use super::model::{Cell, Group, LeftOut, Run, WorkloadReport};
use super::plan::{LARGE, Program, SMALL, Subject, Target, Workload};
use super::progress::Progress;
use super::python::{self, Environment};
use super::scene::Scene;
use super::server::{Choice, Kind, Server};
use super::subjects::{self, List};
use super::tools::{self, Job};

/// What all workloads of a comparison share.
pub(crate) struct Runner<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) list: &'a List,
    pub(crate) python: Option<&'a Environment>,
    pub(crate) server: Choice,
    pub(crate) quick: bool,
    pub(crate) rounds: usize,
}

/// A subject that takes part, with what it has measured so far.
struct Entry<'a> {
    subject: &'a Subject,
    cell: Cell,
}

impl Runner<'_> {
    /// The subjects of a workload that can take part here; the others are noted with the reason.
    pub(crate) fn taking_part<'w>(
        &self,
        workload: &'w Workload,
        left_out: &mut Vec<LeftOut>,
    ) -> Vec<&'w Subject> {
        let mut subjects = Vec::new();
        for subject in workload.subjects {
            if self.quick && !subject.quick {
                continue;
            }
            match self.obstacle(subject, workload) {
                None => subjects.push(subject),
                Some(why) => {
                    let entry = LeftOut {
                        subject: subject.name.to_owned(),
                        why,
                    };
                    if !left_out.contains(&entry) {
                        left_out.push(entry);
                    }
                }
            }
        }
        subjects
    }

    /// How often each subject of a workload runs.
    pub(crate) fn rounds(&self, workload: &Workload) -> usize {
        workload.rounds.of(self.rounds, self.quick)
    }

    /// Runs a workload. After `until`, no further round begins: one is run in any case.
    ///
    /// # Errors
    ///
    /// If its server does not start.
    pub(crate) fn run(
        &self,
        workload: &Workload,
        subjects: &[&Subject],
        until: Option<Instant>,
        progress: &mut Progress,
    ) -> Result<WorkloadReport, String> {
        let cores = Cores::share(workload.multi_threaded);
        let kind = self.server.kind(workload, Kind::is_installed);
        let server = Server::start(kind, workload, &cores, self.scene)?;
        let mut entries: Vec<Entry<'_>> = subjects
            .iter()
            .map(|subject| self.entry(subject, workload))
            .collect();
        let rounds = self.rounds(workload);
        for round in 1..=rounds {
            let late = until.is_some_and(|until| Instant::now() > until);
            if late && round > 1 {
                let left = (rounds + 1 - round) * entries.len();
                progress.skips(left);
                break;
            }
            for entry in &mut entries {
                progress.starts(workload.name, entry.subject.name, round, rounds);
                // What cannot run once will not run the next time either.
                if entry.cell.broken.is_none() {
                    match self.once(entry.subject, workload, &server, &cores) {
                        Ok(run) => entry.cell.runs.push(run),
                        Err(error) => entry.cell.broken = Some(error),
                    }
                }
            }
        }
        for entry in &entries {
            progress.finished(workload.name, &entry.cell);
        }
        Ok(WorkloadReport {
            name: workload.name.to_owned(),
            title: workload.title.to_owned(),
            what: workload.what.to_owned(),
            server: kind.describe(),
            cores: cores.describe(),
            concurrency: workload.concurrency,
            measure: workload.measure,
            reference: workload.reference.to_owned(),
            cells: entries.into_iter().map(|entry| entry.cell).collect(),
        })
    }

    /// Why a subject cannot take part, if so.
    fn obstacle(&self, subject: &Subject, workload: &Workload) -> Option<String> {
        match subject.program {
            Program::Rust => {
                let known = self.list.find(subject.name, workload.kind).is_some();
                (!known).then(|| format!("takes no part in the workload {}", workload.kind))
            }
            Program::Tool(tool) => {
                let missing = tools::find(tool.program()).is_none();
                missing.then(|| format!("{} is not installed", tool.program()))
            }
            Program::Python(library) => match self.python {
                Some(environment) => environment.missing.get(library).cloned(),
                None => Some("there is no Python environment".to_owned()),
            },
        }
    }

    fn entry<'s>(&self, subject: &'s Subject, workload: &Workload) -> Entry<'s> {
        let settings = match subject.program {
            Program::Rust => {
                let known = self.list.find(subject.name, workload.kind);
                known.map(|known| known.settings.clone())
            }
            Program::Tool(tool) => Some(tool.settings(workload)),
            Program::Python(library) => Some(python::settings(library).to_owned()),
        };
        Entry {
            subject,
            cell: Cell {
                subject: subject.name.to_owned(),
                group: self.group(subject, workload),
                settings: settings.unwrap_or_default(),
                runs: Vec::new(),
                broken: None,
            },
        }
    }

    fn group(&self, subject: &Subject, workload: &Workload) -> Group {
        match subject.program {
            Program::Rust => {
                let known = self.list.find(subject.name, workload.kind);
                known.map_or(Group::Rival, |known| known.group)
            }
            Program::Tool(tool) => tool.group(),
            Program::Python(_) => Group::Rival,
        }
    }

    fn once(
        &self,
        subject: &Subject,
        workload: &Workload,
        server: &Server,
        cores: &Cores,
    ) -> Result<Run, String> {
        let urls = server.urls(workload.target);
        let ca = server.ca.as_deref();
        let requests = (workload.requests(self.quick) / subject.share).max(1);
        let run = match subject.program {
            Program::Rust => {
                let program: &Path = &self.scene.subject;
                subjects::run(
                    program,
                    subject.name,
                    workload,
                    requests,
                    (&urls, ca),
                    cores,
                )?
            }
            Program::Tool(tool) => {
                let job = Job {
                    workload,
                    url: first(&urls)?,
                    requests,
                    ca,
                    directory: &self.scene.directory,
                    quick: self.quick,
                };
                tool.run(&job, cores)?
            }
            Program::Python(library) => {
                let environment = self.python.ok_or("there is no Python environment")?;
                let url = first(&urls)?;
                environment.run(library, workload, requests, (url, ca), cores)?
            }
        };
        Ok(checked(run, workload.target))
    }
}

fn first(urls: &[String]) -> Result<&str, String> {
    urls.first()
        .map(String::as_str)
        .ok_or_else(|| "the server has no URL".to_owned())
}

/// Holds a run against what it must have moved: an answer that is too short is none.
fn checked(mut run: Run, target: Target) -> Run {
    let each = match target {
        Target::Small | Target::Origins | Target::EitherVersion => Some(SMALL as u64),
        Target::Large | Target::Upload => Some(LARGE),
        // What it says depends on its own address.
        Target::Delayed => None,
    };
    if run.succeeded + run.failed != run.requests {
        run.first_error = Some(format!(
            "{} requests succeeded and {} failed, of {}",
            run.succeeded, run.failed, run.requests
        ));
        run.failed = run.requests.saturating_sub(run.succeeded).max(1);
    }
    // wrk does not say how much was body; it has checked the lengths.
    let tells = run.body_bytes > 0;
    if let Some(each) = each
        && tells
        && run.failed == 0
        && run.body_bytes != run.succeeded * each
    {
        run.first_error = Some(format!(
            "{} bytes were moved instead of {}",
            run.body_bytes,
            run.succeeded * each
        ));
        run.failed = run.requests;
    }
    run
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(succeeded: u64, failed: u64, body_bytes: u64) -> Run {
        Run {
            requests: 10,
            succeeded,
            failed,
            body_bytes,
            ..Run::default()
        }
    }

    #[test]
    fn a_run_that_moved_everything_is_left_alone() {
        for good in [run(10, 0, 10 * 1024), run(10, 0, 0)] {
            assert_eq!(checked(good.clone(), Target::Small), good);
        }
        let delayed = run(10, 0, 77);
        assert_eq!(checked(delayed.clone(), Target::Delayed), delayed);
    }

    #[test]
    fn short_bodies_and_lost_requests_are_failures() {
        let short = checked(run(10, 0, 10_239), Target::Small);
        assert_eq!(short.failed, 10);
        assert!(short.first_error.unwrap().contains("10239 bytes"));
        let lost = checked(run(7, 0, 7 * 1024), Target::Small);
        assert_eq!(lost.failed, 3);
        assert!(lost.first_error.is_some());
    }
}
