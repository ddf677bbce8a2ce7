//! Names and values where names may repeat: read from an object or a list, written as a list.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use super::Content;

/// Pairs in order. `{"a": "1", "b": ["2", "3"]}` and `[["a", "1"], ["b", "2"], ["b", "3"]]` read as
/// the same. Numbers and booleans read as their text; values that are not UTF-8 are [`Content`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(Vec<(String, Vec<u8>)>);

impl Pairs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        self.0.push((name.to_owned(), value.to_vec()));
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    pub(super) fn of_headers(headers: &HeaderMap) -> Self {
        let mut pairs = Self::default();
        for (name, value) in headers {
            pairs.push(name.as_str(), value.as_bytes());
        }
        pairs
    }

    /// The pairs as they are.
    pub(super) fn into_bytes(self) -> impl Iterator<Item = (String, Vec<u8>)> {
        self.0.into_iter()
    }

    /// The pairs as text, where only text makes sense.
    pub(super) fn into_text<E: de::Error>(self) -> Result<Vec<(String, String)>, E> {
        let text = |(name, value)| match String::from_utf8(value) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(E::custom(format_args!(
                "the value of {name:?} is not UTF-8"
            ))),
        };
        self.0.into_iter().map(text).collect()
    }

    /// Header fields, or the first that is none.
    pub(super) fn into_headers<E: de::Error>(self) -> Result<HeaderMap, E> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.0 {
            let name: HeaderName = name.parse().map_err(E::custom)?;
            let value = HeaderValue::try_from(value).map_err(E::custom)?;
            headers.try_append(name, value).map_err(E::custom)?;
        }
        Ok(headers)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Content(Content),
    Integer(i64),
    Number(f64),
    Flag(bool),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(Scalar),
    Many(Vec<Scalar>),
}

impl Scalar {
    fn into_bytes<E: de::Error>(self) -> Result<Vec<u8>, E> {
        match self {
            Self::Content(content) => content.into_bytes(),
            Self::Integer(number) => Ok(number.to_string().into_bytes()),
            Self::Number(number) => Ok(number.to_string().into_bytes()),
            Self::Flag(flag) => Ok(flag.to_string().into_bytes()),
        }
    }
}

impl Serialize for Pairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.0
                .iter()
                .map(|(name, value)| (name, Content::of(value))),
        )
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and values, or a list of [name, value] pairs")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, values)) = map.next_entry::<String, OneOrMany>()? {
                    match values {
                        OneOrMany::One(value) => pairs.push((name, value.into_bytes()?)),
                        OneOrMany::Many(values) => {
                            for value in values {
                                pairs.push((name.clone(), value.into_bytes()?));
                            }
                        }
                    }
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = list.next_element::<(String, Scalar)>()? {
                    pairs.push((name, value.into_bytes()?));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(PairsVisitor)
    }
}
