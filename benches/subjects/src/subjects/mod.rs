//! The clients under measurement: one file for each, and the list of them all.

mod backends;
mod facade;
mod floor;
mod hyper_conn_http1;
mod hyper_util;
mod raw_h2;
mod reqwest;
mod ureq;

use serde::Serialize;

use crate::args::Workload;
use crate::failure::Failure;
use crate::measure::Measured;
use crate::plan::Plan;

/// One client, with everything that a reader of its figures should know.
#[derive(Serialize)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    pub(crate) what: &'static str,
    /// Its best honest settings, in words.
    pub(crate) settings: &'static str,
    pub(crate) workloads: &'static [Workload],
    #[serde(skip)]
    pub(crate) run: fn(&Plan) -> Result<Measured, Failure>,
}

/// What a subject is to the comparison.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Group {
    /// A part of this project.
    Ours,
    /// The protocol and next to nothing else: what nobody can undercut by much.
    Floor,
    /// What a person would take otherwise.
    Rival,
}

static SUBJECTS: [&Subject; 12] = [
    &raw_h2::SUBJECT,
    &hyper_conn_http1::SUBJECT,
    &hyper_util::SUBJECT,
    &reqwest::SUBJECT,
    &ureq::SUBJECT,
    &backends::H2,
    &backends::HYPER,
    &backends::BLOCKING,
    &facade::H2,
    &facade::H2_4_CONNECTIONS,
    &facade::HYPER,
    &facade::BLOCKING,
];

/// What `bench-subject list` prints.
#[derive(Serialize)]
pub(crate) struct List {
    subjects: &'static [&'static Subject],
}

pub(crate) fn list() -> List {
    List {
        subjects: &SUBJECTS,
    }
}

pub(crate) fn find(name: &str) -> Result<&'static Subject, Failure> {
    let found = SUBJECTS.iter().find(|subject| subject.name == name);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = SUBJECTS.iter().map(|subject| subject.name).collect();
        Failure::new(format!("no subject {name}; there are {}", names.join(", ")))
    })
}
