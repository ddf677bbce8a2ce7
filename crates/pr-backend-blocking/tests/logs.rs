//! What is in no log, whatever its level. The logger is that of the whole process, so this test has one
//! of its own.

use std::sync::{Mutex, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use pr_backend_blocking::{BackendExt, BlockingBackend, RequestConfig};
use pr_testkit::{Script, ScriptedServer};

/// Keeps what is logged: line by line, and the bytes that ureq writes sixteen to a line in one piece.
struct Memory(Mutex<(String, String)>);

static MEMORY: Memory = Memory(Mutex::new((String::new(), String::new())));

/// How many bytes ureq writes to a line.
const ROW: usize = 16;

impl Log for Memory {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(row) = line.len().checked_sub(ROW) {
            kept.1.push_str(line.get(row..).unwrap_or_default());
        }
        kept.0.push_str(&line);
        kept.0.push('\n');
    }

    fn flush(&self) {}
}

#[tokio::test]
async fn nothing_that_a_request_says_of_its_sender_is_logged() {
    log::set_logger(&MEMORY).unwrap();
    log::set_max_level(LevelFilter::Trace);

    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let proxy = ScriptedServer::always(Script::new().expect_head().send(answer).stall());
    let plain = ScriptedServer::always(Script::new().expect_head().send(answer).stall());
    let through = format!("http://joe:proxy-secret@{}", proxy.authority());
    let ways = [
        (Some(&through), "http://origin.example/"),
        (None, &*plain.url("/")),
    ];
    for (proxy, url) in ways {
        for body in [None, Some("hello")] {
            let mut request = RequestConfig::post(format!("{url}?key=query-secret"))
                .header("authorization", "Bearer token-secret")
                .header("cookie", "id=cookie-secret")
                .header("x-api-key", "field-secret");
            if let Some(proxy) = proxy {
                request = request.proxy(proxy.parse().unwrap());
            }
            if let Some(body) = body {
                request = request.data(body);
            }
            // One connection each.
            let backend = BlockingBackend::new().unwrap();
            assert_eq!(backend.request(request).await.unwrap().text(), "ok");
        }
    }

    let head = proxy.connections()[0].heads[0].clone();
    let credentials = head.header("proxy-authorization").unwrap().to_owned();
    assert_eq!(
        head.request_line(),
        "POST http://origin.example/?key=query-secret HTTP/1.1"
    );
    for head in [head, plain.connections()[0].heads[0].clone()] {
        assert_eq!(head.header("authorization"), Some("Bearer token-secret"));
        assert_eq!(head.header("cookie"), Some("id=cookie-secret"));
        assert_eq!(head.header("x-api-key"), Some("field-secret"));
    }

    let (lines, rows) = std::mem::take(&mut *MEMORY.0.lock().unwrap());
    assert!(rows.contains("host:.origin.example"), "nothing was caught");
    let credentials = credentials.strip_prefix("Basic ").unwrap();
    for secret in ["secret", credentials, "x-api-key"] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
        assert!(!rows.contains(secret), "{secret} in {rows}");
    }
}
