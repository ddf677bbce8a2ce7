//! `NormalizedResponse` as JSON.

use std::time::Duration;

use http::{StatusCode, Version};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::{Content, pairs::Pairs};
use crate::{ConnectionInfo, Hop, NormalizedResponse, response::Head};

#[derive(Serialize, Deserialize)]
struct Fields {
    status_code: u16,
    http_version: String,
    url: Url,
    headers: Pairs,
    content: Content,
    #[serde(default, skip_serializing_if = "Pairs::is_empty")]
    trailers: Pairs,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    history: Vec<HopFields>,
    /// In seconds.
    head: f64,
    /// In seconds.
    elapsed: f64,
    attempts: u32,
    backend: String,
}

#[derive(Serialize, Deserialize)]
struct HopFields {
    url: Url,
    status_code: u16,
}

/// All but the connection, which means nothing elsewhere.
impl Serialize for NormalizedResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields {
            status_code: self.head.status.as_u16(),
            http_version: format!("{:?}", self.head.version),
            url: self.head.url.clone(),
            headers: Pairs::of_headers(&self.head.headers),
            content: Content::of(&self.content),
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
            head: self.head.waited.as_secs_f64(),
            elapsed: self.elapsed.as_secs_f64(),
            attempts: self.head.attempts,
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
        Ok(Self {
            head: Box::new(Head {
                status: status(fields.status_code)?,
                version: version(&fields.http_version)?,
                headers: fields.headers.into_headers()?,
                url: fields.url,
                history: history.collect::<Result<_, _>>()?,
                connection: ConnectionInfo::default(),
                backend: fields.backend.into(),
                attempts: fields.attempts,
                waited: seconds(fields.head)?,
            }),
            content: fields.content.into_bytes()?.into(),
            trailers: fields.trailers.into_headers()?,
            elapsed: seconds(fields.elapsed)?,
        })
    }
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

fn seconds<E: de::Error>(seconds: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(seconds).map_err(E::custom)
}
