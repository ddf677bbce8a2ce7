//! `Attempt` as JSON, flat: a status or an error, among the times.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::response::seconds;
use crate::{Attempt, AttemptError, ConnectionInfo, Delivery, ErrorKind, TimeoutPhase};

#[derive(Serialize, Deserialize)]
struct Fields {
    /// In seconds, as all times.
    started: f64,
    elapsed: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status_code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorFields>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<ConnectionFields>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backoff: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct ErrorFields {
    kind: ErrorKind,
    message: String,
    delivery: Delivery,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<TimeoutPhase>,
}

#[derive(Serialize, Deserialize)]
struct ConnectionFields {
    id: u64,
    reused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remote_addr: Option<SocketAddr>,
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields {
            started: self.started.as_secs_f64(),
            elapsed: self.elapsed.as_secs_f64(),
            status_code: self.result.as_ref().ok().map(StatusCode::as_u16),
            error: self.result.as_ref().err().map(ErrorFields::of),
            connection: self.connection.map(ConnectionFields::of),
            backoff: self.backoff.map(|pause| pause.as_secs_f64()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let result = match (fields.status_code, fields.error) {
            (Some(status), None) => Ok(StatusCode::from_u16(status).map_err(de::Error::custom)?),
            (None, Some(error)) => Err(error.into_error()),
            _ => {
                let why = "an attempt has a status_code or an error, and not both";
                return Err(de::Error::custom(why));
            }
        };
        let connection = fields.connection.map(|connection| {
            ConnectionInfo::new(connection.id, connection.reused, connection.remote_addr)
        });
        let backoff: Option<Duration> = fields.backoff.map(seconds).transpose()?;
        Ok(Self {
            started: seconds(fields.started)?,
            elapsed: seconds(fields.elapsed)?,
            result,
            connection,
            backoff,
        })
    }
}

impl ErrorFields {
    fn of(error: &AttemptError) -> Self {
        Self {
            kind: error.kind,
            message: error.message.to_string(),
            delivery: error.delivery,
            phase: error.phase,
        }
    }

    fn into_error(self) -> AttemptError {
        AttemptError {
            kind: self.kind,
            phase: self.phase,
            delivery: self.delivery,
            message: self.message.into(),
        }
    }
}

impl ConnectionFields {
    fn of(connection: ConnectionInfo) -> Self {
        Self {
            id: connection.id,
            reused: connection.reused,
            remote_addr: connection.remote_addr,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{BackendError, NormalizedResponse};

    fn attempts() -> serde_json::Value {
        json!([
            {"started": 0.0, "elapsed": 0.5, "status_code": 503, "backoff": 0.25,
             "connection": {"id": 7, "reused": true, "remote_addr": "192.0.2.1:443"}},
            {"started": 0.75, "elapsed": 1.0, "error": {
                "kind": "timeout", "message": "too slow", "delivery": "not-sent",
                "phase": "connect"}},
            {"started": 1.75, "elapsed": 1.0, "connection": {"id": 8, "reused": false}, "error": {
                "kind": "circuit-open", "message": "open", "delivery": "not-sent"}},
        ])
    }

    #[test]
    fn they_are_written_as_they_were_read() {
        let response = json!({
            "status_code": 200, "http_version": "HTTP/2.0", "url": "http://h.example/",
            "headers": [], "content": "", "head": 0.5, "elapsed": 0.5, "attempts": 1,
            "backend": "h2", "earlier_attempts": attempts(), "body_bytes_discarded": 5,
            "body_bytes_received": 3,
        });
        let read: NormalizedResponse = serde_json::from_value(response.clone()).unwrap();
        assert_eq!(read.earlier_attempts().len(), 3);
        assert!(read.is_body_discarded());
        let sizes = (read.body_bytes_received(), read.body_bytes_decoded());
        assert_eq!(sizes, (3, 5));
        assert_eq!(serde_json::to_value(&read).unwrap(), response);

        let error = json!({
            "kind": "timeout", "message": "over", "delivery": "unknown", "phase": "batch",
            "earlier_attempts": attempts(),
        });
        let read: BackendError = serde_json::from_value(error.clone()).unwrap();
        assert_eq!(read.timeout_phase(), Some(TimeoutPhase::Batch));
        let third = read.earlier_attempts()[2].result.as_ref().unwrap_err();
        assert_eq!(third.kind, ErrorKind::CircuitOpen);
        assert_eq!(serde_json::to_value(&read).unwrap(), error);
    }

    #[test]
    fn an_attempt_came_to_one_thing() {
        for wrong in [
            json!({"started": 0.0, "elapsed": 0.0}),
            json!({"started": 0.0, "elapsed": 0.0, "status_code": 200, "error": {
                "kind": "closed", "message": "closed", "delivery": "unknown"}}),
            json!({"started": -1.0, "elapsed": 0.0, "status_code": 200}),
        ] {
            assert!(
                serde_json::from_value::<Attempt>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn without_any_nothing_is_written() {
        let error = BackendError::new(ErrorKind::Closed, "closed");
        let written = serde_json::to_value(&error).unwrap();
        assert!(written.get("earlier_attempts").is_none(), "{written}");
    }
}
