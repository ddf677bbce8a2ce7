//! How much a response may have before and after its content. What comes before it in number, the
//! informational responses, is among the [bodies](super::bodies).

use futures::StreamExt;
use http::{Method, Version};
use pr_backend_h2::{Backend, BackendError, ErrorKind, TransportConfig};
use pr_core::{Delivery, ExchangeResponse};
use tokio::join;

use crate::support::{
    backend, exchange, plain,
    raw::{CANCEL, CONTINUATION, END_HEADERS, END_STREAM, HEADERS, Listener, Peer, STATUS_200},
    soon,
};

/// What a field costs beside its name and value (RFC 9113, section 6.5.2).
const OVERHEAD: usize = 32;

/// A field by HPACK, as a literal that is not remembered (RFC 7541, section 6.2.2).
fn field(name: &str, value_length: usize) -> Vec<u8> {
    let mut field = vec![0, u8::try_from(name.len()).unwrap()];
    field.extend(name.as_bytes());
    match value_length.checked_sub(127) {
        None => field.push(u8::try_from(value_length).unwrap()),
        Some(mut rest) => {
            field.push(127);
            while rest >= 128 {
                field.push(u8::try_from(rest % 128 + 128).unwrap());
                rest /= 128;
            }
            field.push(u8::try_from(rest).unwrap());
        }
    }
    field.extend(std::iter::repeat_n(b'v', value_length));
    field
}

/// So many fields.
fn fields(count: usize) -> Vec<u8> {
    field("a", 1).repeat(count)
}

/// Fields of so many bytes, as they are counted.
fn bytes(size: usize) -> Vec<u8> {
    const EACH: usize = 10_000;
    let mut fields = Vec::new();
    let mut left = size;
    while left > 2 * EACH {
        fields.extend(field("long", EACH - OVERHEAD - 4));
        left -= EACH;
    }
    fields.extend(field("long", left - OVERHEAD - 4));
    fields
}

/// How much there is to a frame.
const FRAGMENT: usize = 16 << 10;

/// Sends a field section in as many frames as it takes.
async fn send_fields(peer: &mut Peer, stream: u32, flags: u8, section: &[u8]) {
    let mut kind = HEADERS;
    let mut fragments = section.chunks(FRAGMENT).peekable();
    while let Some(fragment) = fragments.next() {
        let first = if kind == HEADERS { flags } else { 0 };
        let last = if fragments.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        if !peer.try_write(kind, first | last, stream, fragment).await {
            return;
        }
        kind = CONTINUATION;
    }
}

/// What becomes of a request whose answer has these fields, and of one beside it; whether the first
/// was reset.
async fn answered(
    config: TransportConfig,
    section: &[u8],
) -> (Result<ExchangeResponse, BackendError>, bool) {
    let listener = Listener::bind().await;
    let backend = backend(config.http2_prior_knowledge(true));
    let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
    let client = async { join!(request(), request()) };
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let (stream, sibling) = (peer.request().await, peer.request().await);
        let head = [STATUS_200, section].concat();
        send_fields(&mut peer, stream, 0, &head).await;
        let seen = peer.frames_until_now().await;
        peer.answer(sibling).await;
        (peer, seen)
    };
    let ((outcome, sibling), (_peer, seen)) = soon(async { join!(client, server) }).await;
    assert_eq!(sibling.unwrap().version, Version::HTTP_2);
    let reset = seen.first().is_some_and(|frame| frame.code() == CANCEL);
    (outcome, reset)
}

async fn assert_limit(what: &str, config: TransportConfig, section: &[u8]) {
    let (outcome, reset) = answered(config, section).await;
    let error = outcome
        .map(|response| response.headers.len())
        .expect_err(what);
    assert_eq!(error.kind(), ErrorKind::Limit, "{what}: {}", error.chain());
    assert_eq!(error.delivery(), Delivery::Unknown, "{what}");
    assert!(reset, "{what}: the rest of the response is unwanted");
}

#[tokio::test]
async fn a_head_may_have_so_many_fields() {
    for most in [1, 99, 100, 500] {
        let config = || TransportConfig::default().max_header_fields(most);
        let (response, _) = answered(config(), &fields(most)).await;
        assert_eq!(response.unwrap().headers.len(), most);
        let what = format!("{} fields of {most}", most + 1);
        assert_limit(&what, config(), &fields(most + 1)).await;
    }
}

#[tokio::test]
async fn a_head_may_be_so_large() {
    for most in [1 << 10, 64 << 10, 300_000] {
        let config = || TransportConfig::default().max_head_size(most);
        let (response, _) = answered(config(), &bytes(most)).await;
        assert!(!response.unwrap().headers.is_empty());
        for more in [most + 1, most + most / 4] {
            let what = format!("{more} bytes of {most}");
            assert_limit(&what, config(), &bytes(more)).await;
        }
    }
}

#[tokio::test]
async fn a_head_that_outgrows_all_limits_ends_the_connection() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.exchange(exchange(Method::GET, &listener.url("/")));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        let head = [STATUS_200, &bytes(2 << 20)].concat();
        send_fields(&mut peer, stream, 0, &head).await;
        peer.rest().await;
    };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Limit);
}

#[tokio::test]
async fn a_trailer_section_has_the_same_limits() {
    for (section, passes) in [
        (fields(100), true),
        (fields(101), false),
        (bytes(64 << 10), true),
        (bytes((64 << 10) + 1), false),
    ] {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = async {
            let request = backend.exchange(exchange(Method::GET, &listener.url("/")));
            let mut body = request.await.unwrap().body;
            let data = body.next().await.unwrap();
            data.unwrap();
            body.next().await.unwrap()
        };
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.head(stream, STATUS_200).await;
            peer.data(stream, b"content", false).await;
            send_fields(&mut peer, stream, END_STREAM, &section).await;
            peer
        };
        let (trailers, _peer) = soon(async { join!(client, server) }).await;
        assert_eq!(
            trailers.map_err(|error| error.kind()).err(),
            (!passes).then_some(ErrorKind::Limit)
        );
    }
}
