//! Which codings a response's head names, and a decoder for each.

use http::{HeaderMap, header};

use super::{MOST_CODINGS, stack::Decoder};

/// A coding that is compiled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    #[cfg(feature = "gzip")]
    Gzip,
    #[cfg(feature = "gzip")]
    Deflate,
    #[cfg(feature = "brotli")]
    Brotli,
    #[cfg(feature = "zstd")]
    Zstd,
}

/// What `content-encoding` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Codings {
    /// Nothing but `identity`.
    None,
    /// These, in the order in which they were applied.
    Known(Vec<Coding>),
    /// At least one that is not compiled in, or no coding at all.
    Unknown,
    /// More than [`MOST_CODINGS`].
    TooMany,
}

impl Codings {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut number = 0;
        let mut known = Vec::new();
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for name in value.as_bytes().split(|&byte| byte == b',') {
                let name = name.trim_ascii();
                // Empty elements of a list are ignored (RFC 9110, section 5.6.1.2).
                if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                    continue;
                }
                number += 1;
                if number > MOST_CODINGS {
                    return Self::TooMany;
                }
                known.extend(Coding::named(name));
            }
        }
        match number {
            0 => Self::None,
            all if known.len() == all => Self::Known(known),
            _ => Self::Unknown,
        }
    }
}

impl Coding {
    fn named(name: &[u8]) -> Option<Self> {
        let names: &[(&str, Self)] = &[
            #[cfg(feature = "gzip")]
            ("gzip", Self::Gzip),
            // The same by another name (RFC 9110, section 8.4.1.3).
            #[cfg(feature = "gzip")]
            ("x-gzip", Self::Gzip),
            #[cfg(feature = "gzip")]
            ("deflate", Self::Deflate),
            #[cfg(feature = "brotli")]
            ("br", Self::Brotli),
            #[cfg(feature = "zstd")]
            ("zstd", Self::Zstd),
        ];
        let found = names
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        Some(found.1)
    }

    /// Its name in an error.
    pub(super) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "gzip")]
            Self::Deflate => "deflate",
            #[cfg(feature = "brotli")]
            Self::Brotli => "br",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    pub(super) fn decoder(self) -> Box<dyn Decoder> {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => Box::new(super::gzip::Gzip::new()),
            #[cfg(feature = "gzip")]
            Self::Deflate => Box::new(super::deflate::Deflate::new()),
            #[cfg(feature = "brotli")]
            Self::Brotli => Box::new(super::brotli::Brotli::new()),
            #[cfg(feature = "zstd")]
            Self::Zstd => Box::new(super::zstd::Zstd::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Codings {
        let field = |value: &&'static str| (header::CONTENT_ENCODING, value.parse().unwrap());
        Codings::of(&values.iter().map(field).collect())
    }

    #[cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]
    #[test]
    fn lists_of_codings() {
        use Coding::{Brotli, Deflate, Gzip, Zstd};
        use Codings::{Known, None, TooMany, Unknown};

        let table: &[(&[&'static str], Codings)] = &[
            (&["gzip"], Known(vec![Gzip])),
            (&["X-GZip"], Known(vec![Gzip])),
            (&["deflate , br"], Known(vec![Deflate, Brotli])),
            (&["zstd", "gzip,"], Known(vec![Zstd, Gzip])),
            (&["identity, ,br"], Known(vec![Brotli])),
            (&["br,br,br,br,br"], Known(vec![Brotli; 5])),
            (&["br,br,br", "br,identity,br"], Known(vec![Brotli; 5])),
            (&["br,br,br,br,br,br"], TooMany),
            (&["a,b,c,d,e,f"], TooMany),
            (&[""], None),
            (&["identity"], None),
            (&["compress"], Unknown),
            (&["gzip, dcb"], Unknown),
            (&["utf-8"], Unknown),
        ];
        for (values, codings) in table {
            assert_eq!(of(values), *codings, "{values:?}");
        }
    }

    #[test]
    fn what_is_not_compiled_in_is_unknown() {
        for (name, compiled_in) in [
            ("gzip", cfg!(feature = "gzip")),
            ("deflate", cfg!(feature = "gzip")),
            ("br", cfg!(feature = "brotli")),
            ("zstd", cfg!(feature = "zstd")),
        ] {
            assert_eq!(of(&[name]) != Codings::Unknown, compiled_in, "{name}");
            let accepted = super::super::ACCEPT_ENCODING.unwrap_or_default();
            let is_accepted = accepted.split(", ").any(|coding| coding == name);
            assert_eq!(is_accepted, compiled_in, "{name}");
        }
    }
}
