//! What makes a response a success: the right version, the status 200, and a body of the announced
//! length. The same questions are put to every subject.

use http::response::Parts;
use http::{HeaderMap, StatusCode, Version, header};

use crate::failure::Failure;

/// What a response said of itself before its body was read.
#[derive(Clone, Copy)]
pub(crate) struct Head {
    version: Version,
    status: StatusCode,
    length: Option<u64>,
}

impl Head {
    pub(crate) fn new(version: Version, status: StatusCode, headers: &HeaderMap) -> Self {
        let length = headers.get(header::CONTENT_LENGTH);
        Self {
            version,
            status,
            length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
        }
    }

    pub(crate) fn of(parts: &Parts) -> Self {
        Self::new(parts.version, parts.status, &parts.headers)
    }

    /// The number of bytes of a good response's body, or why it is not good.
    pub(crate) fn verify(self, expected: Version, bytes: u64) -> Result<u64, Failure> {
        let Self {
            version,
            status,
            length,
        } = self;
        if status != StatusCode::OK {
            return Err(Failure::new(format!("the status is {status}")));
        }
        if version != expected {
            return Err(Failure::new(format!("{version:?} instead of {expected:?}")));
        }
        match length {
            Some(length) if length != bytes => {
                Err(Failure::new(format!("{bytes} bytes of a body of {length}")))
            }
            _ => Ok(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(length: Option<&'static str>, bytes: u64) -> Result<u64, String> {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert(header::CONTENT_LENGTH, length.parse().unwrap());
        }
        let head = Head::new(Version::HTTP_2, StatusCode::OK, &headers);
        head.verify(Version::HTTP_2, bytes)
            .map_err(Failure::into_text)
    }

    #[test]
    fn a_body_has_the_length_that_was_announced() {
        assert_eq!(verify(Some("3"), 3), Ok(3));
        let error = verify(Some("3"), 2).unwrap_err();
        assert_eq!(error, "2 bytes of a body of 3");
    }

    #[test]
    fn a_body_of_no_announced_length_has_any() {
        assert_eq!(verify(None, 7), Ok(7));
    }
}
