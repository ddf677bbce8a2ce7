//! What is different about a request that a proxy forwards.

use http::{HeaderMap, HeaderValue, header};

/// That a connection leads to a proxy which forwards requests, and how to address it.
///
/// Such a request has its target in absolute form (RFC 9112, section 3.2.2) and carries the
/// proxy's credentials. Those of a tunnel, by contrast, look as they would without a proxy.
///
/// The proxy goes by the target alone: it ignores the `host` field that it receives and replaces it
/// by the target's authority (RFC 9112, section 3.2.2). A `host` that a user has set, to be sent in
/// place of the URI's authority, therefore does not get to the origin through such a proxy; through
/// a tunnel it does.
///
/// Its `Debug` output shows no credentials.
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use pr_connect::Forwarding;
///
/// let forwarding = Forwarding { authorization: Some(HeaderValue::from_static("Basic dTpw")) };
/// let mut headers = HeaderMap::new();
/// forwarding.authorize(&mut headers);
/// assert_eq!(headers["proxy-authorization"], "Basic dTpw");
/// ```
#[derive(Clone, Debug)]
pub struct Forwarding {
    /// The value of `proxy-authorization`, marked as sensitive; `None` if the proxy's URL has no
    /// credentials.
    pub authorization: Option<HeaderValue>,
}

impl Forwarding {
    /// Adds the proxy's credentials to a request's headers.
    pub fn authorize(&self, headers: &mut HeaderMap) {
        if let Some(value) = &self.authorization {
            headers.insert(header::PROXY_AUTHORIZATION, value.clone());
        }
    }
}
