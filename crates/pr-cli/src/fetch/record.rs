//! What came of one request, as small as its line of JSON needs it.

use std::{error::Error, sync::Arc, time::Duration};

use http::{StatusCode, Version};
use parallel_requests::{
    Attempt, BackendError, Delivery, ErrorKind, NormalizedResponse, Outcome, TimeoutPhase,
};
use serde::Serialize;

use super::requests::Asked;

/// What came of one request.
pub(super) struct Record {
    /// The place in the order of the input, from 0.
    pub(super) index: u64,
    /// The URL that was asked for.
    pub(super) url: Arc<str>,
    /// Before the one that gave the result.
    pub(super) earlier_attempts: Vec<Earlier>,
    pub(super) result: Result<Answer, Failure>,
}

/// A response that was read to its end.
pub(super) struct Answer {
    /// After redirects.
    pub(super) url: Box<str>,
    pub(super) status: StatusCode,
    pub(super) version: Version,
    pub(super) bytes: u64,
    /// From when the last attempt had its turn to the last byte.
    pub(super) elapsed: Duration,
    /// 0 if there was none.
    pub(super) connection: u64,
    pub(super) body: Option<String>,
}

/// An attempt that was not the last.
pub(super) struct Earlier {
    /// The status of its response, or the kind of its error.
    pub(super) result: Result<StatusCode, ErrorKind>,
    elapsed: Duration,
    /// The pause after it.
    backoff: Option<Duration>,
}

impl Earlier {
    fn of(attempt: &Attempt) -> Self {
        Self {
            result: match &attempt.result {
                Ok(status) => Ok(*status),
                Err(error) => Err(error.kind),
            },
            elapsed: attempt.elapsed,
            backoff: attempt.backoff,
        }
    }
}

/// Why there is no response.
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    /// What was waited for, if time ran out.
    phase: Option<TimeoutPhase>,
    delivery: Delivery,
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
            kind => Self {
                kind,
                phase: error.timeout_phase(),
                delivery: error.delivery(),
                message,
            },
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
            phase: None,
            delivery: Delivery::NotSent,
            message,
        }
    }
}

impl Answer {
    fn of(response: &NormalizedResponse, body: bool) -> Self {
        Self {
            url: response.url().as_str().into(),
            status: response.status_code(),
            version: response.version(),
            bytes: response.body_bytes_decoded(),
            elapsed: response.timings().total,
            connection: response.connection().id,
            body: body.then(|| response.text().into_owned()),
        }
    }
}

impl Record {
    /// What came of a request; with its body, if that is wanted. `None` if it was cancelled.
    pub(super) fn of(outcome: &Outcome<Asked>, body: bool) -> Option<Self> {
        let asked = &outcome.key;
        let (attempts, result) = match (&outcome.result, &asked.mistake) {
            (_, Some(mistake)) => (&[][..], Err(Failure::input(mistake, asked.line))),
            (Ok(response), None) => (response.earlier_attempts(), Ok(Answer::of(response, body))),
            (Err(error), None) if is_cancelled(error) => return None,
            (Err(error), None) => (
                error.earlier_attempts(),
                Err(Failure::of(error, asked.line)),
            ),
        };
        Some(Self {
            index: asked.index,
            url: asked.url.clone(),
            earlier_attempts: attempts.iter().map(Earlier::of).collect(),
            result,
        })
    }

