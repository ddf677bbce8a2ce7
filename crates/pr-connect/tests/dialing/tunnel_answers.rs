//! What proxies answer to CONNECT, and what becomes of it.

use pr_core::ErrorKind::{Protocol, Proxy};
use pr_testkit::{ProxyFault, ProxyServer, Script, ScriptedServer, Server, TestCa};

use crate::support::{connect_through, settings};

/// The error of asking a proxy for a tunnel that answers in this way, and closes.
async fn refused(answer: &str, credentials: &str) -> pr_core::BackendError {
    let script = Script::new().expect_head().send(answer.to_owned()).close();
    let server = ScriptedServer::once(script);
    let proxy = format!("http://{credentials}{}", server.authority());
    let error = connect_through(settings(), "https://origin.example/", &proxy)
        .await
        .unwrap_err();
    assert_eq!(server.connections().len(), 1);
    error
}

#[tokio::test]
async fn a_refusal_says_with_which_status() {
    for (head, status, credentials, text) in [
        (
            "407 No\r\ncontent-length: 0",
            407,
            "",
            "put them into its URL",
        ),
        (
            "407 No\r\ncontent-length: 0",
            407,
            "u:s3cret@",
            "does not accept",
        ),
        (
            "403 No\r\ncontent-length: 4\r\n\r\nno!!",
            403,
            "",
            "status 403",
        ),
        ("502 No", 502, "", "status 502"),
        (
            "302 No\r\nlocation: http://127.0.0.1/",
            302,
            "",
            "status 302",
        ),
        ("101 No", 101, "", "status 101"),
        ("100 Wait\r\n\r\nHTTP/1.1 503 No", 503, "", "status 503"),
        ("999", 999, "", "status 999"),
    ] {
        let error = refused(&format!("HTTP/1.1 {head}\r\n\r\n"), credentials).await;
        assert_eq!(error.kind(), Proxy, "{head:?}");
        let told = error.proxy_status().map(|status| status.as_u16());
        assert_eq!(told, Some(status), "{head:?}");
        assert!(error.message().contains(text), "{head:?}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(17 << 10));
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(17 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    // Each is short enough, but not all of them.
    let hint = format!("HTTP/1.1 103 Hint\r\nx: {}\r\n\r\n", "a".repeat(6 << 10));
    let hints = format!("{}HTTP/1.1 200 OK\r\n\r\n", hint.repeat(3));
    let waiting = "HTTP/1.1 100 Wait\r\n\r\n".repeat(33);
    for (answer, kind, text) in [
        ("220 mail.example\r\n\r\n", Proxy, "not HTTP/1.1"),
        ("HTTP/2 200 OK\r\n\r\n", Proxy, "not HTTP/1.1"),
        ("HTTP/1.1 000 OK\r\n\r\n", Proxy, "not HTTP/1.1"),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Proxy, "not HTTP/1.1"),
        ("HTTP/1.1 200 OK\0\r\n\r\n", Protocol, "NUL"),
        ("HTTP/1.1 200 OK\r\nx: \0\r\n\r\n", Protocol, "NUL"),
        ("HTTP/1.1 200 OK\r\n\0: x\r\n\r\n", Protocol, "NUL"),
        ("HTTP/1.1 200 OK\r\n", Proxy, "without an answer"),
        ("", Proxy, "without an answer"),
        ("HTTP/1.1 100 Wait\r\n\r\n", Proxy, "without an answer"),
        (
            "HTTP/1.1 200 OK\r\n\r\nearly",
            Proxy,
            "before the tunnel was used",
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly",
            Proxy,
            "before the tunnel was used",
        ),
        (&long, Proxy, "16 KiB"),
        (&endless, Proxy, "16 KiB"),
        (&hints, Proxy, "16 KiB"),
        (&many, Proxy, "100 header fields"),
        (&waiting, Proxy, "32 informational"),
    ] {
        let error = refused(answer, "").await;
        assert_eq!(error.kind(), kind, "{answer:?}");
        assert!(error.message().contains(text), "{answer:?}: {error}");
        assert_eq!(error.proxy_status(), None);
    }
}

#[tokio::test]
async fn a_tunnel_begins_after_the_head_whatever_the_head_says() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let fields = "x: y\r\n".repeat(99);
    for head in [
        "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\n\r\n",
        "HTTP/1.1 100 Wait\r\n\r\nHTTP/1.1 102 Wait\r\nx: y\r\n\r\nHTTP/1.1 299 OK\r\n\r\n",
        &format!("HTTP/1.1 200 OK\r\n{fields}\r\n"),
        // 16 KiB to the byte.
        &format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "a".repeat((16 << 10) - 24)
        ),
    ] {
        let fault = ProxyFault::TunnelHead(head.to_owned().into());
        let proxy = ProxyServer::builder().fault(fault).start();
        connect_through(settings(), &server.url("/"), &proxy.url("http"))
            .await
            .unwrap_or_else(|error| panic!("{head:?}: {error}"));
    }
}

#[tokio::test]
async fn a_refusal_is_read_even_if_the_proxy_did_not_read_the_request() {
    let script = Script::new().send("HTTP/1.1 503 Busy\r\n\r\n");
    let server = ScriptedServer::once(script.expect_head().close());
    let proxy = format!("http://{}", server.authority());
    let error = connect_through(settings(), "https://origin.example/", &proxy)
        .await
        .unwrap_err();
    assert!(error.message().contains("503"), "{error}");
}
