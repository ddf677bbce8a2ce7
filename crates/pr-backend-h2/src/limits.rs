//! How large a response's head may be, and how that is measured.

use http::HeaderMap;
use pr_core::{BackendError, Delivery, ErrorKind, TransportConfig};

use crate::settings::MAX_FRAME;

/// The limits on what comes before and after a response's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest head, in bytes.
    head_size: usize,
    /// How many fields a head, or a trailer section, may have.
    fields: usize,
    /// How many 1xx responses may come before the final one.
    informational: usize,
}

/// What a field costs beside its name and its value (RFC 9113, section 6.5.2).
const FIELD_OVERHEAD: usize = 32;

/// How many times as large a head may be that is taken from the wire only to be refused.
///
/// `h2` has a limit of its own, but calls what exceeds it a fault of the peer's like any other, so
/// that limit lies beyond ours. In between, the head is measured here. `h2` also counts a head's
/// frames, and allows as many as its limit takes of the largest; but a peer may cut a head into frames
/// of 16 KiB however large those are that it could send.
const SLACK: usize = (MAX_FRAME / SMALLEST_MAX_FRAME) as usize;

/// How large a frame any peer may send (RFC 9113, section 6.5.2).
const SMALLEST_MAX_FRAME: u32 = 16 << 10;

impl Limits {
    pub(crate) fn of(config: &TransportConfig) -> Self {
        Self {
            head_size: config.max_head_size,
            fields: config.max_header_fields,
            informational: config.max_informational,
        }
    }

    /// How large a head `h2` takes from the wire, in bytes.
    pub(crate) fn taken_from_the_wire(self) -> u32 {
        u32::try_from(self.head_size.saturating_mul(SLACK)).unwrap_or(u32::MAX)
    }

    /// Checks a final response's head.
    pub(crate) fn check_head(self, fields: &HeaderMap) -> Result<(), BackendError> {
        self.check(fields)
            .map_err(|()| self.exceeded("the response's head"))
    }

    /// Checks a trailer section.
    pub(crate) fn check_trailers(self, fields: &HeaderMap) -> Result<(), BackendError> {
        self.check(fields)
            .map_err(|()| self.exceeded("the response's trailer section"))
    }

    /// Checks how many responses that are not final have come.
    pub(crate) fn check_informational(self, count: usize) -> Result<(), BackendError> {
        let most = self.informational;
        if count > most {
            return Err(limit(format!(
                "more than {most} informational responses came"
            )));
        }
        Ok(())
    }

    /// The error of a head, or trailer section, that is too large.
    fn exceeded(self, what: &str) -> BackendError {
        let (fields, size) = (self.fields, self.head_size);
        limit(format!(
            "{what} has more than {fields} fields or {size} bytes"
        ))
    }

    fn check(self, fields: &HeaderMap) -> Result<(), ()> {
        let size = fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + FIELD_OVERHEAD)
            .sum::<usize>();
        if size > self.head_size || fields.len() > self.fields {
            return Err(());
        }
        Ok(())
    }
}

fn limit(message: String) -> BackendError {
    BackendError::new(ErrorKind::Limit, message).with_delivery(Delivery::Unknown)
}
