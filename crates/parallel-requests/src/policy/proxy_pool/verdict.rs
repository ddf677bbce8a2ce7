//! What a reply says about the proxy that it came through.

use http::{StatusCode, header};
use pr_core::{
    BackendError, Delivery, ErrorKind, FailedHop, NormalizedResponse, Proxy, StreamingResponse,
    TimeoutPhase,
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
    let is_late = error.timeout_phase() == Some(TimeoutPhase::Connect);
    match (error.failed_hop(), error.kind()) {
        (Some(FailedHop::Proxy), _) => Verdict::Failed(Scope::Proxy),
        (Some(FailedHop::Tunnel), _) => Verdict::Failed(Scope::Origin),
        // Of these, too, one may be banned: where others have no handshake, it has none in time.
        (_, ErrorKind::Timeout) if is_late => Verdict::Failed(Scope::Origin),
        (Some(FailedHop::Origin), _) => Verdict::Open,
        // From here on, whoever opened the connection does not say more.
        (_, ErrorKind::Proxy) if is_refused_tunnel(error) => Verdict::Failed(Scope::Origin),
        (_, ErrorKind::Proxy | ErrorKind::Connect) => Verdict::Failed(Scope::Proxy),
        _ => Verdict::Open,
    }
}

/// Whether the proxy was there and refused this origin, or could not get to it.
fn is_refused_tunnel(error: &BackendError) -> bool {
    error
        .proxy_status()
        .is_some_and(|status| status != StatusCode::PROXY_AUTHENTICATION_REQUIRED)
}

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
                // A proxy has to say which credentials it wants. Without that, it may be the origin that
                // has answered; and what was redirected has been processed.
                let is_the_proxys = self.headers().contains_key(header::PROXY_AUTHENTICATE);
                let fate = if is_the_proxys && self.history().is_empty() {
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
