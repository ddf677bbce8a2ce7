//! SOCKS5 proxies: who resolves the name, credentials, and refusals.

use std::{net::IpAddr, sync::Arc};

use pr_connect::{Alpn, Connected, Connector};
use pr_core::{AddressFilter, BackendError, ErrorKind};
use pr_testkit::{
    ProxyFault, ProxyServer, ProxyTarget, Script, ScriptedServer, Server, TestCa, closed_port,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Table, connect_through, get, key_through, settings};

#[tokio::test]
async fn socks5h_leaves_the_name_to_the_proxy_and_socks5_does_not() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .socks5()
        .resolve("origin.invalid", server.addr())
        .start();
    let table = Arc::new(Table::new([("origin.invalid", &[[127, 0, 0, 1]])]));
    let settings = settings().resolver(Arc::clone(&table) as _);
    let port = server.addr().port();
    let url = server.url_with_host("origin.invalid", "/");
    for (scheme, target, asked) in [
        (
            "socks5h",
            ProxyTarget::Name("origin.invalid".into(), port),
            0,
        ),
        ("socks5", ProxyTarget::Address(server.addr()), 1),
    ] {
        let connected = connect_through(settings.clone(), &url, &proxy.url(scheme)).await;
        let mut connected = connected.unwrap();
        assert_eq!(connected.info.remote_addr, Some(proxy.addr()));
        assert!(connected.forwarding.is_none());
        let answer = get(&mut connected, "origin.invalid", "/get").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(proxy.requests().last().unwrap().target, target);
        assert_eq!(table.asked().len(), asked);
    }
}

#[tokio::test]
async fn socks5_uses_overrides_and_says_if_there_is_no_such_name() {
    let server = Server::start();
    let proxy = ProxyServer::socks5();
    let given = settings().resolve("given.invalid", [server.addr()]);
    // With the override's port.
    connect_through(given, "http://given.invalid/", &proxy.url("socks5"))
        .await
        .unwrap();
    let target = &proxy.requests()[0].target;
    assert_eq!(*target, ProxyTarget::Address(server.addr()));

    let nobody = settings().resolver(Arc::new(Table::new([])));
    let error = connect_through(nobody, "http://none.invalid/", &proxy.url("socks5"))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Dns);
    assert_eq!(proxy.connections().len(), 1);
}

