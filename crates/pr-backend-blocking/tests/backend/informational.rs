//! Which response is the answer where others, or empty lines, come before it.

use pr_backend_blocking::BackendExt;
use pr_testkit::{Script, ScriptedServer};

use crate::support::backend;

const OTHER: &str = "HTTP/1.1 418 Teapot\r\ncontent-length: 4\r\n\r\nevil";

/// Status and content of what is answered with these bytes.
async fn answered(bytes: &str, step: usize) -> (u16, String) {
    let mut script = Script::new().expect_head();
    for piece in bytes.as_bytes().chunks(step) {
        script = script.send(piece.to_vec());
        if step < 1000 {
            script = script.pause(std::time::Duration::from_millis(1));
        }
    }
    let server = ScriptedServer::once(script.stall());
    let response = backend().request(server.url("/")).await.unwrap();
    (
        response.status_code().as_u16(),
        response.text().into_owned(),
    )
}

#[tokio::test]
async fn empty_lines_in_front_of_a_response_change_nothing() {
    let length = OTHER.len();
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{OTHER}");
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n";
    let leave = "HTTP/1.1 100 Continue\r\nserver: x\r\n\r\n";
    for blank in ["", "\r\n", "\n", "\r\n\r\n\r\n"] {
        for before in [
            String::new(),
            format!("{blank}{hints}"),
            format!("{blank}{leave}{blank}{hints}"),
        ] {
            let bytes = format!("{before}{blank}{response}");
            for step in [10, 1000] {
                let (status, text) = answered(&bytes, step).await;
                assert_eq!((status, &*text), (200, OTHER), "{bytes:?} by {step}");
            }
        }
    }
}
