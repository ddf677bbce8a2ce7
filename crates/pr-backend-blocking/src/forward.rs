//! What a request looks like that a proxy forwards.

use pr_core::{ConnectionKey, Scheme};

/// The head of a request, or the beginning of one, whose target is in absolute form (RFC 9112,
/// section 3.2.2) instead of in origin form, which is the only one that ureq writes.
pub(crate) fn in_absolute_form(head: &[u8], key: &ConnectionKey) -> Vec<u8> {
    let origin = match (key.scheme(), key.port()) {
        (Scheme::Http, 80) => format!("http://{}", key.host()),
        (scheme, port) => format!("{}://{}:{port}", scheme.as_str(), key.host()),
    };
    // The method ends with the first space.
    let method = head.iter().position(|&byte| byte == b' ');
    let (method, rest) = head.split_at(method.map_or(0, |space| space + 1));
    [method, origin.as_bytes(), rest].concat()
}
