//! A second copy of a request that takes long: [`Hedge`], and what it is made of.

mod latencies;
mod race;
mod service;
mod underway;

use std::time::Duration;

pub(crate) use self::service::{HedgeLayer, Hedging};
use super::RetryBudget;
use crate::ConfigurationError;

/// Sends a copy of a request that takes unusually long, and takes the reply that is there first.
///
/// Some requests are slow for no reason of their own: a lost packet, a server that collects its
/// garbage. A copy, over another connection or to another server behind the same name, is then often
/// faster than waiting ("The Tail at Scale", Dean and Barroso, 2013). That costs the peer a little work
/// for nothing, so it is off unless you ask for it.
///
/// Copies are made only of requests whose method is safe, which means that they change nothing (RFC
/// 9110, section 9.2.1: GET, HEAD, OPTIONS, TRACE), or also of the other
/// [idempotent](Self::idempotent_methods) ones if you say so; whose body is reopenable, and which are
/// not said to be [never](crate::RetryPolicy::never) sent again. The probe of a half-open
/// [circuit](crate::CircuitBreaker) has no copy.
///
/// A copy is an exchange as any other: it takes a place among the requests in flight, and of the rates.
/// But it never waits for them: if there is no place right then, there is no copy. So a client that is
/// busy does not hedge.
///
/// The first good reply wins, and what is left of the others is dropped and freed at once. A reply is
/// good if it is a response with a status other than 429 and 5xx. One that is not leaves the others
/// running; if all have ended, the request has the reply that tells most: a response before an error. A
/// request that fails before it was time for a copy has failed; that is for the
/// [`RetryPolicy`](crate::RetryPolicy). What a loser said about its host's load counts as if it had won:
/// a pause that it asked for begins when its reply is there. And so do the cookies in a response's head
/// that arrived before the race was over, even if its body did not: the jar keeps them.
///
/// | Setting | Default |
/// |---|---|
/// | [`max_hedges`](Self::max_hedges) | 1 |
/// | [`min_samples`](Self::min_samples) | 100 |
/// | [`idempotent_methods`](Self::idempotent_methods) | no |
/// | [`budget`](Self::budget) | 10 % of the requests, and 10 |
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{Hedge, ParallelRequests};
///
/// # #[cfg(feature = "h2")]
/// let client = ParallelRequests::builder()
///     .hedge(Hedge::after(Duration::from_millis(200)))
///     .build()?;
/// # Ok::<(), parallel_requests::ConfigurationError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it does nothing until a client is given it"]
pub struct Hedge {
    when: When,
    max_hedges: u32,
    min_samples: u32,
    idempotent_methods: bool,
    budget: RetryBudget,
}

/// When it is time for a copy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    After(Duration),
    /// A share of the replies, from 0 to 1.
    Percentile(f64),
}

impl Hedge {
    /// When a request has been under way for this long: from when it is its turn and the backend has
    /// begun to connect or to send. To wait for the turn, or for a place among the connections, does not
    /// count.
    pub fn after(time: Duration) -> Self {
        Self::new(When::After(time))
    }

    /// When a request has been in flight for longer than this share of the good replies of its host,
    /// greater than 0 and less than 1: with 0.95, one in twenty gets a copy.
    ///
    /// What counts are the last 1,000 to 2,000 replies, to a precision of a hundredth, and at best 0.1
    /// ms; their times include what they waited for a place among the connections. Replies of 256 hosts are counted, those that were asked last; nothing is hedged before there
    /// are [`min_samples`](Self::min_samples).
    ///
    /// ```
    /// use parallel_requests::Hedge;
    ///
    /// let hedge = Hedge::at_percentile(0.95).min_samples(500);
    /// # drop(hedge);
    /// ```
    pub fn at_percentile(share: f64) -> Self {
        Self::new(When::Percentile(share))
    }

    /// How many copies a request has at most, from 1; each after the same time again. Default: 1.
    pub fn max_hedges(mut self, copies: u32) -> Self {
        self.max_hedges = copies;
        self
    }

    /// How many replies of a host have to be known before a percentile of them means anything, from 1
    /// to 1,000. Default: 100.
    pub fn min_samples(mut self, replies: u32) -> Self {
        self.min_samples = replies;
        self
    }

    /// Whether requests with idempotent methods that are not safe, PUT and DELETE, get copies as well.
    ///
    /// The copy that loses is dropped, but what has been sent of it may reach the server late: after
    /// the response is there, and after whatever you do next. A PUT that comes in behind a later one
    /// undoes it. Say so only if that does no harm, because nobody else writes there or the requests
    /// are conditional (`if-match`). Default: no.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parallel_requests::Hedge;
    ///
    /// let hedge = Hedge::after(Duration::from_millis(200)).idempotent_methods(true);
    /// # drop(hedge);
    /// ```
    pub fn idempotent_methods(mut self, copied: bool) -> Self {
        self.idempotent_methods = copied;
        self
    }

    /// How many copies there are at most, in relation to the requests that could have one. Default:
    /// 10 %, and a reserve of 10. It is not the budget of [retries](crate::ClientBuilder::retry_budget),
    /// unless you give a clone of that.
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let refuse = |value: String, why: &'static str| {
            Err(ConfigurationError::InvalidSetting {
                setting: "hedge",
                value,
                why: why.into(),
            })
        };
        match self.when {
            When::After(time) if time.is_zero() => {
                return refuse(
                    "after 0ns".to_owned(),
                    "every request would be sent twice at once",
                );
            }
            When::Percentile(share) if !(share > 0.0 && share < 1.0) => {
                return refuse(
                    format!("at_percentile {share}"),
                    "it is a share of the replies, greater than 0 and less than 1",
                );
            }
            When::After(_) | When::Percentile(_) => {}
        }
        if self.max_hedges == 0 {
            return refuse(
                "max_hedges 0".to_owned(),
                "it is at least 1; leave hedge() out for none",
            );
        }
        if !(1..=latencies::GENERATION).contains(&self.min_samples) {
            return refuse(
                format!("min_samples {}", self.min_samples),
                "it is a number of replies, from 1 to 1,000",
            );
        }
        self.budget.check("hedge")
    }

    fn new(when: When) -> Self {
        Self {
            when,
            max_hedges: 1,
            min_samples: 100,
            idempotent_methods: false,
            budget: RetryBudget::percent(10.0).reserve(10),
        }
    }
}
