//! Outcomes as JSON: index, key, seconds, and a response (or what it was turned into) or an error.

use std::time::Duration;

use pr_core::BackendError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Outcome;

/// What is written borrows, what is read owns: hence the parameters.
#[derive(Serialize, Deserialize)]
struct Fields<K, R, E> {
    index: usize,
    key: K,
    /// In seconds.
    elapsed: f64,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    response: Option<R>,
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    error: Option<E>,
}

/// A default that asks nothing of the type.
fn none<T>() -> Option<T> {
    None
}

impl<K: Serialize, T: Serialize> Serialize for Outcome<K, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Fields {
            index: self.index,
            key: &self.key,
            elapsed: self.elapsed.as_secs_f64(),
            response: self.value(),
            error: self.error(),
        }
        .serialize(serializer)
    }
}

impl<'de, K: Deserialize<'de>, T: Deserialize<'de>> Deserialize<'de> for Outcome<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: Fields<K, T, BackendError> = Fields::deserialize(deserializer)?;
        let result = match (fields.response, fields.error) {
            (Some(response), None) => Ok(response),
            (None, Some(error)) => Err(error),
            _ => {
                return Err(de::Error::custom(
                    "an outcome has either a response or an error",
                ));
            }
        };
        let elapsed = Duration::try_from_secs_f64(fields.elapsed).map_err(de::Error::custom)?;
        Ok(Self::new(fields.index, fields.key, elapsed, result))
    }
}
