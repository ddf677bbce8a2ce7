//! A form as bytes on the wire (RFC 7578, section 4, and RFC 2046, section 5.1.1).

use std::{collections::VecDeque, hash::BuildHasher, hash::RandomState, io};

use bytes::Bytes;
use futures::{StreamExt, stream};

use super::{Field, Part};
use crate::{BackendError, BoxError, ByteStream, OutgoingBody, request::Body};

/// A random boundary. The standard library's hashers are keyed with randomness from the system,
/// and what they give cannot be predicted without the keys.
pub(super) fn boundary() -> String {
    let keyed = RandomState::new();
    format!("form-{:016x}{:016x}", keyed.hash_one(0), keyed.hash_one(1))
}

/// Whether a name has characters that would end, or break, the line that it is put into.
pub(super) fn has_control(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_control())
}

/// The form as one body: in memory if all of it is, else as a stream.
pub(super) fn body(boundary: &str, fields: Vec<Field>) -> Body {
    let end = Bytes::from(format!("--{boundary}--\r\n"));
    let parts: Vec<(Bytes, Body)> = fields
        .into_iter()
        .map(|Field { name, part }| (head(boundary, &name, &part), part.body))
        .collect();
    let in_memory: Option<Vec<&[u8]>> = parts
        .iter()
        .map(|(head, body)| Some([head, body.as_bytes()?, b"\r\n"]))
        .collect::<Option<Vec<_>>>()
        .map(|parts| parts.into_iter().flatten().chain([&*end]).collect());
    if let Some(pieces) = in_memory {
        return pieces.concat().into();
    }
    let reopenable = parts.iter().all(|(_, body)| body.is_reopenable());
    Body::lazy(reopenable, "Multipart", move || open(&parts, &end))
}

/// The delimiter and the header fields of a part.
fn head(boundary: &str, name: &str, part: &Part) -> Bytes {
    let mut head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
        escaped(name)
    );
    if let Some(file_name) = &part.file_name {
        head.push_str("; filename=\"");
        head.push_str(&escaped(file_name));
        head.push('"');
    }
    let mut head = head.into_bytes();
    if let Some(content_type) = &part.content_type {
        head.extend_from_slice(b"\r\nContent-Type: ");
        head.extend_from_slice(content_type.as_bytes());
    }
    for (name, value) in &part.headers {
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
    }
    head.extend_from_slice(b"\r\n\r\n");
    head.into()
}

/// As the HTML standard has it; the line breaks that it would escape too are refused before.
fn escaped(name: &str) -> String {
    name.replace('"', "%22")
}

/// Opens every part, so that what cannot be is known before anything is sent.
fn open(parts: &[(Bytes, Body)], end: &Bytes) -> Result<OutgoingBody, BackendError> {
    let mut queue = VecDeque::with_capacity(3 * parts.len() + 1);
    let mut length = Some(end.len() as u64);
    for (head, body) in parts {
        let body = body.open()?;
        let framing = head.len() as u64 + 2;
        length = length
            .zip(body.content_length())
            .and_then(|(sum, content)| sum.checked_add(content)?.checked_add(framing));
        queue.push_back(Piece::Whole(head.clone()));
        match body {
            OutgoingBody::Empty => {}
            OutgoingBody::Full(content) => queue.push_back(Piece::Whole(content)),
            OutgoingBody::Stream { stream, length } => queue.push_back(Piece::Stream {
                stream,
                left: length,
            }),
        }
        queue.push_back(Piece::Whole(Bytes::from_static(b"\r\n")));
    }
    queue.push_back(Piece::Whole(end.clone()));
    Ok(OutgoingBody::Stream {
        stream: Box::pin(stream::unfold(queue, |mut queue| async {
            let next = next(&mut queue).await?;
            if next.is_err() {
                queue.clear();
            }
            Some((next, queue))
        })),
        length,
    })
}

/// Something that is to be sent in its turn.
enum Piece {
    Whole(Bytes),
    Stream {
        stream: ByteStream,
        /// How many bytes are still to come, if that is known.
        left: Option<u64>,
    },
}

/// The next bytes. That a part is as long as it said is checked here: of the whole it could be
/// true although it is true of no part.
async fn next(queue: &mut VecDeque<Piece>) -> Option<Result<Bytes, BoxError>> {
    loop {
        match queue.front_mut()? {
            Piece::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                queue.pop_front();
                if !bytes.is_empty() {
                    return Some(Ok(bytes));
                }
            }
            Piece::Stream { stream, left } => match (stream.next().await, left) {
                (Some(Ok(bytes)), left) => {
                    if let Some(left) = left {
                        match left.checked_sub(bytes.len() as u64) {
                            Some(rest) => *left = rest,
                            None => return Some(Err(wrong_length("longer"))),
                        }
                    }
                    if !bytes.is_empty() {
                        return Some(Ok(bytes));
                    }
                }
                (Some(Err(error)), _) => return Some(Err(error)),
                (None, Some(1..)) => return Some(Err(wrong_length("shorter"))),
                (None, None | Some(0)) => drop(queue.pop_front()),
            },
        }
    }
}

fn wrong_length(how: &str) -> BoxError {
    let why = format!("a part of the multipart form is {how} than was stated");
    io::Error::new(io::ErrorKind::InvalidData, why).into()
}
