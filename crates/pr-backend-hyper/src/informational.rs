//! Counts the informational responses (1xx) before a final one, which hyper passes over uncounted.

use std::fmt;

/// Reads along with hyper: of each head the status's first digit, and all of those that are
/// informational, since another head follows them.
///
/// hyper could call back for each, but would have to be asked to with every request, for a few
/// allocations each time. This looks at ten bytes of a response.
pub(crate) struct Informational {
    max: usize,
    seen: usize,
    at: At,
}

/// Where in the peer's bytes the next one stands.
#[derive(Clone, Copy)]
enum At {
    /// In a status line, after so many bytes.
    StatusLine(usize),
    /// In an informational head, on a line of which nothing has come yet, or something.
    Fields { line_is_empty: bool },
    /// In the final head, or behind it.
    Final,
}

/// Where the status's first digit stands (RFC 9112, section 4: `HTTP/1.1 200 OK`).
const STATUS_CLASS: usize = 9;

impl Informational {
    /// Counts up to `max`.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            seen: 0,
            at: At::Final,
        }
    }

    /// Says that what comes next is the answer to another request.
    pub(crate) fn restart(&mut self) {
        self.seen = 0;
        self.at = At::StatusLine(0);
    }

    /// Takes note of what has come. Fails when there were too many.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Result<(), TooManyInformational> {
        if matches!(self.at, At::Final) {
            return Ok(());
        }
        for &byte in bytes {
            self.at = match (self.at, byte) {
                // Empty lines before a head are passed over (RFC 9112, section 2.2).
                (At::StatusLine(0), b'\r' | b'\n') => At::StatusLine(0),
                (At::StatusLine(STATUS_CLASS), b'1') => {
                    self.seen += 1;
                    if self.seen > self.max {
                        return Err(TooManyInformational);
                    }
                    let line_is_empty = false;
                    At::Fields { line_is_empty }
                }
                (At::StatusLine(STATUS_CLASS) | At::Final, _) => {
                    self.at = At::Final;
                    return Ok(());
                }
                (At::StatusLine(count), _) => At::StatusLine(count + 1),
                (At::Fields { line_is_empty }, b'\n') if line_is_empty => At::StatusLine(0),
                (At::Fields { .. }, b'\n') => {
                    let line_is_empty = true;
                    At::Fields { line_is_empty }
                }
                (fields @ At::Fields { .. }, b'\r') => fields,
                (At::Fields { .. }, _) => {
                    let line_is_empty = false;
                    At::Fields { line_is_empty }
                }
            };
        }
        Ok(())
    }
}

/// The peer has sent more informational responses than are allowed.
#[derive(Debug)]
pub(crate) struct TooManyInformational;

impl fmt::Display for TooManyInformational {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many informational responses")
    }
}

impl std::error::Error for TooManyInformational {}
