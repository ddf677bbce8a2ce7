//! Whether what came of an attempt is worth another, and whether another is safe.

use std::time::Duration;

use http::{Method, StatusCode};
use pr_core::{
    Attempt, BackendError, Delivery, DnsFailure, ErrorKind, RequestConfig, TimeoutPhase,
};

use super::{Predicate, RetryContext, RetryDecision, backoff::Backoff};
use crate::policy::Reply;

/// What a policy is made of.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) max_retries: u32,
    pub(super) backoff: Backoff,
    pub(super) statuses: Vec<StatusCode>,
    /// Those by which the peer says that it has not processed the request.
    pub(super) unprocessed: Vec<StatusCode>,
    /// Besides the idempotent ones.
    pub(super) methods: Vec<Method>,
    pub(super) any_method: bool,
    pub(super) max_elapsed: Option<Duration>,
    pub(super) predicate: Option<Predicate>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_retries: 3,
            backoff: Backoff {
                base: Duration::from_millis(500),
                cap: Duration::from_secs(20),
            },
            statuses: vec![
                StatusCode::REQUEST_TIMEOUT,
                StatusCode::TOO_EARLY,
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::INTERNAL_SERVER_ERROR,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ],
            unprocessed: vec![StatusCode::TOO_EARLY],
            methods: Vec::new(),
            any_method: false,
            max_elapsed: None,
            predicate: None,
        }
    }
}

impl Settings {
    /// Whether there is nothing to do.
    pub(super) fn is_never(&self) -> bool {
        self.max_retries == 0
    }

    /// Whether this reply to the attempt of this number, counted from 1, is to be followed by another:
    /// asked of every reply, and answered by a look at the status of most. The request can be
    /// replayed.
    pub(super) fn wants_another(
        &self,
        request: &RequestConfig,
        number: u32,
        reply: &Reply,
    ) -> bool {
        if number > self.max_retries {
            return false;
        }
        let said = match &self.predicate {
            None => RetryDecision::ByTheRules,
            Some(Predicate(ask)) => ask(&RetryContext::new(request, number, reply)),
        };
        match said {
            RetryDecision::ByTheRules => {
                self.may_do_better(reply) && self.is_safe(request.method_ref(), reply)
            }
            RetryDecision::Retry => true,
            RetryDecision::Stop => false,
        }
    }

    /// Whether the same request may have another outcome next time.
    fn may_do_better(&self, reply: &Reply) -> bool {
        match reply {
            Ok(response) => self.statuses.contains(&response.status_code()),
            Err(error) => self.is_passing(error),
        }
    }

    fn is_passing(&self, error: &BackendError) -> bool {
        match error.kind() {
            ErrorKind::Connect | ErrorKind::Truncated | ErrorKind::Body => true,
            // The same proxy would refuse the same credentials, and perhaps lock their account. A pool,
            // which names its proxies, has others.
            ErrorKind::Proxy => {
                error.proxy_status() != Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED)
                    || error.proxy().is_some()
            }
            ErrorKind::Closed => !error.is_backend_closed(),
            ErrorKind::Dns => error.dns_failure() == Some(DnsFailure::Transient),
            // Whoever limited the wait for a turn did not ask for several waits, and whoever waited
            // too long for a connection met a client that is busy enough.
            ErrorKind::Timeout => !matches!(
                error.timeout_phase(),
                Some(TimeoutPhase::Queue | TimeoutPhase::Batch)
            ),
            ErrorKind::Status => error
                .status_code()
                .is_some_and(|status| self.statuses.contains(&status)),
            // The same would fail in the same way; or, cancelled or with an open circuit, somebody
            // wants it to end.
            _ => false,
        }
    }

    /// What is known of a request's fate after an attempt: an answer means that it was processed, unless
    /// its status says otherwise.
    pub(super) fn fate(&self, attempt: &Attempt) -> Delivery {
        match &attempt.result {
            Ok(status) if self.unprocessed.contains(status) => Delivery::NotProcessed,
            Ok(_) => Delivery::Unknown,
            Err(error) => error.delivery,
        }
    }

    /// Whether it does no harm to send the request again (RFC 9110, section 9.2.2).
    fn is_safe(&self, method: &Method, reply: &Reply) -> bool {
        method.is_idempotent()
            || self.any_method
            || self.methods.contains(method)
            || match reply {
                Ok(response) => self.unprocessed.contains(&response.status_code()),
                Err(error) => match error.delivery() {
                    Delivery::NotSent | Delivery::NotProcessed => true,
                    Delivery::Unknown => error
                        .status_code()
                        .is_some_and(|status| self.unprocessed.contains(&status)),
                },
            }
    }
}

/// Whether an attempt was never sent for want of a turn or because of an open circuit, so that it says
/// nothing new.
pub(super) fn is_refusal(reply: &Reply) -> bool {
    reply.as_ref().is_err_and(|error| {
        error.delivery() == Delivery::NotSent
            && (error.kind() == ErrorKind::CircuitOpen
                || error.timeout_phase() == Some(TimeoutPhase::Queue))
    })
}

/// Of what is known of two attempts at a request, what is to be said of both.
pub(super) fn worse(one: Delivery, other: Delivery) -> Delivery {
    match (one, other) {
        (Delivery::Unknown, _) | (_, Delivery::Unknown) => Delivery::Unknown,
        (Delivery::NotProcessed, _) | (_, Delivery::NotProcessed) => Delivery::NotProcessed,
        (Delivery::NotSent, Delivery::NotSent) => Delivery::NotSent,
    }
}