#[tokio::test]
async fn tls_goes_through_with_credentials() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let proxy = ProxyServer::builder()
        .socks5()
        .credentials("us@r", "pä ss")
        .start();
    let through = proxy.url_with_credentials("socks5h", "us@r", "pä ss");
    connect_through(settings(), &server.url("/"), &through)
        .await
        .unwrap();
    assert_eq!(proxy.connections()[0].credentials, ["us@r:pä ss"]);

    for (through, text) in [
        (
            proxy.url_with_credentials("socks5h", "us@r", "s3cret"),
            "does not accept",
        ),
        (proxy.url("socks5h"), "put them into its URL"),
    ] {
        let error = connect_through(settings(), &server.url("/"), &through)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(error.message().contains(text), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_says_why() {
    let proxy = ProxyServer::socks5();
    for (reply, text) in [
        (1, "General"),
        (2, "not allowed"),
        (3, "Network unreachable"),
        (4, "Host unreachable"),
        (5, "refused"),
        (8, "Address type"),
        (77, "no meaning"),
    ] {
        proxy.set_fault(ProxyFault::SocksReply(reply));
        let error = connect_through(settings(), "https://origin.invalid/", &proxy.url("socks5h"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(error.message().contains(text), "{reply}: {error}");
        assert!(!error.chain().contains("Unknown auth method"), "{reply}");
    }
}

#[tokio::test]
async fn the_proxy_is_asked_for_all_addresses_until_it_reaches_one() {
    let server = Server::start();
    let closed = closed_port().unwrap();
    let unreachable = ([203, 0, 113, 1], 80).into();
    let addresses = [closed.addr(), unreachable, server.addr(), closed.addr()];
    let forbidden = |address| address != IpAddr::from([203, 0, 113, 1]);
    let plain = || settings().resolve("origin.invalid", addresses);
    for (credentials, settings, asked) in [
        (false, plain(), &addresses[..3]),
        (true, plain(), &addresses[..3]),
        (
            false,
            plain().address_filter(AddressFilter::new(forbidden)),
            &[closed.addr(), server.addr()],
        ),
    ] {
        let mut proxy = ProxyServer::builder().socks5();
        if credentials {
            proxy = proxy.credentials("user", "pass");
        }
        let proxy = proxy.start();
        let through = if credentials {
            proxy.url_with_credentials("socks5", "user", "pass")
        } else {
            proxy.url("socks5")
        };
        let connected = connect_through(settings, "http://origin.invalid/", &through).await;
        let answer = get(&mut connected.unwrap(), "origin.invalid", "/get").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let targets = proxy.requests().into_iter().map(|request| request.target);
        let expected = asked.iter().copied().map(ProxyTarget::Address);
        assert_eq!(targets.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        assert_eq!(proxy.connections().len(), asked.len());
    }
}

#[tokio::test]
async fn only_a_refusal_of_the_address_leads_to_the_next() {
    let proxy = ProxyServer::socks5();
    for reply in [1, 2, 3, 4, 5, 6, 7, 8, 0x42] {
        proxy.set_fault(ProxyFault::SocksReply(reply));
        let table = Table::new([("origin.invalid", &[[127, 0, 0, 1], [127, 0, 0, 2]])]);
        let settings = settings().resolver(Arc::new(table));
        let before = proxy.requests().len();
        let error = connect_through(settings, "http://origin.invalid/", &proxy.url("socks5"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        let asked = if matches!(reply, 3 | 4 | 5 | 6 | 8) {
            2
        } else {
            1
        };
        assert_eq!(proxy.requests().len() - before, asked, "{reply}");
    }
}

#[tokio::test]
async fn a_name_is_forgotten_when_the_proxy_reaches_none_of_its_addresses() {
    let proxy = ProxyServer::socks5();
    let table = Arc::new(Table::new([("origin.invalid", &[[127, 0, 0, 1]])]));
    let connector = Connector::new(&settings().resolver(Arc::clone(&table) as _)).unwrap();
    let key = key_through("http://origin.invalid/", Some(&proxy.url("socks5")), true);
    for (reply, asked) in [(1, 1), (4, 1), (1, 2)] {
        proxy.set_fault(ProxyFault::SocksReply(reply));
        connector.connect(&key, Alpn::Http1).await.unwrap_err();
        assert_eq!(table.asked().len(), asked);
    }
}

#[tokio::test]
async fn what_is_not_socks5_is_a_proxy_error() {
    let answers: [&[u8]; 8] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\x05",
        b"\x05\x07",
        b"\x05\x00\x04\x00\x00\x01",
        b"\x05\x00\x05\x00\x01\x01",
        b"\x05\x00\x05\x00\x00\x09",
        b"\x05\x00\x05\x00\x00\x01\x7f",
    ];
    for answer in answers {
        let script = Script::new().expect_bytes(3).send(answer.to_vec());
        let server = ScriptedServer::once(script.close());
        let proxy = format!("socks5h://{}", server.authority());
        let error = connect_through(settings(), "https://origin.invalid/", &proxy)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy, "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn every_form_of_the_proxys_own_address_is_read_to_its_end() {
    let forms: [&[u8]; 3] = [
        b"\x01\x00\x00\x00\x00\x00\x00",
        b"\x03\x05proxy\x00\x00",
        b"\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    ];
    for form in forms {
        let done = [b"\x05\x00\x00", form].concat();
        let script = Script::new()
            .expect(&b"\x05\x01\x00"[..])
            .send(&b"\x05\x00"[..])
            .expect(&b"\x05\x01\x00\x03\x0eorigin.example\x00\x51"[..])
            .send(done)
            .expect("ping")
            .send("pong");
        let server = ScriptedServer::once(script);
        let proxy = format!("socks5h://{}", server.authority());
        ping(connect_through(settings(), "http://origin.example:81/", &proxy).await).await;
    }
}

async fn ping(connected: Result<Connected, BackendError>) {
    let mut connected = connected.unwrap();
    connected.io.write_all(b"ping").await.unwrap();
    let mut answer = [0; 4];
    connected.io.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"pong");
}

#[tokio::test]
async fn what_socks_cannot_carry_is_refused_before_the_proxy_is_dialed() {
    let proxy = ProxyServer::socks5();
    let long_name = format!("http://{}/", vec!["a"; 129].join("."));
    let long_password = "s3cret".repeat(43);
    let at = proxy.authority();
    for (url, through, text) in [
        (&*long_name, proxy.url("socks5h"), "255 bytes"),
        (&*long_name, proxy.url("socks5"), "255 bytes"),
        ("http://a/", format!("socks5h://%ff:s3cret@{at}"), "UTF-8"),
        (
            "http://a/",
            format!("socks5h://u:{long_password}@{at}"),
            "255 bytes",
        ),
        ("http://a/", format!("socks5h://u@{at}"), "1 to 255 bytes"),
    ] {
        let error = connect_through(settings(), url, &through)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{through}");
        assert!(error.message().contains(text), "{error}");
    }
    assert!(proxy.connections().is_empty());
    // The longest one that fits goes out whole.
    let longest = format!("{}.a", vec!["a"; 127].join("."));
    assert_eq!(longest.len(), 255);
    let url = format!("http://{longest}/");
    connect_through(settings(), &url, &proxy.url("socks5h"))
        .await
        .unwrap_err();
    assert_eq!(proxy.requests()[0].target.host(), longest);
}
