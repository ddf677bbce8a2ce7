//! What came of one request, as small as its line of JSON needs it.

use std::{error::Error, sync::Arc, time::Duration};

use http::{StatusCode, Version};
use parallel_requests::{BackendError, ErrorKind};
use serde::Serialize;

/// What came of one request.
pub(super) struct Record {
    /// The place in the order of the input, from 0.
    pub(super) index: u64,
    /// The URL that was asked for.
    pub(super) url: Arc<str>,
    /// From its dispatch to the last byte of its response, or to its failure.
    pub(super) elapsed: Duration,
    pub(super) result: Result<Answer, Failure>,
}

/// A response that was read to its end.
pub(super) struct Answer {
    /// After redirects.
    pub(super) url: Box<str>,
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) bytes: u64,
    /// 0 if there was none.
    pub(super) connection: u64,
    pub(super) body: Option<String>,
}

/// Why there is no response.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

impl Failure {
    /// An error of the client, with its causes. The line of the input helps with those mistakes
    /// that stand there.
    pub(super) fn of(error: &BackendError, line: Option<u64>) -> Self {
        let mut message = error.message().to_owned();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some causes repeat what they are caused by.
            if !message.ends_with(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = error.source();
        }
        match error.kind() {
            ErrorKind::Input => Self::input(&message, line),
            kind => Self { kind, message },
        }
    }

    /// A mistake in the input.
    pub(super) fn input(mistake: &str, line: Option<u64>) -> Self {
        let message = match line {
            Some(line) => format!("line {line}: {mistake}"),
            None => mistake.to_owned(),
        };
        Self {
            kind: ErrorKind::Input,
            message,
        }
    }
}

impl Record {
    /// Appends the record to `out` as one line of JSON.
    pub(super) fn write_to(&self, backend: &str, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match &self.result {
            Ok(answer) => serde_json::to_writer(
                &mut *out,
                &AnswerLine {
                    index: self.index,
                    url: &answer.url,
                    status: answer.status.as_u16(),
                    http_version: version(answer.version),
                    bytes: answer.bytes,
                    elapsed_ms: milliseconds(self.elapsed),
                    backend,
                    body: answer.body.as_deref(),
                },
            )?,
            Err(failure) => serde_json::to_writer(
                &mut *out,
                &FailureLine {
                    index: self.index,
                    url: &self.url,
                    error: FailureFields {
                        kind: failure.kind.as_str(),
                        message: &failure.message,
                    },
                },
            )?,
        }
        out.push(b'\n');
        Ok(())
    }
}

#[derive(Serialize)]
struct AnswerLine<'a> {
    index: u64,
    url: &'a str,
    status: u16,
    http_version: &'a str,
    bytes: u64,
    elapsed_ms: f64,
    backend: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    index: u64,
    url: &'a str,
    error: FailureFields<'a>,
}

#[derive(Serialize)]
struct FailureFields<'a> {
    kind: &'a str,
    message: &'a str,
}

/// The version as people write it.
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(result: Result<Answer, Failure>) -> String {
        let record = Record {
            index: 3,
            url: "http://asked.example/".into(),
            elapsed: Duration::from_nanos(21_304_400),
            result,
        };
        let mut out = Vec::new();
        record.write_to("h2", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn answer(body: Option<&str>) -> Answer {
        Answer {
            url: "http://final.example/".into(),
            status: StatusCode::NOT_FOUND,
            version: Version::HTTP_2,
            bytes: 5,
            connection: 1,
            body: body.map(str::to_owned),
        }
    }

    #[test]
    fn lines_are_compact_and_their_keys_in_order() {
        assert_eq!(
            line(Ok(answer(None))),
            "{\"index\":3,\"url\":\"http://final.example/\",\"status\":404,\
             \"http_version\":\"HTTP/2\",\"bytes\":5,\"elapsed_ms\":21.304,\"backend\":\"h2\"}\n"
        );
        assert!(line(Ok(answer(Some("a\nb")))).ends_with(",\"body\":\"a\\nb\"}\n"));
        let error = BackendError::new(ErrorKind::Connect, "refused").with_source("ECONNREFUSED");
        assert_eq!(
            line(Err(Failure::of(&error, Some(9)))),
            "{\"index\":3,\"url\":\"http://asked.example/\",\
             \"error\":{\"kind\":\"connect\",\"message\":\"refused: ECONNREFUSED\"}}\n"
        );
    }

    #[test]
    fn mistakes_of_the_input_have_its_line() {
        let error = BackendError::new(ErrorKind::Input, "no host");
        assert_eq!(Failure::of(&error, Some(9)).message, "line 9: no host");
        assert_eq!(Failure::of(&error, None).message, "no host");
    }
}
