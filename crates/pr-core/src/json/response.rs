//! `NormalizedResponse` as JSON.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{StatusCode, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::{Content, pairs::Pairs};
use crate::{
    Attempt, ConnectionInfo, DialTimings, Hop, NormalizedResponse,
    response::{Head, Waited},
};

#[derive(Serialize, Deserialize)]
struct Fields {
    status_code: u16,
    http_version: String,
    url: Url,
    headers: Pairs,
    content: Content,
    /// If it is not the size of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_bytes_received: Option<u64>,
    /// The decoded size of a body that was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_bytes_discarded: Option<u64>,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    trailers: Pairs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<HopFields>,
    /// In seconds, as all times.
    #[serde(default, skip_serializing_if = "is_zero")]
    before: f64,
    #[serde(default, skip_serializing_if = "is_zero")]
    queued: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dial: Option<DialFields>,
    head: f64,
    elapsed: f64,
    attempts: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier_attempts: Vec<Attempt>,
    backend: String,
}

#[derive(Serialize, Deserialize)]
struct HopFields {
    url: Url,
    status_code: u16,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct DialFields {
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls: Option<f64>,
}

/// All but the connection, which means nothing elsewhere. Those of earlier attempts stay: they tell
/// whether the attempts shared one.
impl Serialize for NormalizedResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields {
            status_code: self.head.status.as_u16(),
            http_version: format!("{:?}", self.head.version),
            url: Url::clone(&self.head.url),
            headers: Pairs::of_headers(&self.head.headers),
            content: Content::of(&self.content),
            body_bytes_received: Some(self.received)
                .filter(|received| *received != self.content.len() as u64),
            body_bytes_discarded: self.head.discarded,
            trailers: Pairs::of_headers(&self.trailers),
            history: self
                .head
                .history
                .iter()
                .map(|hop| HopFields {
                    url: hop.url.clone(),
                    status_code: hop.status_code.as_u16(),
                })
                .collect(),
            before: self.head.waited.before.as_secs_f64(),
            queued: self.head.waited.queued.as_secs_f64(),
            dial: self.head.waited.dial.as_deref().map(DialFields::of),
            head: self.head.waited.head.as_secs_f64(),
            elapsed: self.elapsed.as_secs_f64(),
            attempts: self.head.attempts,
            earlier_attempts: self.head.earlier_attempts.to_vec(),
            backend: self.head.backend.to_string(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NormalizedResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let history = fields.history.into_iter().map(|hop| {
            Ok(Hop {
                url: hop.url,
                status_code: status(hop.status_code)?,
            })
        });
        let content: Bytes = fields.content.into_bytes()?.into();
        Ok(Self {
            head: Box::new(Head {
                status: status(fields.status_code)?,
                version: version(&fields.http_version)?,
                headers: fields.headers.into_headers()?,
                url: Arc::new(fields.url),
                history: history.collect::<Result<_, _>>()?,
                connection: ConnectionInfo::default(),
                backend: fields.backend.into(),
                attempts: fields.attempts,
                earlier_attempts: fields.earlier_attempts.into(),
                discarded: fields.body_bytes_discarded,
                waited: Waited {
                    before: seconds(fields.before)?,
                    queued: seconds(fields.queued)?,
                    dial: fields.dial.map(DialFields::into_timings).transpose()?,
                    head: seconds(fields.head)?,
                },
            }),
            received: fields.body_bytes_received.unwrap_or(content.len() as u64),
            content,
            trailers: fields.trailers.into_headers()?,
            elapsed: seconds(fields.elapsed)?,
        })
    }
}

impl DialFields {
    fn of(timings: &DialTimings) -> Self {
        let seconds = |part: Option<Duration>| part.map(|part| part.as_secs_f64());
        Self {
            dns: seconds(timings.dns),
            tcp: seconds(timings.tcp),
            proxy: seconds(timings.proxy),
            tls: seconds(timings.tls),
        }
    }

    fn into_timings<E: de::Error>(self) -> Result<Box<DialTimings>, E> {
        Ok(Box::new(DialTimings {
            dns: self.dns.map(seconds).transpose()?,
            tcp: self.tcp.map(seconds).transpose()?,
            proxy: self.proxy.map(seconds).transpose()?,
            tls: self.tls.map(seconds).transpose()?,
        }))
    }
}

/// Most requests have nothing to say here.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

fn status<E: de::Error>(code: u16) -> Result<StatusCode, E> {
    StatusCode::from_u16(code).map_err(E::custom)
}

fn version<E: de::Error>(text: &str) -> Result<Version, E> {
    [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2]
        .into_iter()
        .find(|version| format!("{version:?}") == text)
        .ok_or_else(|| E::custom(format_args!("{text:?} is no version of HTTP")))
}

pub(super) fn seconds<E: de::Error>(seconds: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(seconds).map_err(E::custom)
}
