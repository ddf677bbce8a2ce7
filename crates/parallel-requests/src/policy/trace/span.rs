//! The span of an attempt, by OpenTelemetry's semantic conventions for HTTP clients (stable since
//! 1.23): its names stand here and nowhere else.

use http::{Method, Version};
use pr_core::RequestConfig;
use tracing::{Level, Span, field::Empty};

use crate::policy::{Reply, observer::Step};

/// The target of spans and events, by which a subscriber chooses them.
const TARGET: &str = "parallel_requests::http";

/// Whether any subscriber wants spans; if none does, that is all that they cost.
pub(crate) fn is_wanted() -> bool {
    tracing::span_enabled!(target: TARGET, Level::DEBUG)
}

/// The span of an attempt that begins, within the span that the request carries, or else within the
/// current one.
pub(super) fn of(request: &RequestConfig, step: Step, proxy: Option<&str>) -> Span {
    let given = request.extension_ref::<Span>();
    let parent = given.map_or_else(Span::current, Span::clone);
    let method = known(request.method_ref());
    let span = tracing::debug_span!(
        target: TARGET,
        parent: &parent,
        "http_request",
        otel.name = method.unwrap_or("HTTP"),
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = method.unwrap_or("_OTHER"),
        http.request.method_original = Empty,
        http.request.resend_count = Empty,
        http.response.status_code = Empty,
        server.address = Empty,
        server.port = Empty,
        url.full = %request.display_url(),
        network.peer.address = Empty,
        network.peer.port = Empty,
        network.protocol.version = Empty,
        error.type = Empty,
        parallel_requests.proxy = proxy,
    );
    if method.is_none() {
        span.record(
            "http.request.method_original",
            request.method_ref().as_str(),
        );
    }
    if let Some(url) = request.url() {
        if let Some(host) = url.host_str() {
            span.record("server.address", bare(host));
        }
        if let Some(port) = url.port_or_known_default() {
            span.record("server.port", port);
        }
    }
    if step.number > 1 {
        span.record("http.request.resend_count", step.number - 1);
    }
    span
}

/// Records what came of the attempt.
pub(super) fn end(span: &Span, reply: &Reply) {
    if span.is_disabled() {
        return;
    }
    match reply {
        Ok(response) => {
            let status = response.status_code();
            span.record("http.response.status_code", status.as_u16());
            if let Some(version) = version(response.version()) {
                span.record("network.protocol.version", version);
            }
            if let Some(peer) = response.connection().remote_addr {
                span.record("network.peer.address", tracing::field::display(peer.ip()));
                span.record("network.peer.port", peer.port());
            }
            if status.is_client_error() || status.is_server_error() {
                fail(span, status.as_str());
            }
        }
        Err(error) => fail(span, error.kind().as_str()),
    }
}

/// Records that nobody waits for the attempt any longer.
pub(super) fn cancel(span: &Span) {
    if !span.is_disabled() {
        fail(span, "cancelled");
    }
}

fn fail(span: &Span, kind: &str) {
    span.record("error.type", kind);
    span.record("otel.status_code", "ERROR");
}

/// The methods that the conventions know: those of RFC 9110 and RFC 5789.
pub(in crate::policy) fn known(method: &Method) -> Option<&'static str> {
    const KNOWN: [&str; 9] = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
    ];
    KNOWN.into_iter().find(|known| *known == method.as_str())
}

/// The version as the conventions write it.
pub(in crate::policy) fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("0.9"),
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

/// A host without the brackets that an address of version 6 has in URLs.
pub(in crate::policy) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}
