//! Response bodies: flow control, trailers, responses without content, broken ones.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, future::join_all};
use http::{HeaderValue, Method, StatusCode};
use pr_backend_h2::{Backend, BackendExt, ErrorKind, RequestConfig};
use pr_core::Delivery;
use pr_testkit::{Counts, Server, content};
use tokio::join;

use crate::support::{
    PATIENCE, backend, exchange, plain,
    raw::{
        CANCEL, CONTINUATION, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, GOAWAY, HEADERS,
        INTERNAL_ERROR, Listener, NO_ERROR, PROTOCOL_ERROR, RST_STREAM, STATUS_103, STATUS_200,
    },
    soon,
};

const STREAM_WINDOW: u64 = 4 << 20;

#[tokio::test]
async fn bodies_that_nobody_reads_do_not_stall_their_siblings() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain().http2_connections_per_origin(1));
    let url = server.url("/stream-bytes/67108864");
    let unread = join_all((0..20).map(|_| backend.stream(url.as_str()))).await;
    assert!(unread.iter().all(Result::is_ok));
    // Each of them has filled its window before the sibling begins.
    let filled = |seen: &Counts| seen.bytes_sent >= 20 * STREAM_WINDOW;
    soon(server.ledger().wait_until(filled, PATIENCE))
        .await
        .unwrap();
    let sibling = soon(backend.request(server.url("/bytes/20000000")))
        .await
        .unwrap();
    assert_eq!(sibling.content(), &content::bytes(20_000_000));
    assert_eq!(server.ledger().counts().connections_accepted, 1);
}

#[tokio::test]
async fn a_peer_sends_no_more_than_the_window_of_a_body_that_nobody_reads() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let mut response = soon(backend.stream(server.url("/bytes/67108864")))
        .await
        .unwrap();
    let quiet = Duration::from_millis(200);
    let sent = server.ledger().bytes_sent_when_quiet(quiet).await;
    assert!(sent <= STREAM_WINDOW + (64 << 10), "{sent}");
    // Reading goes on where it stopped, and reading is what makes room.
    let mut check = content::Check::default();
    while let Some(piece) = soon(response.next()).await {
        check.feed(&piece.unwrap()).unwrap();
    }
    assert_eq!(check.length(), 64 << 20);
}

#[tokio::test]
async fn a_peer_that_overruns_a_window_breaks_the_protocol() {
    // By more data than there is room for, and by more credit than can be counted.
    for by_data in [true, false] {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.exchange(exchange(Method::GET, &listener.url("/")));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.head(stream, STATUS_200).await;
            if by_data {
                let piece = [0; 16 << 10];
                for _ in 0..=STREAM_WINDOW / piece.len() as u64 {
                    peer.data(stream, &piece, false).await;
                }
            } else {
                peer.open_window(0, (1 << 31) - 1).await;
            }
            loop {
                let frame = peer.read().await.expect("the client says why");
                // The code is the last thing in either.
                if matches!(frame.kind, RST_STREAM | GOAWAY) {
                    assert!(frame.payload.ends_with(&FLOW_CONTROL_ERROR.to_be_bytes()));
                    return peer;
                }
            }
        };
        let (response, _peer) = soon(async { join!(client, server) }).await;
        let mut body = response.unwrap().body;
        let error = loop {
            match soon(body.next()).await.expect("it does not end well") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Protocol, "{}", error.chain());
    }
}

#[tokio::test]
async fn trailers_come_after_the_content() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let response = soon(backend.request(server.url("/trailers")))
        .await
        .unwrap();
    assert!(!response.content().is_empty());
    assert!(!response.trailers().is_empty());
}

#[tokio::test]
async fn trailers_come_without_content_too() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.request(listener.url("/"));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.head(stream, STATUS_200).await;
        // The field "a: b", as a literal of HPACK.
        let fields = [0, 1, b'a', 1, b'b'];
        peer.write(HEADERS, END_STREAM | END_HEADERS, stream, &fields)
            .await;
        peer
    };
    let (response, _peer) = soon(async { join!(client, server) }).await;
    let response = response.unwrap();
    assert!(response.content().is_empty());
    assert_eq!(response.trailers()["a"], "b");
}

#[tokio::test]
async fn responses_without_content_are_complete_at_once() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let head = soon(backend.request(RequestConfig::head(server.url("/bytes/1000"))))
        .await
        .unwrap();
    assert_eq!(head.headers()["content-length"], "1000");
    assert!(head.content().is_empty());
    for code in [204, 304] {
        let response = backend.request(server.url(&format!("/status/{code}")));
        let response = soon(response).await.unwrap();
        assert_eq!(response.status_code(), code);
        assert!(response.content().is_empty());
    }
}

#[tokio::test]
async fn informational_responses_are_passed_over() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.request(listener.url("/"));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        for _ in 0..3 {
            peer.head(stream, STATUS_103).await;
        }
        peer.head(stream, STATUS_200).await;
        peer.data(stream, b"final", true).await;
        peer
    };
    let (response, _peer) = soon(async { join!(client, server) }).await;
    let response = response.unwrap();
    assert_eq!(response.status_code(), StatusCode::OK);
    assert_eq!(response.text(), "final");
}

