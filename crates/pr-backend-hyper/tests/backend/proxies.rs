//! Requests that a proxy forwards, and connections that must not be shared across proxies.

use http::Method;
use pr_backend_hyper::{Backend, BackendExt, RequestConfig};
use pr_core::{OutgoingBody, Proxy};
use pr_testkit::{Script, ScriptedServer};

use crate::support::{backend, request, wait_for_tasks};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn through(proxy: &str, path: &str) -> RequestConfig {
    let url = format!("http://origin.example:81{path}");
    RequestConfig::get(url.as_str()).proxy(Proxy::new(proxy).unwrap())
}

#[tokio::test]
async fn a_connection_to_a_proxy_is_shared_by_one_origin_and_one_user() {
    let server = ScriptedServer::always(Script::new().expect_head().send(OK).repeat());
    let backend = backend();
    let ann = format!("http://ann:a@{}", server.authority());
    let bob = format!("http://bob:b@{}", server.authority());
    let first = backend
        .request(through(&ann, "/1"))
        .await
        .unwrap()
        .connection();
    let second = backend
        .request(through(&ann, "/2"))
        .await
        .unwrap()
        .connection();
    let third = backend
        .request(through(&bob, "/3"))
        .await
        .unwrap()
        .connection();
    assert_eq!(first.id, second.id);
    assert_ne!(first.id, third.id);
    let direct = backend
        .request(server.url("/4"))
        .await
        .unwrap()
        .connection();
    assert!(!direct.reused);

    let connections = server.connections();
    let heads = |index: usize| connections[index].heads.iter();
    let credentials: Vec<_> = heads(0)
        .map(|head| head.header("proxy-authorization"))
        .collect();
    assert_eq!(credentials, [Some("Basic YW5uOmE="); 2]);
    assert_eq!(
        heads(0).last().unwrap().request_line(),
        "GET http://origin.example:81/2 HTTP/1.1"
    );
    assert_eq!(
        connections[1].heads[0].header("proxy-authorization"),
        Some("Basic Ym9iOmI=")
    );
    // Without a proxy, the same backend says neither.
    assert_eq!(connections[2].heads[0].request_line(), "GET /4 HTTP/1.1");
    assert_eq!(connections[2].heads[0].header("proxy-authorization"), None);
}

#[tokio::test]
async fn a_request_that_takes_a_second_connection_is_addressed_once() {
    let server = ScriptedServer::builder()
        .connection(Script::new().expect_head().send(OK).close())
        .connection(Script::new().expect_head().expect_bytes(4).send(OK).stall())
        .start();
    let backend = backend();
    let proxy = format!("http://ann:a@{}", server.authority());
    backend.request(through(&proxy, "/1")).await.unwrap();
    // The task that sees idle connections out is left.
    wait_for_tasks(1).await;
    let mut post = request(Method::POST, "http://origin.example:81/2");
    let url = url::Url::parse("http://origin.example:81/2").unwrap();
    let proxy = Some(Proxy::new(&proxy).unwrap());
    post.key = pr_core::ConnectionKey::new(&url, proxy, true, post.key.protocol()).unwrap();
    post.body = OutgoingBody::Full("once".into());
    backend.exchange(post).await.unwrap();
    let connections = server.connections();
    let head = &connections[1].heads[0];
    assert_eq!(
        head.request_line(),
        "POST http://origin.example:81/2 HTTP/1.1"
    );
    assert_eq!(head.header_values("proxy-authorization").len(), 1);
    assert_eq!(head.header_values("host"), ["origin.example:81"]);
}
