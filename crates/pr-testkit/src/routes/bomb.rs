//! Bodies that are a thousand times larger decoded than they are on the wire, made of a repeated
//! piece, so that the server spends neither memory nor time on them.

use std::convert::Infallible;
use std::io::{self, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use futures::stream;
use http::header;
use http_body::Frame;

use super::coding::Coding;
use super::redirects;
use super::request::Received;
use super::respond::{self, Answer};
use crate::server::ResponseBody;

/// How many zeros a piece stands for.
const PIECE: u64 = 1 << 20;

/// A body: what comes first, a piece as often as is said, and what comes last.
struct Parts {
    start: Vec<u8>,
    piece: Bytes,
    pieces: u64,
    /// Stands for what is left and ends the body.
    end: Vec<u8>,
}

/// `/bomb/{coding}/{n}`: n zeros in that coding, without a length.
pub(super) fn route(rest: &str) -> Answer {
    let parsed = rest.split_once('/').and_then(|(coding, length)| {
        let coding = Coding::named(coding)?;
        Some((coding, length.parse().ok()?))
    });
    let Some((coding, length)) = parsed else {
        return respond::bad_request("not a coding and a number of bytes\n");
    };
    zeros(coding, length)
}

/// `/redirect-with-body?url=...&status_code=302&coding=identity&bytes=1000`: as `/redirect-to`, with
/// a body of zeros.
pub(super) fn redirect(request: &Received) -> Answer {
    let head = redirects::redirect_to(request);
    if !head.status().is_redirection() {
        return head;
    }
    let coding = request.query("coding");
    let coding = coding
        .as_deref()
        .map_or(Some(Coding::Identity), Coding::named);
    let (Some(coding), Some(length)) = (coding, request.query_number("bytes", 1000)) else {
        return respond::bad_request("not a coding and a number of bytes\n");
    };
    let (parts, body) = zeros(coding, length).into_parts();
    let mut response = head.map(|_| body);
    if parts.status.is_success() {
        response.headers_mut().extend(parts.headers);
    }
    response
}

fn zeros(coding: Coding, length: u64) -> Answer {
    let Ok(parts) = parts(coding, length) else {
        return respond::status(http::StatusCode::INTERNAL_SERVER_ERROR);
    };
    let pieces = std::iter::repeat_n(parts.piece, to_usize(parts.pieces));
    let all = std::iter::once(parts.start.into())
        .chain(pieces)
        .chain([parts.end.into()])
        .filter(|bytes: &Bytes| !bytes.is_empty())
        .map(|bytes| Ok::<_, Infallible>(Frame::data(bytes)));
    let body = ResponseBody::frames(stream::iter(all));
    let response = respond::with_type("application/octet-stream", body);
    match coding {
        Coding::Identity => response,
        _ => respond::with_header(response, header::CONTENT_ENCODING, coding.token()),
    }
}

fn parts(coding: Coding, length: u64) -> io::Result<Parts> {
    let (pieces, rest) = (length / PIECE, length % PIECE);
    Ok(match coding {
        Coding::Identity => Parts {
            start: Vec::new(),
            piece: vec![0; to_usize(PIECE)].into(),
            pieces,
            end: vec![0; to_usize(rest)],
        },
        Coding::RawDeflate => Parts {
            start: Vec::new(),
            piece: DEFLATED.clone(),
            pieces,
            end: deflate(rest, FlushCompress::Finish)?,
        },
        Coding::Deflate => {
            let mut end = deflate(rest, FlushCompress::Finish)?;
            // Adler-32 of zeros (RFC 1950 section 2.2).
            let sum = (u32::try_from(length % 65_521).unwrap_or(0) << 16) | 1;
            end.extend(sum.to_be_bytes());
            Parts {
                start: vec![0x78, 0x9c],
                piece: DEFLATED.clone(),
                pieces,
                end,
            }
        }
        Coding::Gzip => {
            let mut end = deflate(rest, FlushCompress::Finish)?;
            end.extend(crc(length).to_le_bytes());
            // The length, modulo 2^32 (RFC 1952 section 2.3.1).
            end.extend(&length.to_le_bytes()[..4]);
            Parts {
                start: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff],
                piece: DEFLATED.clone(),
                pieces,
                end,
            }
        }
        Coding::Zstd => zstd_parts(pieces, rest),
        Coding::Brotli => brotli_parts(length)?,
    })
}

