//! Requests, responses and errors as JSON and back, in the words of the public API.

mod attempt;
mod error;
mod pairs;
mod request;
mod response;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Deserialize, Serialize, de};

/// Bytes as JSON has them: a text where they are UTF-8, and `{"base64": …}` (RFC 4648, section 4)
/// where not. `{"text": …}` is read too.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Marked(Marked),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Marked {
    Text(String),
    Base64(String),
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Marked(Marked::Base64(BASE64_STANDARD.encode(bytes))),
        }
    }

    fn into_bytes<E: de::Error>(self) -> Result<Vec<u8>, E> {
        match self {
            Self::Text(text) | Self::Marked(Marked::Text(text)) => Ok(text.into_bytes()),
            Self::Marked(Marked::Base64(encoded)) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|error| E::custom(format_args!("broken Base64: {error}"))),
        }
    }
}
