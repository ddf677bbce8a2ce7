//! The content codings (RFC 9110 section 8.4.1), as encoders.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

/// A content coding, and how it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    /// The zlib format, as the standard has it.
    Deflate,
    /// Without zlib's wrapper, as some servers have it.
    RawDeflate,
    Brotli,
    Zstd,
}

impl Coding {
    /// A coding by its name in a path or query.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "identity" => Self::Identity,
            "gzip" => Self::Gzip,
            "deflate" => Self::Deflate,
            "raw-deflate" => Self::RawDeflate,
            "br" | "brotli" => Self::Brotli,
            "zstd" => Self::Zstd,
            _ => return None,
        })
    }

    /// Its name in `Content-Encoding`.
    pub(super) fn token(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate | Self::RawDeflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// Whether encoded bodies may follow one another and are one: the members of gzip (RFC 1952
    /// section 2.2), the frames of zstd (RFC 8878 section 3).
    pub(super) fn can_be_concatenated(self) -> bool {
        matches!(self, Self::Identity | Self::Gzip | Self::Zstd)
    }

    pub(super) fn encode(self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let level = Compression::default();
        match self {
            Self::Identity => Ok(plain.to_vec()),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::RawDeflate => {
                let mut encoder = DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(plain)?;
                encoder.finish()
            }
            Self::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
                encoder.write_all(plain)?;
                Ok(encoder.into_inner())
            }
            Self::Zstd => zstd::encode_all(plain, 3),
        }
    }
}
