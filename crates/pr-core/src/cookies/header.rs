//! The `cookie` field of a request: what the jar has for it, beside what the request brings along.

use http::{HeaderMap, HeaderValue, header};

use super::{MAX_HEADER, store::Entry};

/// The field's value, with the request's own cookies first; `None` if the jar adds nothing.
///
/// A cookie of the jar whose name is one of the request's own is left out. So is one with which the
/// field line would be longer than 8,190 bytes; shorter ones after it may still find room. What
/// the request brings along is never left out.
pub(super) fn joined(own: Option<&HeaderMap>, cookies: &[&Entry]) -> Option<HeaderValue> {
    let mut value = Vec::new();
    for field in own.iter().flat_map(|own| own.get_all(header::COOKIE)) {
        append(&mut value, &[field.as_bytes()]);
    }
    let own = value.clone();
    let room = MAX_HEADER.saturating_sub("cookie: ".len());
    let mut added = false;
    for cookie in cookies {
        let parts: &[&[u8]] = match (cookie.name.as_bytes(), cookie.value.as_bytes()) {
            ([], value) => &[value],
            (name, value) => &[name, b"=", value],
        };
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let separator = if value.is_empty() { 0 } else { 2 };
        if value.len() + separator + length > room || has(&own, cookie.name.as_bytes()) {
            continue;
        }
        append(&mut value, parts);
        added = true;
    }
    if !added {
        return None;
    }
    // Controls and line breaks have been refused in the jar and in the request.
    let mut value = HeaderValue::from_bytes(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn append(value: &mut Vec<u8>, parts: &[&[u8]]) {
    if !value.is_empty() {
        value.extend_from_slice(b"; ");
    }
    for part in parts {
        value.extend_from_slice(part);
    }
}

/// Whether a field's value has a cookie of this name.
fn has(field: &[u8], name: &[u8]) -> bool {
    field.split(|&byte| byte == b';').any(|pair| {
        let pair = pair.trim_ascii();
        match pair.iter().position(|&byte| byte == b'=') {
            Some(end) => pair[..end].trim_ascii_end() == name,
            None => name.is_empty() && !pair.is_empty(),
        }
    })
}
