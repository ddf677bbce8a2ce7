//! How much a peer may say before the body: beyond that, it is an error of kind `Limit`.

use pr_backend_blocking::{BackendExt, BlockingBackend, ErrorKind, TransportConfig};
use pr_testkit::{Script, ScriptedServer};

use crate::support::trusting;

/// What becomes of a request that is answered with these bytes and the end of the connection.
async fn outcome(config: TransportConfig, answer: String) -> Result<&'static str, ErrorKind> {
    let backend = BlockingBackend::with_config(config).unwrap();
    let server = ScriptedServer::always(Script::new().expect_head().send(answer).close());
    let response = backend.request(server.url("/")).await;
    let response = response.map_err(|error| error.kind())?;
    assert_eq!(response.text(), "ok");
    OK
}

const OK: Result<&str, ErrorKind> = Ok("ok");
const TOO_MUCH: Result<&str, ErrorKind> = Err(ErrorKind::Limit);

/// A response whose head has exactly this many bytes.
fn head_of(bytes: usize) -> String {
    let (before, after) = ("HTTP/1.1 200 OK\r\nlong: ", "\r\ncontent-length: 2\r\n\r\n");
    let value = "x".repeat(bytes - before.len() - after.len());
    format!("{before}{value}{after}ok")
}

#[tokio::test]
async fn the_length_of_a_head() {
    // Smaller and larger than what is read at a time.
    for limit in [1 << 10, 64 << 10, 300 << 10] {
        let config = trusting().max_head_size(limit);
        assert_eq!(outcome(config.clone(), head_of(limit)).await, OK, "{limit}");
        for more in [1, 500, 1 << 20] {
            let longer = head_of(limit + more);
            assert_eq!(outcome(config.clone(), longer).await, TOO_MUCH, "{limit}");
        }
        // Also of an informational response.
        let hints = head_of(limit + 1).replace("200 OK", "103 OK");
        assert_eq!(outcome(config.clone(), hints).await, TOO_MUCH, "{limit}");
    }
}

#[tokio::test]
async fn the_number_of_fields() {
    let with = |count: usize, status: &str| {
        let fields = "a: b\r\n".repeat(count - 1);
        format!("HTTP/1.1 {status}\r\n{fields}content-length: 2\r\n\r\nok")
    };
    for limit in [1, 100, 128] {
        let config = trusting().max_header_fields(limit);
        assert_eq!(outcome(config.clone(), with(limit, "200 OK")).await, OK);
        for count in [limit + 1, 1000] {
            let more = with(count, "200 OK");
            assert_eq!(outcome(config.clone(), more).await, TOO_MUCH, "{limit}");
            let more = with(count, "103 Hints");
            assert_eq!(outcome(config.clone(), more).await, TOO_MUCH, "{limit}");
        }
    }
}

#[tokio::test]
async fn the_number_of_informational_responses() {
    let after = |count: usize, one: &str| {
        let last = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        format!("{}{last}", one.repeat(count))
    };
    for one in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\ndate: today\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        "HTTP/1.0 199 \n\n",
    ] {
        for limit in [0, 1, 32] {
            let config = trusting().max_informational(limit);
            assert_eq!(
                outcome(config.clone(), after(limit, one)).await,
                OK,
                "{one}"
            );
            for count in [limit + 1, 10_000] {
                let more = after(count, one);
                assert_eq!(outcome(config.clone(), more).await, TOO_MUCH, "{one}");
            }
        }
    }
}
