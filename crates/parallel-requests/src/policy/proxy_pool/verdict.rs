//! What a reply says about the proxy that it came through.

use http::StatusCode;
use pr_core::{
    BackendError, Delivery, ErrorKind, NormalizedResponse, Proxy, StreamingResponse, TimeoutPhase,
};
use url::Url;

use super::health::Scope;

/// What is to be held of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has done its part, whatever the origin's answer.
    Worked,
    Failed(Scope),
    /// Nothing is known.
    Open,
}

/// What the reply to a request through this proxy says of it.
pub(super) fn of<R>(reply: &Result<R, BackendError>) -> Verdict {
    let Err(error) = reply else {
        return Verdict::Worked;
    };
    match (error.kind(), error.timeout_phase()) {
        (ErrorKind::Proxy, _) if is_of_the_origin(error) => Verdict::Failed(Scope::Origin),
        (ErrorKind::Proxy | ErrorKind::Connect, _) | (_, Some(TimeoutPhase::Connect)) => {
            Verdict::Failed(Scope::Proxy)
        }
        _ => Verdict::Open,
    }
}

/// Whether the proxy was there and refused this origin, or could not get to it.
fn is_of_the_origin(error: &BackendError) -> bool {
    match error.proxy_status() {
        Some(status) => status != StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        // A reply of SOCKS5 has no status.
        None => error.message().starts_with(SOCKS_REPLY),
    }
}

/// How `pr-connect` begins the message of an error that is a reply of SOCKS5 (RFC 1928, section 6).
const SOCKS_REPLY: &str = "the SOCKS5 proxy refused or failed";

/// A response of which the head is there.
pub(super) trait Answer: Sized {
    fn status(&self) -> StatusCode;
    fn url(&self) -> &Url;

    /// The error that takes its place.
    fn refused(&self, message: &'static str) -> BackendError;
}

macro_rules! answer {
    ($response:ty) => {
        impl Answer for $response {
            fn status(&self) -> StatusCode {
                self.status_code()
            }

            fn url(&self) -> &Url {
                self.url()
            }

            fn refused(&self, message: &'static str) -> BackendError {
                // What was redirected has been processed.
                let fate = if self.history().is_empty() {
                    Delivery::NotProcessed
                } else {
                    Delivery::Unknown
                };
                BackendError::proxy_refused(self.status_code(), message)
                    .with_backend(self.backend().to_owned())
                    .with_url(self.url())
                    .with_delivery(fate)
            }
        }
    };
}

answer!(NormalizedResponse);
answer!(StreamingResponse);

/// Turns the response of a proxy that wants other credentials (RFC 9110, section 15.5.8) into the error
/// that it is for a tunnel. Only what is forwarded has such a response; within a tunnel, or through
/// SOCKS, it is an origin's, which means something else by it.
pub(super) fn settle<R: Answer>(
    reply: Result<R, BackendError>,
    proxy: &Proxy,
) -> Result<R, BackendError> {
    let response = reply?;
    if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        && response.url().scheme() == "http"
        && !proxy.is_socks()
    {
        return Err(response
            .refused("the proxy does not accept the credentials of its URL, or wants some (407)"));
    }
    Ok(response)
}
