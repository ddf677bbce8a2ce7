//! Counts over all outcomes, at constant memory.

use std::collections::BTreeMap;

use super::{
    connections::Connections,
    record::{Answer, Record},
};
use crate::latency::Latencies;

/// What the summary is made of.
pub(super) struct Tally {
    /// Whether 4xx and 5xx count as failures.
    fail: bool,
    total: u64,
    failed: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) errors: BTreeMap<&'static str, u64>,
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
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            latencies: Latencies::new(),
            connections: Connections::default(),
            bytes: 0,
        }
    }

    pub(super) fn count(&mut self, record: &Record) {
        self.total += 1;
        match &record.result {
            Ok(answer) => {
                *self.statuses.entry(answer.status.as_u16()).or_default() += 1;
                self.latencies.record(record.elapsed);
                self.connections.insert(answer.connection);
                self.bytes += answer.bytes;
                self.failed += u64::from(self.fail && is_error(answer));
            }
            Err(failure) => {
                *self.errors.entry(failure.kind.as_str()).or_default() += 1;
                self.failed += 1;
            }
        }
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }
}

fn is_error(answer: &Answer) -> bool {
    answer.status.is_client_error() || answer.status.is_server_error()
}
