//! Informational responses (1xx), which ureq passes over without counting them, and some of which it
//! takes for what they are not.

use httparse::{EMPTY_HEADER, Response, Status};

/// What a head begins with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// An informational response, and perhaps something behind it.
    Informational {
        status: u16,
        fields: usize,
        /// How many bytes it has.
        length: usize,
    },
    /// Some of an informational response.
    Unfinished,
    /// Anything else, for ureq to read, or too little to say.
    Other,
}

/// "100 Continue" as briefly as it can be said, and in the way in which ureq understands it.
pub(crate) const CONTINUE: &[u8; 16] = b"HTTP/1.1 100\r\n\r\n";

/// How many header fields ureq allows.
pub(crate) const MOST_FIELDS: usize = 128;

/// Looks at what has come of a response.
///
/// A peer that switches protocols (101) is left to ureq.
pub(crate) fn beginning(of: &[u8]) -> Beginning {
    // All that is looked at of most responses.
    if of.get(9) != Some(&b'1') || of.get(9..12) == Some(b"101") {
        return Beginning::Other;
    }
    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
    let mut response = Response::new(&mut fields);
    match response.parse(of) {
        Ok(Status::Partial) => Beginning::Unfinished,
        Ok(Status::Complete(length)) => Beginning::Informational {
            status: response.code.unwrap_or_default(),
            fields: response.headers.len(),
            length,
        },
        Err(_) => Beginning::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_whole() {
        let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
        for length in 0..hints.len() {
            let expected = if length < 10 {
                Beginning::Other
            } else {
                Beginning::Unfinished
            };
            assert_eq!(beginning(&hints.as_bytes()[..length]), expected, "{length}");
        }
        let whole = Beginning::Informational {
            status: 103,
            fields: 1,
            length: hints.len(),
        };
        assert_eq!(beginning(format!("{hints}HTTP/1.1 2").as_bytes()), whole);
        for other in [
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 101 Switching",
            "SSH-2.0-O1",
        ] {
            assert_eq!(beginning(other.as_bytes()), Beginning::Other, "{other}");
        }
    }
}
