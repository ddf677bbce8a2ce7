//! What a request says besides how it is framed, which is none of ureq's business: ureq logs the bytes
//! that it writes, and only writes targets in origin form.

use http::{
    HeaderMap, HeaderName, Request, Uri, header,
    uri::{InvalidUriParts, PathAndQuery},
};
use pr_core::{ConnectionKey, Scheme};

/// A request's target and its header fields, credentials and cookies among them, without the few
/// that ureq goes by.
pub(crate) struct Withheld {
    target: Option<PathAndQuery>,
    headers: HeaderMap,
}

/// What frames a request's body and its connection, and where it goes.
const FRAMING: [HeaderName; 5] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::EXPECT,
];

impl Withheld {
    /// Takes out of a request what ureq need not know.
    pub(crate) fn take(request: &mut Request<()>) -> Result<Self, InvalidUriParts> {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        let root = PathAndQuery::from_static("/");
        let target = uri.path_and_query.replace(root);
        *request.uri_mut() = Uri::from_parts(uri)?;
        let mut headers = std::mem::take(request.headers_mut());
        for name in FRAMING {
            // Most requests have none of them, or just one.
            if !headers.contains_key(&name) {
                continue;
            }
            for value in headers.get_all(&name) {
                request.headers_mut().append(name.clone(), value.clone());
            }
            headers.remove(&name);
        }
        Ok(Self { target, headers })
    }

    /// The head of the request, by the one that ureq has written. With a key, the target is in absolute
    /// form (RFC 9112, section 3.2.2), for a proxy that forwards it.
    pub(crate) fn complete(&self, draft: &[u8], forwarded: Option<&ConnectionKey>) -> Vec<u8> {
        let target = self.target.as_ref().map_or("/", PathAndQuery::as_str);
        // The method ends with the first space, and what follows is the target, which is "/".
        let method = draft.iter().position(|&byte| byte == b' ');
        let (method, rest) = draft.split_at(method.map_or(0, |space| space + 1));
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        let rest = rest.strip_suffix(b"\r\n").unwrap_or(rest);

        let mut head = Vec::with_capacity(draft.len() + self.length());
        head.extend_from_slice(method);
        if let Some(key) = forwarded {
            head.extend_from_slice(origin(key).as_bytes());
        }
        if !target.starts_with('/') {
            head.push(b'/');
        }
        head.extend_from_slice(target.as_bytes());
        head.extend_from_slice(rest);
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    /// How long it is, and a little more.
    fn length(&self) -> usize {
        const MARGIN: usize = 64;
        let target = self
            .target
            .as_ref()
            .map_or(0, |target| target.as_str().len());
        MARGIN + target + length(&self.headers)
    }
}

/// How long these fields are.
pub(crate) fn length(headers: &HeaderMap) -> usize {
    let separators = ": \r\n".len();
    let field = |(name, value): (&HeaderName, &http::HeaderValue)| {
        name.as_str().len() + value.len() + separators
    };
    headers.iter().map(field).sum()
}

fn origin(key: &ConnectionKey) -> String {
    match (key.scheme(), key.port()) {
        (Scheme::Http, 80) => format!("http://{}", key.host()),
        (scheme, port) => format!("{}://{}:{port}", scheme.as_str(), key.host()),
    }
}
