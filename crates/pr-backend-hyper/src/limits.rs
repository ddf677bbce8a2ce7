//! How large a response's head may be, as hyper is told and as it is checked where hyper is not.

use http::HeaderMap;
use hyper::client::conn::http1::Builder;
use pr_core::{BackendError, ErrorKind, TransportConfig};

/// The limits on what comes before and after a response's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest head, in bytes.
    head_size: usize,
    /// How many fields a head, or a trailer section, may have.
    fields: usize,
    /// How many 1xx responses may come before the final one.
    pub(crate) informational: usize,
}

/// About how many bytes of a connection are held that nobody has asked for yet. A body that comes
/// faster than it is read waits in the kernel.
const BUFFER: usize = 64 << 10;

/// How many fields hyper reads unless it is told otherwise. It allocates for every response when it
/// is told, so it is told only of more.
const FIELDS_UNTOLD: usize = 100;

/// How many fields a `HeaderMap` has room for, whatever is allowed.
const FIELDS_AT_MOST: usize = 24_576;

/// The largest trailer section, in bytes, as it would stand on the wire.
const TRAILERS: usize = 16 << 10;

impl Limits {
    pub(crate) fn of(config: &TransportConfig) -> Self {
        Self {
            head_size: config.max_head_size,
            fields: config.max_header_fields.min(FIELDS_AT_MOST),
            informational: config.max_informational,
        }
    }

    /// hyper's settings, spelled out as far as they matter, since its defaults may change.
    pub(crate) fn settings(&self) -> Builder {
        let mut settings = Builder::new();
        settings
            .max_header_size(self.head_size)
            .max_buf_size(self.head_size.max(BUFFER));
        if self.fields > FIELDS_UNTOLD {
            // A field takes four bytes at least, so that no more room is made than can be needed.
            settings.max_headers(self.fields.min(self.head_size / 4));
        }
        settings.http09_responses(false).title_case_headers(false);
        settings
    }

    /// Checks what hyper has not been told of.
    pub(crate) fn check_head(&self, fields: &HeaderMap) -> Result<(), BackendError> {
        if fields.len() > self.fields {
            return Err(self.exceeded_by_head());
        }
        Ok(())
    }

    /// The same for a trailer section.
    pub(crate) fn check_trailers(&self, fields: &HeaderMap) -> Result<(), BackendError> {
        let size: usize = fields
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4)
            .sum();
        if size > TRAILERS.min(self.head_size) || fields.len() > self.fields {
            let (fields, size) = (self.fields, TRAILERS.min(self.head_size));
            let why = format!("the response has more than {fields} trailer fields or {size} bytes");
            return Err(BackendError::new(ErrorKind::Limit, why));
        }
        Ok(())
    }

    /// The error of a head that is too large.
    pub(crate) fn exceeded_by_head(&self) -> BackendError {
        let (fields, size) = (self.fields, self.head_size);
        let why = format!("the response's head has more than {fields} fields or {size} bytes");
        BackendError::new(ErrorKind::Limit, why)
    }

    /// The error of too many responses that are not final.
    pub(crate) fn exceeded_by_informational(&self) -> BackendError {
        let count = self.informational;
        let why = format!("more than {count} informational responses came");
        BackendError::new(ErrorKind::Limit, why)
    }
}
