//! What opening a connection took, part by part.

use std::sync::Arc;

use pr_testkit::{ProxyServer, Server, TestCa};
use tokio::time::Instant;

use crate::support::{Table, connect_key, key_through, settings};

#[tokio::test]
async fn each_part_has_its_time_if_it_was_there() {
    let plain = Server::start();
    let encrypted = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::http();
    let tls_proxy = ProxyServer::builder()
        .tls(TestCa::shared().localhost())
        .start();
    let socks = ProxyServer::socks5();
    let table = Arc::new(Table::new([("one.example", &[[127, 0, 0, 1]])]));
    let settings = settings()
        .resolver(table)
        .resolve("given.example", [plain.addr()]);
    let named = plain.url_with_host("one.example", "/");
    let (http, https) = (plain.url("/"), encrypted.url("/"));
    let named_proxy = format!("http://one.example:{}", proxy.addr().port());
    // URL, proxy; DNS, proxy, TLS. TCP is always there.
    for (url, through, expected) in [
        (&*http, None, [false, false, false]),
        (&named, None, [true, false, false]),
        ("http://given.example/", None, [false, false, false]),
        (&https, None, [false, false, true]),
        (&http, Some(proxy.url("http")), [false, false, false]),
        (&https, Some(proxy.url("http")), [false, true, true]),
        (&https, Some(named_proxy), [true, true, true]),
        (&http, Some(tls_proxy.url("https")), [false, true, false]),
        (&https, Some(tls_proxy.url("https")), [false, true, true]),
        (&named, Some(socks.url("socks5")), [true, true, false]),
        (&http, Some(socks.url("socks5h")), [false, true, false]),
    ] {
        let key = key_through(url, through.as_deref(), true);
        let begin = Instant::now();
        let timings = connect_key(settings.clone(), &key).await.unwrap().timings;
        let took = begin.elapsed();
        let there = [timings.dns, timings.proxy, timings.tls].map(|part| part.is_some());
        assert_eq!(there, expected, "{url} {through:?}");
        assert!(timings.tcp.is_some());
        assert!(timings.total() <= took);
    }
}
