//! Bodies in content codings: each of them, stacks of them, and what is wrong with them.

use http::{StatusCode, header};
use serde_json::json;

use super::coding::Coding;
use super::request::Received;
use super::respond::{self, Answer};
use crate::content;

/// As deep as stacks of codings get.
const DEEPEST: usize = 8;

/// The largest plain body, in bytes: it is encoded in memory.
const LARGEST: usize = 16 << 20;

/// `/gzip`, `/deflate`, `/brotli`, `/zstd`: JSON in that coding, whatever the client accepts.
///
/// "deflate" is the zlib format; `/deflate?raw=true` sends what some servers take it for, deflate
/// without the zlib wrapper.
pub(super) fn route(request: &Received, name: &str) -> Answer {
    let raw = request.query("raw").as_deref() == Some("true");
    let coding = match Coding::named(name) {
        Some(Coding::Deflate) if raw => Coding::RawDeflate,
        Some(coding) => coding,
        None => return respond::not_found(),
    };
    let field = match name {
        "gzip" => "gzipped",
        "deflate" => "deflated",
        other => other,
    };
    let plain = json!({
        field: true,
        "method": request.head.method.as_str(),
        "headers": request.headers_json(),
        "origin": super::headers::ORIGIN,
    });
    match coding.encode(plain.to_string().as_bytes()) {
        Ok(coded) => respond::with_header(
            respond::whole("application/json", coded),
            header::CONTENT_ENCODING,
            coding.token(),
        ),
        Err(_) => respond::status(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// `/encoded?codings=gzip,br&bytes=1000&members=1&cut=0&corrupt=...&separate=false`: the content in
/// up to eight codings, applied in the order in which they stand.
///
/// `members` splits what each coding is applied to; `cut` takes that many bytes from the end of the
/// coded body, `corrupt` inverts the byte at that offset of it; with `separate=true` each coding has
/// a header field of its own.
pub(super) fn encoded(request: &Received) -> Answer {
    let names = request.query("codings").unwrap_or_default();
    let names = names.split(',').filter(|name| !name.is_empty());
    let codings: Option<Vec<_>> = names.map(|name| Coding::named(name.trim())).collect();
    let Some(codings) = codings.filter(|codings| codings.len() <= DEEPEST) else {
        return respond::bad_request("an unknown coding, or more than eight\n");
    };
    let numbers = (
        request.query_number::<usize>("bytes", 1000),
        request.query_number::<usize>("members", 1),
        request.query_number::<usize>("cut", 0),
        request.query("corrupt").map(|at| at.parse::<usize>()),
    );
    let (Some(bytes), Some(members), Some(cut), corrupt) = numbers else {
        return respond::bad_request("a parameter is not a number\n");
    };
    if bytes > LARGEST || !(1..=1000).contains(&members) {
        return respond::bad_request("more than 16 MiB, or not from 1 to 1000 members\n");
    }
    if members > 1 && !codings.iter().all(|coding| coding.can_be_concatenated()) {
        return respond::bad_request("only gzip and zstd have members\n");
    }
    let mut body = content::bytes(bytes).to_vec();
    for coding in &codings {
        body = match in_members(*coding, &body, members) {
            Ok(coded) => coded,
            Err(_) => return respond::status(StatusCode::INTERNAL_SERVER_ERROR),
        };
    }
    match corrupt {
        None => {}
        Some(Ok(at)) if at < body.len() => body[at] = !body[at],
        Some(_) => return respond::bad_request("there is no such byte to corrupt\n"),
    }
    body.truncate(body.len().saturating_sub(cut));

    let tokens: Vec<_> = codings.iter().map(|coding| coding.token()).collect();
    let response = respond::whole("application/octet-stream", body);
    let fields = match &tokens[..] {
        [] => vec![],
        _ if request.query("separate").as_deref() == Some("true") => {
            tokens.iter().map(ToString::to_string).collect()
        }
        _ => vec![tokens.join(", ")],
    };
    fields.iter().fold(response, |response, field| {
        respond::with_header(response, header::CONTENT_ENCODING, field)
    })
}

fn in_members(coding: Coding, plain: &[u8], members: usize) -> std::io::Result<Vec<u8>> {
    if members == 1 {
        return coding.encode(plain);
    }
    let length = plain.len().div_ceil(members).max(1);
    let mut whole = Vec::new();
    for member in plain.chunks(length) {
        whole.extend(coding.encode(member)?);
    }
    Ok(whole)
}
