//! A limit of requests in flight to a host that finds itself: the setting, and what it is told.

mod limit;
#[cfg(test)]
mod simulation;
mod window;

use std::time::Duration;

use http::StatusCode;
use pr_core::{ErrorKind, TimeoutPhase};

pub(crate) use self::limit::AdaptiveLimit;
use super::Reply;
use crate::ConfigurationError;

/// Lets the limit of requests in flight to each host find itself, for
/// [`adaptive`](crate::ClientBuilder::adaptive).
///
/// A server has a knee: up to so many requests at a time, more of them get more done; beyond it they
/// only wait for each other, or are refused. For each host this starts low, doubles as long as
/// responses take no longer than before, and then follows the knee. It backs off when responses take
/// longer, and when more than a few requests end in status 429 or 503 or in a timeout.
///
/// # How
///
/// It is the gradient algorithm of Netflix's
/// [concurrency-limits](https://github.com/Netflix/concurrency-limits) in the variant of Envoy's
/// [adaptive concurrency filter](https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter):
/// after each window of responses, the limit is multiplied with the ratio of the time that they take
/// without a queue, plus the [`tolerance`](Self::tolerance), to the time that they took. By Little's
/// law that ratio is the part of the limit that the server works on; the rest waits. As in Envoy the
/// time without a queue is measured again and again, at half the limit or, if that has a queue still,
/// at half of that. Vegas, the other algorithm in that family, tolerates a queue of a fixed length,
/// which is a large part of a small limit, and takes the fastest response there ever was for the
/// usual one, which it is not where their times vary. Plain AIMD learns nothing from times and has
/// to run into errors.
///
/// Windows are as long as the variation of the times asks for. A window counts only responses that
/// came while about as many requests were in flight as may be: from a client that has less to do than
/// the server can take nothing is learned, and the limit stays.
///
/// The limit is one of several. [`concurrency`](crate::ClientBuilder::concurrency) holds for all hosts
/// together, and its default of 20 is soon what limits this one;
/// [`concurrency_per_host`](crate::ClientBuilder::concurrency_per_host) holds too if it is set.
///
/// ```
/// use parallel_requests::{AdaptiveConcurrency, ParallelRequests};
///
/// let client = ParallelRequests::builder()
///     .concurrency(500)
///     .adaptive(AdaptiveConcurrency::default().initial(8).max(200))
///     .build();
///
/// let error = ParallelRequests::builder()
///     .adaptive(AdaptiveConcurrency::default().min(10).max(5))
///     .build();
/// assert!(error.is_err());
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveConcurrency {
    initial: usize,
    min: usize,
    max: usize,
    tolerance: f64,
}

/// More requests than this to one host are a mistake.
const MAX_LIMIT: usize = 1_000_000;

impl Default for AdaptiveConcurrency {
    /// From 4, between 1 and 1,000, with a tolerance of 10 %.
    fn default() -> Self {
        Self {
            initial: 4,
            min: 1,
            max: 1_000,
            tolerance: 0.1,
        }
    }
}

impl AdaptiveConcurrency {
    /// Requests in flight to a host of which nothing is known yet. Default: 4. Outside of
    /// [`min`](Self::min) and [`max`](Self::max) the nearer of them.
    pub fn initial(mut self, in_flight: usize) -> Self {
        self.initial = in_flight;
        self
    }

    /// The lowest limit, at least 1. Default: 1.
    pub fn min(mut self, in_flight: usize) -> Self {
        self.min = in_flight;
        self
    }

    /// The highest limit, at most 1,000,000. Default: 1,000.
    pub fn max(mut self, in_flight: usize) -> Self {
        self.max = in_flight;
        self
    }

    /// How much longer than without a queue responses may take, as a part: from 0.01 to 1. Default:
    /// 0.1, a tenth. It is by about as much that the limit is above the knee.
    pub fn tolerance(mut self, part: f64) -> Self {
        self.tolerance = part;
        self
    }

    /// The limit of a host of which nothing is known yet.
    pub(crate) fn start(&self) -> AdaptiveLimit {
        AdaptiveLimit::new(self)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let (value, why) = if self.min == 0 {
            ("a min of 0".to_owned(), "nothing would be sent")
        } else if self.min > self.max {
            let value = format!("a min of {} with a max of {}", self.min, self.max);
            (value, "no limit is both")
        } else if self.max > MAX_LIMIT {
            let value = format!("a max of {}", self.max);
            (
                value,
                "it is a number of requests in flight, up to 1,000,000",
            )
        } else if !(0.01..=1.0).contains(&self.tolerance) {
            let value = format!("a tolerance of {}", self.tolerance);
            (value, "it is a part, from 0.01 to 1")
        } else {
            return Ok(());
        };
        Err(ConfigurationError::InvalidSetting {
            setting: "adaptive",
            value,
            why: why.into(),
        })
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// From its dispatch to its end.
    pub(crate) latency: Duration,
    /// Attempts in flight to this host when it ended, itself included.
    pub(crate) in_flight: usize,
    pub(crate) outcome: SampleOutcome,
}

/// What an attempt's end says about the server's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SampleOutcome {
    /// It was dealt with, whatever the answer is.
    Done,
    /// The server has too much to do.
    Overloaded,
    /// Nothing.
    Ignored,
}

impl SampleOutcome {
    pub(crate) fn of(reply: &Reply) -> Self {
        match reply {
            Ok(response) => match response.status_code() {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
                _ => Self::Done,
            },
            // The end of a batch says something about the batch.
            Err(error) if error.timeout_phase() == Some(TimeoutPhase::Batch) => Self::Ignored,
            Err(error) if error.kind() == ErrorKind::Timeout => Self::Overloaded,
            Err(_) => Self::Ignored,
        }
    }
}