    /// Appends the record to `out` as one line of JSON.
    pub(super) fn write_to(&self, style: Style, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let attempts = self.earlier_attempts.len() + 1;
        let attempts = (attempts > 1).then_some(attempts);
        let earlier_attempts = if style.verbose_attempts {
            self.earlier_attempts
                .iter()
                .map(EarlierFields::of)
                .collect()
        } else {
            Vec::new()
        };
        match &self.result {
            Ok(answer) => serde_json::to_writer(
                &mut *out,
                &AnswerLine {
                    index: self.index,
                    url: &answer.url,
                    status: answer.status.as_u16(),
                    http_version: version(answer.version),
                    bytes: answer.bytes,
                    elapsed_ms: milliseconds(answer.elapsed),
                    backend: style.backend,
                    attempts,
                    earlier_attempts,
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
                        phase: failure.phase.map(TimeoutPhase::as_str),
                        delivery: failure.delivery.as_str(),
                        message: &failure.message,
                    },
                    attempts,
                    earlier_attempts,
                },
            )?,
        }
        out.push(b'\n');
        Ok(())
    }
}

/// Whether a request has no outcome of its own, because the run was ended.
fn is_cancelled(error: &BackendError) -> bool {
    error.kind() == ErrorKind::Cancelled || error.timeout_phase() == Some(TimeoutPhase::Batch)
}

/// What is the same in all lines.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub(super) backend: &'static str,
    pub(super) verbose_attempts: bool,
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
    attempts: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier_attempts: Vec<EarlierFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    index: u64,
    url: &'a str,
    error: FailureFields<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    earlier_attempts: Vec<EarlierFields>,
}

#[derive(Serialize)]
struct EarlierFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    elapsed_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_ms: Option<f64>,
}

impl EarlierFields {
    fn of(attempt: &Earlier) -> Self {
        Self {
            status: attempt.result.ok().map(|status| status.as_u16()),
            error: attempt.result.err().map(ErrorKind::as_str),
            elapsed_ms: milliseconds(attempt.elapsed),
            backoff_ms: attempt.backoff.map(milliseconds),
        }
    }
}

#[derive(Serialize)]
struct FailureFields<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'a str>,
    delivery: &'a str,
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
        line_after(Vec::new(), false, result)
    }

    fn line_after(
        earlier_attempts: Vec<Earlier>,
        verbose_attempts: bool,
        result: Result<Answer, Failure>,
    ) -> String {
        let record = Record {
            index: 3,
            url: "http://asked.example/".into(),
            earlier_attempts,
            result,
        };
        let style = Style {
            backend: "h2",
            verbose_attempts,
        };
        let mut out = Vec::new();
        record.write_to(style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn answer(body: Option<&str>) -> Answer {
        Answer {
            url: "http://final.example/".into(),
            status: StatusCode::NOT_FOUND,
            version: Version::HTTP_2,
            bytes: 5,
            elapsed: Duration::from_nanos(21_304_400),
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
             \"error\":{\"kind\":\"connect\",\"delivery\":\"not-sent\",\"message\":\"refused: ECONNREFUSED\"}}\n"
        );
    }

    #[test]
    fn attempts_are_told_if_there_were_several() {
        let earlier = || {
            [Ok(StatusCode::SERVICE_UNAVAILABLE), Err(ErrorKind::Connect)].map(|result| Earlier {
                result,
                elapsed: Duration::from_millis(7),
                backoff: result.is_ok().then_some(Duration::from_micros(250_500)),
            })
        };
        let told = line_after(earlier().into(), false, Ok(answer(None)));
        assert!(
            told.ends_with(",\"backend\":\"h2\",\"attempts\":3}\n"),
            "{told}"
        );
        let failure = Failure::input("x", None);
        let told = line_after(earlier().into(), true, Err(failure));
        let list = concat!(
            r#","attempts":3,"earlier_attempts":["#,
            r#"{"status":503,"elapsed_ms":7.0,"backoff_ms":250.5},"#,
            r#"{"error":"connect","elapsed_ms":7.0}]}"#,
            "\n"
        );
        assert!(told.ends_with(list), "{told}");
    }

    #[test]
    fn mistakes_of_the_input_have_its_line() {
        let error = BackendError::new(ErrorKind::Input, "no host");
        assert_eq!(Failure::of(&error, Some(9)).message, "line 9: no host");
        assert_eq!(Failure::of(&error, None).message, "no host");
    }
}