#[tokio::test]
async fn a_flood_of_informational_responses_ends_at_a_limit() {
    let set = |most| plain().max_informational(most);
    for (config, count, passes) in [
        (plain(), 32, true),
        (plain(), 33, false),
        (set(0), 0, true),
        (set(0), 1, false),
        (set(50), 50, true),
        (set(50), 51, false),
    ] {
        let listener = Listener::bind().await;
        let backend = backend(config);
        let request = || backend.exchange(exchange(Method::GET, &listener.url("/")));
        let client = async { join!(request(), request()) };
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let (flooded, sibling) = (peer.request().await, peer.request().await);
            for _ in 0..count {
                peer.head(flooded, STATUS_103).await;
            }
            if passes {
                peer.answer(flooded).await;
            } else {
                let reset = peer.read_stream().await;
                assert_eq!((reset.stream, reset.code()), (flooded, CANCEL));
            }
            peer.answer(sibling).await;
            peer
        };
        let ((flooded, sibling), _peer) = soon(async { join!(client, server) }).await;
        assert_eq!(sibling.unwrap().status, 200);
        if passes {
            assert_eq!(flooded.unwrap().status, 200);
        } else {
            let error = flooded.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit);
            assert_eq!(error.delivery(), Delivery::Unknown);
        }
    }
}

#[tokio::test]
async fn a_head_without_end_is_given_up() {
    let listener = Listener::bind().await;
    let backend = backend(plain());
    let client = backend.exchange(exchange(Method::GET, &listener.url("/")));
    let server = async {
        let mut peer = listener.accept(&[]).await;
        let stream = peer.request().await;
        peer.write(HEADERS, 0, stream, STATUS_200).await;
        // A thousand bytes of field after field, until the client has had enough.
        let field = [&[0, 1, b'a', 100][..], &[b'v'; 100]].concat();
        let fragment = field.repeat(10);
        let mut sent = 0;
        while peer.try_write(CONTINUATION, 0, stream, &fragment).await {
            sent += fragment.len();
            assert!(sent < 16 << 20, "it is taken for ever");
        }
    };
    let (outcome, ()) = soon(async { join!(client, server) }).await;
    let error = outcome.unwrap_err();
    // Whether the reason or the end of the connection is seen first is for the socket to decide.
    assert!(
        matches!(error.kind(), ErrorKind::Limit | ErrorKind::Closed),
        "{}",
        error.chain()
    );
    assert_eq!(error.delivery(), Delivery::Unknown);
}

#[tokio::test]
async fn a_body_that_breaks_off_says_why() {
    let cases = [
        (Some(NO_ERROR), ErrorKind::Truncated),
        (Some(INTERNAL_ERROR), ErrorKind::Truncated),
        (Some(PROTOCOL_ERROR), ErrorKind::Protocol),
        (None, ErrorKind::Truncated),
    ];
    for (reset, kind) in cases {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.request(RequestConfig::post(listener.url("/")));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            peer.head(stream, STATUS_200).await;
            peer.data(stream, b"some", false).await;
            match reset {
                Some(code) => {
                    peer.reset(stream, code).await;
                    Some(peer)
                }
                None => None,
            }
        };
        let (outcome, _peer) = soon(async { join!(client, server) }).await;
        assert_eq!(outcome.unwrap_err().kind(), kind, "{reset:?}");
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_is_refused() {
    for (body, end) in [(&b"too long"[..], true), (b"no", true)] {
        let listener = Listener::bind().await;
        let backend = backend(plain());
        let client = backend.request(listener.url("/"));
        let server = async {
            let mut peer = listener.accept(&[]).await;
            let stream = peer.request().await;
            // `:status: 200`, then `content-length: 5`, name by HPACK's table (28).
            peer.head(stream, &[0x88, 0x0f, 0x0d, 1, b'5']).await;
            peer.data(stream, body, end).await;
            peer
        };
        let (outcome, _peer) = soon(async { join!(client, server) }).await;
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Protocol);
    }
}

#[tokio::test]
async fn a_head_beyond_the_limit_is_refused_and_harms_nobody() {
    let server = Server::builder().http2_only().handle("/large", |_| async {
        let mut response = http::Response::new(Bytes::new());
        for n in 0..80 {
            let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
            let value = HeaderValue::try_from("v".repeat(1_000)).unwrap();
            response.headers_mut().insert(name, value);
        }
        response
    });
    let server = server.start();
    let backend = backend(plain());
    let error = soon(backend.request(server.url("/large")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error:?}");
    assert_eq!(
        soon(backend.request(server.url("/get")))
            .await
            .unwrap()
            .status_code(),
        200
    );
}

#[tokio::test]
async fn the_host_header_travels_as_authority() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let request = RequestConfig::get(server.url("/anything")).header("host", "example.org:81");
    soon(backend.request(request)).await.unwrap();
    soon(backend.request(server.url("/anything")))
        .await
        .unwrap();
    let seen = server.ledger().requests();
    assert_eq!(seen[0].authority.as_deref(), Some("example.org:81"));
    assert_eq!(seen[1].authority, Some(server.authority()));
    assert!(seen.iter().all(|request| request.header("host").is_none()));
}

#[tokio::test]
async fn the_announced_length_of_a_streamed_response_is_known() {
    let server = Server::builder().http2_only().start();
    let backend = backend(plain());
    let sized = backend.exchange(exchange(Method::GET, &server.url("/bytes/100000")));
    assert_eq!(soon(sized).await.unwrap().body.size_hint(), Some(100_000));
    let unsized_ = backend.exchange(exchange(Method::GET, &server.url("/stream-bytes/100000")));
    assert_eq!(soon(unsized_).await.unwrap().body.size_hint(), None);
}
