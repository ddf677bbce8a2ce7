//! Requests, responses and errors as JSON and back, in the words of the public API.

mod error;
mod pairs;
mod request;
mod response;

/// Bytes as JSON has them: text where they are UTF-8, Base64 (RFC 4648, section 4) where not.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    Text(String),
    Base64(String),
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        use base64::{Engine, prelude::BASE64_STANDARD};
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(bytes)),
        }
    }

    fn into_bytes<E: serde::de::Error>(self) -> Result<Vec<u8>, E> {
        use base64::{Engine, prelude::BASE64_STANDARD};
        match self {
            Self::Text(text) => Ok(text.into_bytes()),
            Self::Base64(encoded) => BASE64_STANDARD
                .decode(encoded)
                .map_err(|error| E::custom(format_args!("broken Base64: {error}"))),
        }
    }
}
