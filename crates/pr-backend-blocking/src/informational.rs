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
    // Empty lines before a head are passed over (RFC 9112, section 2.2), by ureq too.
    let blank = of.iter().take_while(|&&byte| is_line_end(byte)).count();
    // All that is looked at of most responses.
    let status = of.get(blank + STATUS..);
    if !status.is_some_and(|status| status.starts_with(b"1") && !status.starts_with(b"101")) {
        return Beginning::Other;
    }
    let mut fields = [EMPTY_HEADER; MOST_FIELDS];
    let mut response = Response::new(&mut fields);
    match response.parse(of) {
        Ok(Status::Partial) => Beginning::Unfinished,
        Ok(Status::Complete(length)) => match response.code {
            Some(status @ (100 | 102..=199)) => Beginning::Informational {
                status,
                fields: response.headers.len(),
                length,
            },
            _ => Beginning::Other,
        },
        Err(_) => Beginning::Other,
    }
}

/// What can be said of a final response by its status alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request is refused, or the peer does not speak HTTP/1.
    Refused,
    /// It is an answer like any other.
    Answered,
}

/// Looks at the beginning of what is no informational response; `None` if too little has come.
pub(crate) fn verdict(of: &[u8]) -> Option<Verdict> {
    const VERSION: &[u8] = b"HTTP/1.";
    let blank = of.iter().take_while(|&&byte| is_line_end(byte)).count();
    let of = &of[blank..];
    let common = of.len().min(VERSION.len());
    if of[..common] != VERSION[..common] {
        return Some(Verdict::Refused);
    }
    Some(match of.get(STATUS..STATUS + 3)? {
        [b'1'..=b'3', _, _] => Verdict::Answered,
        _ => Verdict::Refused,
    })
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Where the status stands (RFC 9112, section 4: `HTTP/1.1 200 OK`).
const STATUS: usize = 9;

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
        // Empty lines in front of it belong to it.
        for blank in ["\r\n", "\n", "\r\n\n\r\n"] {
            let whole = Beginning::Informational {
                status: 103,
                fields: 1,
                length: blank.len() + hints.len(),
            };
            assert_eq!(beginning(format!("{blank}{hints}HTTP").as_bytes()), whole);
        }
        for other in [
            "HTTP/1.1 200 OK\r\n",
            "\r\nHTTP/1.1 200 OK\r\n\r\n",
            "\nHTTP/1.1 101 Switching\r\n\r\n",
            "\r\n",
            "HTTP/1.1 101 Switching",
            "SSH-2.0-O1",
        ] {
            assert_eq!(beginning(other.as_bytes()), Beginning::Other, "{other}");
        }
    }

    #[test]
    fn a_status_is_known_when_all_of_it_has_come() {
        for (of, expected) in [
            ("", None),
            ("\r\n", None),
            ("HTTP/1.1 41", None),
            ("HTTP/1.1 413", Some(Verdict::Refused)),
            ("\r\nHTTP/1.0 500", Some(Verdict::Refused)),
            ("HTTP/1.0 200", Some(Verdict::Answered)),
            ("HTTP/1.1 303 See", Some(Verdict::Answered)),
            ("HTTP/1.1 101 S", Some(Verdict::Answered)),
            ("220 ", Some(Verdict::Refused)),
            ("HTTP/1.1 x13", Some(Verdict::Refused)),
        ] {
            assert_eq!(verdict(of.as_bytes()), expected, "{of:?}");
        }
    }
}