/// A piece as deflate blocks (RFC 1951) that end at a byte and refer to nothing before them.
static DEFLATED: LazyLock<Bytes> = LazyLock::new(|| {
    let piece = deflate(PIECE, FlushCompress::Full);
    piece.expect("zeros can be compressed").into()
});

fn deflate(count: u64, flush: FlushCompress) -> io::Result<Vec<u8>> {
    let plain = vec![0; to_usize(count)];
    let mut deflate = Compress::new(Compression::default(), false);
    let mut coded = Vec::with_capacity(4096);
    loop {
        let consumed = to_usize(deflate.total_in());
        let status = deflate.compress_vec(&plain[consumed..], &mut coded, flush)?;
        let is_done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            _ => deflate.total_in() == count && coded.len() < coded.capacity(),
        };
        if is_done {
            return Ok(coded);
        }
        coded.reserve(4096);
    }
}

/// The CRC-32 of that many zeros, by doubling.
fn crc(length: u64) -> u32 {
    let mut whole = Crc::new();
    let mut power = Crc::new();
    power.update(&[0]);
    for bit in 0..u64::BITS - length.leading_zeros() {
        if length >> bit & 1 == 1 {
            whole.combine(&power);
        }
        let mut half = Crc::new();
        half.combine(&power);
        power.combine(&half);
    }
    whole.sum()
}

/// A frame of blocks that each say "128 KiB of this byte" (RFC 8878 section 3.1.1.2).
fn zstd_parts(pieces: u64, rest: u64) -> Parts {
    const BLOCK: u64 = 128 << 10;
    let block = |size: u64, is_last: bool| {
        let header = (size << 3) | (1 << 1) | u64::from(is_last);
        let [first, second, third, ..] = header.to_le_bytes();
        [first, second, third, 0]
    };
    let mut end: Vec<u8> = Vec::new();
    for _ in 0..rest / BLOCK {
        end.extend(block(BLOCK, false));
    }
    if !rest.is_multiple_of(BLOCK) {
        end.extend(block(rest % BLOCK, false));
    }
    // A raw block without content is the last.
    end.extend([1, 0, 0]);
    Parts {
        // No checksum, no content size, a window of 128 KiB.
        start: vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x38],
        piece: block(BLOCK, false).repeat(to_usize(PIECE / BLOCK)).into(),
        pieces,
        end,
    }
}

/// An encoder that is flushed after each piece repeats itself from the second one on, because its
/// decoder is in the same state after each.
fn brotli_parts(length: u64) -> io::Result<Parts> {
    static PIECES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
        let pieces = brotli_pieces([PIECE, PIECE]);
        pieces.expect("zeros can be compressed")
    });
    let rest = length % PIECE;
    let Some(repeated) = (length / PIECE).checked_sub(1) else {
        return Ok(Parts {
            start: Vec::new(),
            piece: Bytes::new(),
            pieces: 0,
            end: Coding::Brotli.encode(&vec![0; to_usize(rest)])?,
        });
    };
    let [start, piece] = &*PIECES;
    let mut end = match rest {
        0 => Vec::new(),
        rest => {
            let [_, end] = brotli_pieces([PIECE, rest])?;
            end
        }
    };
    // The last block, and an empty one (RFC 7932 section 9.2).
    end.push(0b11);
    Ok(Parts {
        start: start.clone(),
        piece: piece.clone().into(),
        pieces: repeated,
        end,
    })
}

/// So many zeros each, one after the other, each ending at a byte.
fn brotli_pieces(counts: [u64; 2]) -> io::Result<[Vec<u8>; 2]> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 16);
    let mut ends = [0; 2];
    for (count, end) in counts.into_iter().zip(&mut ends) {
        encoder.write_all(&vec![0; to_usize(count)])?;
        encoder.flush()?;
        *end = encoder.get_ref().len();
    }
    let coded = encoder.get_ref();
    Ok([coded[..ends[0]].to_vec(), coded[ends[0]..ends[1]].to_vec()])
}

fn to_usize(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
