//! The trailer section of a chunked body, picked up behind ureq's back, which drops it.

use http::{HeaderMap, HeaderName, HeaderValue};
use pr_core::{BackendError, ErrorKind};

use crate::informational::MOST_FIELDS;

/// Follows the chunked coding (RFC 9112, section 7.1) through the bytes that ureq has understood,
/// and keeps those that come after the last chunk.
///
/// It decodes nothing and checks nothing: what is wrong, ureq refuses before it comes here.
pub(crate) struct Chunks {
    place: Place,
    trailers: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Place {
    /// In the line that says how long a chunk is.
    Size(Size),
    /// In a chunk, or in the end of line after it; this much of both is to come.
    Chunk(u64),
    Trailers,
}

/// A chunk's size as far as it has been read.
#[derive(Clone, Copy, Default)]
struct Size {
    value: u64,
    /// Whether all of it has been read, so that the rest of the line is an extension.
    is_whole: bool,
    /// Whether the line may end here.
    after_return: bool,
}

/// The longest trailer section, in bytes.
const MAX_TRAILERS: usize = 16 << 10;

impl Default for Chunks {
    fn default() -> Self {
        Self {
            place: Place::Size(Size::default()),
            trailers: Vec::new(),
        }
    }
}

impl Chunks {
    /// Goes on to the end of these bytes, which come next.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Size(size) => {
                    bytes = rest;
                    self.place = match size.value {
                        _ if !size.after_return || first != b'\n' => Place::Size(size.and(first)),
                        0 => Place::Trailers,
                        value => Place::Chunk(value.saturating_add(2)),
                    };
                }
                Place::Chunk(left) => {
                    let count = usize::try_from(*left).unwrap_or(usize::MAX);
                    let count = count.min(bytes.len());
                    bytes = &bytes[count..];
                    *left -= count as u64;
                    if *left == 0 {
                        self.place = Place::Size(Size::default());
                    }
                }
                Place::Trailers => {
                    // One more than there may be says that there are too many.
                    let room = (MAX_TRAILERS + 1).saturating_sub(self.trailers.len());
                    self.trailers
                        .extend_from_slice(&bytes[..bytes.len().min(room)]);
                    return;
                }
            }
        }
    }

    pub(crate) fn are_trailers_too_long(&self) -> bool {
        self.trailers.len() > MAX_TRAILERS
    }

    pub(crate) fn into_trailers(self) -> Trailers {
        Trailers(self.trailers)
    }
}

impl Size {
    fn and(mut self, byte: u8) -> Self {
        match char::from(byte).to_digit(16) {
            Some(digit) if !self.is_whole => {
                self.value = self.value.saturating_mul(16).saturating_add(digit.into());
            }
            // ureq takes blanks on either side of the size.
            _ => self.is_whole |= byte == b';',
        }
        self.after_return = byte == b'\r';
        self
    }
}

/// A trailer section as it came, with the empty line at its end.
pub(crate) struct Trailers(Vec<u8>);

impl Trailers {
    /// The fields; `None` if there are none.
    pub(crate) fn parse(&self, max_fields: usize) -> Result<Option<Box<HeaderMap>>, BackendError> {
        if self.0.len() > MAX_TRAILERS {
            return Err(too_long());
        }
        if self.0.len() <= b"\r\n".len() {
            return Ok(None);
        }
        let mut parsed = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let room = parsed.len().min(max_fields);
        let fields = match httparse::parse_headers(&self.0, &mut parsed[..room]) {
            Ok(httparse::Status::Complete((_, fields))) => fields,
            Ok(httparse::Status::Partial) => return Err(broken("it does not end")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(BackendError::new(
                    ErrorKind::Limit,
                    format!("the response has more than {max_fields} trailer fields"),
                ));
            }
            Err(error) => return Err(broken(error)),
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(broken)?;
            let value = HeaderValue::from_bytes(field.value).map_err(broken)?;
            trailers.append(name, value);
        }
        Ok(Some(Box::new(trailers)))
    }
}

pub(crate) fn too_long() -> BackendError {
    BackendError::new(
        ErrorKind::Limit,
        format!(
            "the response's trailer section is longer than {} KiB",
            MAX_TRAILERS >> 10
        ),
    )
}

fn broken(cause: impl Into<pr_core::BoxError>) -> BackendError {
    BackendError::new(
        ErrorKind::Protocol,
        "the response's trailer section is not one",
    )
    .with_source(cause)
}
