//! The chunked coding as its bytes arrive: held to the letter, and reduced to what ureq understands,
//! which is less than there may be in one place and more in another.

use http::{HeaderMap, HeaderName, HeaderValue};
use pr_core::{BackendError, ErrorKind};

use crate::informational::MOST_FIELDS;

/// Reads along with a body in the chunked coding (RFC 9112, section 7.1).
///
/// ureq gets the sizes without what may follow them, the chunks, and the end. Extensions, of which
/// it takes a few bytes only, are dropped here, and trailers, which it would drop, are kept.
///
/// When something is wrong, ureq gets what came before, and [`failure`](Self::take_failure) is told
/// when it asks for more.
pub(crate) struct Chunks {
    place: Place,
    /// How many bytes of extensions, and of blanks before them, have come with all chunks.
    extensions: usize,
    trailers: Vec<u8>,
    max_fields: usize,
    fields: Option<Box<HeaderMap>>,
    failure: Option<BackendError>,
}

#[derive(Clone, Copy)]
enum Place {
    /// In front of the line that says how long a chunk is.
    Start,
    /// In the size.
    Size(u64),
    /// In the blanks after the size.
    Blanks(u64),
    Extension(u64),
    /// In front of the line feed after the size.
    SizeFeed(u64),
    /// In a chunk of which this much is to come.
    Chunk(u64),
    ChunkReturn,
    ChunkFeed,
    /// In front of a line of the trailer section.
    TrailerStart,
    Trailer,
    TrailerFeed,
    EndFeed,
    /// Behind the body.
    End,
}

/// The longest trailer section, in bytes.
const MAX_TRAILERS: usize = 16 << 10;
/// The most that extensions may take in all, in bytes.
const MAX_EXTENSIONS: usize = 16 << 10;

impl Chunks {
    /// At the beginning of a body that may have so many trailer fields.
    pub(crate) fn new(max_fields: usize) -> Self {
        Self {
            place: Place::Start,
            extensions: 0,
            trailers: Vec::new(),
            max_fields,
            fields: None,
            failure: None,
        }
    }

