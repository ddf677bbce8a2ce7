//! What a client's settings do, over every transport that is compiled in: a change of backend
//! changes nothing.

use parallel_requests::{
    AddressFilter, Certificate, ErrorKind, Identity, ParallelRequests, Proxies, Proxy,
    RequestConfig, RetryPolicy, Roots, TlsConfig, available_backends,
};
use pr_testkit::{ProxyServer, Server, TestCa};

/// A client for each backend, with these settings.
fn clients(
    set: impl Fn(parallel_requests::ClientBuilder) -> parallel_requests::ClientBuilder,
) -> impl Iterator<Item = (&'static str, ParallelRequests)> {
    available_backends().map(move |name| {
        let builder = ParallelRequests::builder()
            .backend(name)
            .no_proxy()
            .retry(RetryPolicy::never());
        (name, set(builder).build().unwrap())
    })
}

#[cfg(feature = "cookies")]
#[tokio::test]
async fn a_clients_requests_share_a_jar() {
    for (backend, client) in
        clients(|builder| builder.cookie_jar(parallel_requests::CookieJar::new()))
    {
        let server = Server::start();
        let set = server.url("/cookies/set?session=31d4");
        client.get(set.as_str()).await.unwrap();
        let batch = client
            .request([server.url("/cookies"), server.url("/cookies")])
            .await;
        for outcome in &batch {
            let response = outcome.result.as_ref().unwrap();
            assert!(response.text().contains("31d4"), "{backend}");
        }
    }
}

#[tokio::test]
async fn a_client_goes_through_its_proxies() {
    let server = Server::start();
    let proxy = ProxyServer::builder()
        .credentials("user", "secret")
        .resolve("origin.invalid", server.addr())
        .start();
    let url = Proxy::new(&proxy.url_with_credentials("http", "user", "secret")).unwrap();
    let proxies = Proxies::all(url).no_proxy("127.0.0.1");
    for (backend, client) in clients(|builder| builder.proxy(proxies.clone())) {
        let before = proxy.requests().len();
        let response = client.get("http://origin.invalid/get").await.unwrap();
        assert_eq!(response.status_code(), 200, "{backend}");
        assert_eq!(proxy.requests().len(), before + 1, "{backend}");

        client.get(server.url("/get")).await.unwrap();
        assert_eq!(proxy.requests().len(), before + 1, "{backend}");

        let direct = RequestConfig::get("http://origin.invalid/get").no_proxy();
        let error = client.send(direct).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dns, "{backend}");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn content_is_decoded_up_to_a_limit() {
    for (backend, client) in clients(|builder| builder.max_body_size(10_000)) {
        let server = Server::start();
        let response = client.get(server.url("/gzip")).await.unwrap();
        assert!(response.is_json(), "{backend}");
        let echo: serde_json::Value = response.json().unwrap();
        assert!(echo.is_object(), "{backend}");

        let large = || RequestConfig::get(server.url("/bytes/10001"));
        let error = client.get(large()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{backend}");
        let response = client.get(large().max_body_size(10_001)).await.unwrap();
        assert_eq!(response.content().len(), 10_001, "{backend}");
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_whom_it_is_told_to() {
    let ca = TestCa::shared();
    let server = Server::builder()
        .tls(ca.localhost())
        .require_client_certificate(ca)
        .start();
    let roots = || Roots::Only(Certificate::from_pem_bundle(ca.pem().as_bytes()).unwrap());
    let mine = ca.issue_client("me");
    let identity =
        Identity::from_pem(mine.certificate_pem().as_bytes(), mine.key_pem().as_bytes()).unwrap();
    let tls = TlsConfig::default().roots(roots());
    for (backend, client) in clients(|builder| builder.tls(tls.clone())) {
        let url = server.url("/get");
        let error = client.get(url.as_str()).await.unwrap_err();
        // The peer refuses after the client's handshake; its alert may be overtaken by the end.
        let refused = [ErrorKind::Tls, ErrorKind::Closed];
        assert!(
            refused.contains(&error.kind()),
            "{backend}: {}",
            error.chain()
        );

        let with = RequestConfig::get(url.as_str()).tls(tls.clone().identity(identity.clone()));
        let response = client.send(with).await.unwrap();
        assert_eq!(response.status_code(), 200, "{backend}");

        // The connection that is there now is not for those without.
        let error = client.get(url.as_str()).await.unwrap_err();
        assert!(
            refused.contains(&error.kind()),
            "{backend}: {}",
            error.chain()
        );
    }
}

#[tokio::test]
async fn a_guarded_client_stays_out_of_private_networks() {
    let server = Server::start();
    for (backend, client) in clients(|builder| {
        builder
            .address_filter(AddressFilter::public_only())
            .resolve("innocent.example", [server.addr()])
    }) {
        for url in [
            server.url("/get"),
            "http://innocent.example/get".to_owned(),
            "http://localhost:1/".to_owned(),
            "http://[::ffff:127.0.0.1]:1/".to_owned(),
        ] {
            let error = client.get(url.as_str()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{backend}: {url}");
            assert!(!error.may_have_been_processed());
        }
    }
    assert_eq!(server.ledger().counts().connections_accepted, 0);
}

#[cfg(unix)]
#[tokio::test]
async fn a_request_goes_through_a_unix_socket() {
    use std::io::{Read, Write};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1_024];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /info HTTP/1.1\r\n"));
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhere";
            stream.write_all(answer).unwrap();
        }
    });
    for (backend, client) in clients(|builder| builder) {
        let request = RequestConfig::get("http://daemon/info").unix_socket(&path);
        let response = client.send(request).await.unwrap();
        assert_eq!(response.text(), "here", "{backend}");
        assert_eq!(response.connection().remote_addr, None);
    }
}
