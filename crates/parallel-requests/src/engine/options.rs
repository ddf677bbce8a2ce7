//! What a batch was asked for, and why it stops before its end.

use std::time::Duration;

use pr_core::{BackendError, Delivery, ErrorKind, NormalizedResponse, RequestConfig, TimeoutPhase};

use crate::Cancellation;

/// The settings of one batch.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) deadline: Option<Duration>,
    pub(crate) cancellation: Option<Cancellation>,
    pub(crate) max_failures: Option<usize>,
    pub(crate) error_for_status: bool,
    /// Outcomes are given out in the order of the input, and so many may wait for an earlier one.
    pub(crate) reorder: Option<usize>,
    /// How far the window widens for what is held up.
    pub(crate) look_ahead: usize,
    /// Responses are turned into something else.
    pub(crate) is_typed: bool,
}

impl Options {
    /// How many finished outcomes may wait for an earlier one, unless said otherwise.
    pub(crate) const REORDER_WINDOW: usize = 1_000;

    /// How many requests more are pulled for those that are held up, unless said otherwise.
    const LOOK_AHEAD: usize = 100_000;

    /// Whether what there is to say of this result's attempts is lost when its outcome is made.
    pub(super) fn turns(&self, result: &Result<NormalizedResponse, BackendError>) -> bool {
        let is_error = |response: &NormalizedResponse| {
            let status = response.status_code();
            status.is_client_error() || status.is_server_error()
        };
        match result {
            Ok(response) => self.is_typed || (self.error_for_status && is_error(response)),
            Err(_) => false,
        }
    }

    /// Whether a request whose response is there may still turn out to have failed.
    pub(super) fn may_fail_late(&self) -> bool {
        self.is_typed || self.error_for_status
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: None,
            cancellation: None,
            max_failures: None,
            error_for_status: false,
            reorder: None,
            look_ahead: Self::LOOK_AHEAD,
            is_typed: false,
        }
    }
}

/// Why a batch is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It took longer than this.
    Deadline(Duration),
    /// The user said so.
    Cancelled,
    /// More than so many requests failed.
    Failures(usize),
}

impl Stop {
    /// The error of a request that is not done.
    pub(super) fn error(self, delivery: Delivery, request: Option<&RequestConfig>) -> BackendError {
        let error = match self {
            Self::Deadline(limit) => BackendError::timeout(
                TimeoutPhase::Batch,
                format!("the batch's deadline of {limit:?} passed before this request was done"),
            ),
            Self::Cancelled => BackendError::new(
                ErrorKind::Cancelled,
                "the batch was cancelled before this request was done",
            ),
            Self::Failures(0) => BackendError::new(
                ErrorKind::Cancelled,
                "the batch was stopped before this request was done, because another one had failed",
            ),
            Self::Failures(most) => BackendError::new(
                ErrorKind::Cancelled,
                format!(
                    "the batch was stopped before this request was done, because more than {most} \
                     others had failed"
                ),
            ),
        };
        let error = error.with_delivery(delivery);
        match request.and_then(RequestConfig::url) {
            Some(url) => error.with_url(url),
            None => error,
        }
    }
}