    /// Takes what has come next, and moves what ureq is to see of it to the front. Gives back how
    /// much that is.
    pub(crate) fn take_in(&mut self, bytes: &mut [u8]) -> usize {
        if self.failure.is_some() {
            return 0;
        }
        let mut kept = 0;
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if let Place::Chunk(left) = &mut self.place {
                let count = usize::try_from(*left).unwrap_or(usize::MAX);
                let count = count.min(bytes.len() - at);
                *left -= count as u64;
                if *left == 0 {
                    self.place = Place::ChunkReturn;
                }
                if kept != at {
                    bytes.copy_within(at..at + count, kept);
                }
                at += count;
                kept += count;
                continue;
            }
            match self.step(byte) {
                Ok(true) => {
                    bytes[kept] = byte;
                    kept += 1;
                }
                Ok(false) => {}
                Err(failure) => {
                    self.failure = Some(failure);
                    break;
                }
            }
            at += 1;
        }
        kept
    }

    /// Goes on by one byte outside of a chunk; whether ureq is to see it.
    fn step(&mut self, byte: u8) -> Result<bool, BackendError> {
        let (next, keep) = match (self.place, byte) {
            (Place::Start, _) => match digit(byte) {
                Some(value) => (Place::Size(value), true),
                None => return Err(broken("a chunk has no size")),
            },
            // Only the first of leading zeros is kept, since ureq takes but a few digits.
            (Place::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let Some(size) = size.checked_mul(16) else {
                    return Err(broken("a chunk is too large"));
                };
                let size = size | digit(byte).unwrap_or_default();
                (Place::Size(size), size > 0)
            }
            (Place::Size(size) | Place::Blanks(size) | Place::Extension(size), b'\r') => {
                (Place::SizeFeed(size), true)
            }
            (Place::Size(size) | Place::Blanks(size), b' ' | b'\t') => {
                self.count_extension()?;
                (Place::Blanks(size), false)
            }
            (Place::Size(size) | Place::Blanks(size), b';') => {
                self.count_extension()?;
                (Place::Extension(size), false)
            }
            (Place::Extension(size), _) if byte != b'\n' => {
                self.count_extension()?;
                (Place::Extension(size), false)
            }
            (Place::SizeFeed(0), b'\n') => (Place::TrailerStart, true),
            (Place::SizeFeed(size), b'\n') => (Place::Chunk(size), true),
            (Place::ChunkReturn, b'\r') => (Place::ChunkFeed, true),
            (Place::ChunkFeed, b'\n') => (Place::Start, true),
            (Place::TrailerStart, b'\r') => (Place::EndFeed, true),
            (Place::Trailer, b'\r') => (self.keep(byte, Place::TrailerFeed)?, false),
            (Place::TrailerStart | Place::Trailer, _) => (self.keep(byte, Place::Trailer)?, false),
            (Place::TrailerFeed, b'\n') => (self.keep(byte, Place::TrailerStart)?, false),
            (Place::EndFeed, b'\n') => {
                // Before ureq sees the end and lets go of the connection.
                self.fields = self.parse()?;
                (Place::End, true)
            }
            // ureq finds that there is more than a response, and closes the connection.
            (Place::End, _) => (Place::End, true),
            (Place::TrailerFeed | Place::EndFeed, _) => {
                return Err(broken("a line of the trailer section holds a bare CR"));
            }
            _ => return Err(broken("a chunk, or its size, does not end where it should")),
        };
        self.place = next;
        Ok(keep)
    }

    fn count_extension(&mut self) -> Result<(), BackendError> {
        self.extensions += 1;
        if self.extensions > MAX_EXTENSIONS {
            return Err(too_long(
                "extensions of the response's chunks are",
                MAX_EXTENSIONS,
            ));
        }
        Ok(())
    }

    /// Keeps a byte of the trailer section.
    fn keep(&mut self, byte: u8, next: Place) -> Result<Place, BackendError> {
        if self.trailers.len() >= MAX_TRAILERS {
            return Err(too_long("response's trailer section is", MAX_TRAILERS));
        }
        self.trailers.push(byte);
        Ok(next)
    }

    /// The fields of the whole trailer section; `None` if there are none.
    fn parse(&mut self) -> Result<Option<Box<HeaderMap>>, BackendError> {
        if self.trailers.is_empty() {
            return Ok(None);
        }
        self.trailers.extend_from_slice(b"\r\n");
        let mut parsed = [httparse::EMPTY_HEADER; MOST_FIELDS];
        let room = parsed.len().min(self.max_fields);
        let fields = match httparse::parse_headers(&self.trailers, &mut parsed[..room]) {
            Ok(httparse::Status::Complete((length, fields))) if length == self.trailers.len() => {
                fields
            }
            Ok(_) => return Err(no_section("it ends elsewhere than its lines say")),
            Err(httparse::Error::TooManyHeaders) => {
                return Err(BackendError::new(
                    ErrorKind::Limit,
                    format!(
                        "the response has more than {} trailer fields",
                        self.max_fields
                    ),
                ));
            }
            Err(error) => return Err(no_section(error)),
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(no_section)?;
            let value = HeaderValue::from_bytes(field.value).map_err(no_section)?;
            trailers.append(name, value);
        }
        Ok(Some(Box::new(trailers)))
    }

    /// What is wrong with what has come, if anything is; once.
    pub(crate) fn take_failure(&mut self) -> Option<BackendError> {
        self.failure.take()
    }

    /// What has followed the last chunk.
    pub(crate) fn into_trailers(self) -> Option<Box<HeaderMap>> {
        self.fields
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

fn too_long(what: &str, limit: usize) -> BackendError {
    BackendError::new(
        ErrorKind::Limit,
        format!("the {what} longer than {} KiB", limit >> 10),
    )
}

fn broken(why: &'static str) -> BackendError {
    BackendError::new(
        ErrorKind::Protocol,
        format!("the response's body is not in the chunked coding: {why}"),
    )
}

fn no_section(cause: impl Into<pr_core::BoxError>) -> BackendError {
    BackendError::new(
        ErrorKind::Protocol,
        "the response's trailer section is not one",
    )
    .with_source(cause)
}
