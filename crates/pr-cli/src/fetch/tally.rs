//! Counts over all outcomes, at constant memory.

use std::{collections::BTreeMap, fmt};

use super::{
    connections::Connections,
    record::{Answer, Record},
};
use crate::latency::Latencies;

/// What the summary is made of.
pub(super) struct Tally {
    /// Whether 4xx and 5xx count as failures.
    pub(super) fail: bool,
    total: u64,
    failed: u64,
    /// Those of the failed that were answered.
    refused: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) errors: BTreeMap<&'static str, u64>,
    /// Requests that took more than one attempt.
    pub(super) retried: u64,
    /// What came of the attempts before the last.
    pub(super) retries: BTreeMap<Reason, u64>,
    /// Requests that were in flight when the run was ended.
    pub(super) cancelled: u64,
    /// Of responses only.
    pub(super) latencies: Latencies,
    pub(super) connections: Connections,
    /// Of bodies only.
    pub(super) bytes: u64,
}

impl Tally {
    pub(super) fn new(fail: bool) -> Self {
        Self {
            fail,
            total: 0,
            failed: 0,
            refused: 0,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            retried: 0,
            retries: BTreeMap::new(),
            cancelled: 0,
            latencies: Latencies::new(),
            connections: Connections::default(),
            bytes: 0,
        }
    }

    pub(super) fn count(&mut self, record: &Record) {
        self.total += 1;
        self.retried += u64::from(!record.earlier_attempts.is_empty());
        for attempt in &record.earlier_attempts {
            let reason = match attempt.result {
                Ok(status) => Reason::Status(status.as_u16()),
                Err(kind) => Reason::Error(kind.as_str()),
            };
            *self.retries.entry(reason).or_default() += 1;
        }
        match &record.result {
            Ok(answer) => {
                *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
                self.latencies.record(answer.elapsed);
                self.connections.insert(answer.connection);
                self.bytes += answer.bytes;
                let refused = self.fail && is_error(answer);
                self.refused += u64::from(refused);
                self.failed += u64::from(refused);
            }
            Err(failure) => {
                *self.errors.entry(failure.kind.as_str()).or_default() += 1;
                self.failed += 1;
            }
        }
    }

    /// Counts a request that has no outcome, because the run was ended.
    pub(super) fn count_cancelled(&mut self, in_flight: bool) {
        self.cancelled += u64::from(in_flight);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// How many of those were answered, with a 4xx or 5xx.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

/// Why there was another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Status(u16),
    Error(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Error(kind) => f.write_str(kind),
        }
    }
}

fn is_error(answer: &Answer) -> bool {
    answer.status.is_client_error() || answer.status.is_server_error()
}
