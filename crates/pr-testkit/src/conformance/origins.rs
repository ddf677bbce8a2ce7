//! What cases of proxies work with: origins that only a proxy finds, and ways to them that must not
//! mix.

use pr_core::{BackendExt, Capability, Proxy, RequestConfig};

use super::subject::Subject;
use crate::{ProxyServer, ProxyServerBuilder, Server, TestCa};

/// A name that nobody but a proxy knows (RFC 6761 section 6.4).
pub(super) const NAME: &str = "origin.invalid";

/// An origin, and how a request gets there through an HTTP proxy.
pub(super) struct Origin {
    pub(super) label: &'static str,
    pub(super) server: Server,
    pub(super) is_tls: bool,
}

/// One origin for each protocol that may be spoken through a proxy.
pub(super) fn origins(subject: &Subject) -> Vec<Origin> {
    let mut origins = vec![Origin {
        label: "without TLS",
        server: Server::builder().http1_only().start(),
        is_tls: false,
    }];
    let identity = || TestCa::shared().issue(&[NAME, "localhost", "127.0.0.1"]);
    let mut add = |label, server| {
        origins.push(Origin {
            label,
            server,
            is_tls: true,
        });
    };
    if subject.can(Capability::Tls) {
        let server = Server::builder().tls(identity()).http1_only();
        add("HTTP/1.1 over TLS", server.start());
    }
    if subject.can(Capability::Http2) {
        let server = Server::builder().tls(identity());
        add("HTTP/2 over TLS", server.start());
    }
    origins
}

impl Origin {
    /// A URL with the name that only a proxy knows.
    pub(super) fn url(&self, path: &str) -> String {
        self.server.url_with_host(NAME, path)
    }

    /// A proxy that knows the name.
    pub(super) fn known_to(&self, proxy: ProxyServerBuilder) -> ProxyServer {
        proxy.resolve(NAME, self.server.addr()).start()
    }

    pub(super) fn assert_untouched(&self, what: &str) {
        let counts = self.server.ledger().counts();
        assert_eq!(counts.connections_accepted, 0, "{}: {what}", self.label);
    }
}

pub(super) fn proxy(url: &str) -> Proxy {
    Proxy::new(url).expect("the proxy's URL is one")
}

/// That requests over one of several routes never ride on a connection of another one.
pub(super) async fn assert_not_shared(
    subject: &Subject,
    scheme: &str,
    make: impl Fn() -> ProxyServerBuilder,
) {
    for origin in origins(subject) {
        let (first, second) = (make().start(), make().start());
        let route = |server: &ProxyServer, user: &str| match user {
            "" => proxy(&server.url(scheme)),
            user => proxy(&server.url_with_credentials(scheme, user, "password")),
        };
        let routes = [
            None,
            Some(route(&first, "")),
            Some(route(&first, "one")),
            Some(route(&first, "two")),
            Some(route(&second, "one")),
            Some(route(&second, "")),
        ];
        let backend = subject.backend();
        // Every ordered pair of routes follows one another somewhere in this.
        for step in 0..routes.len() {
            for turn in 0..routes.len() {
                let request = RequestConfig::get(origin.server.url("/get"));
                let request = match &routes[turn * (step + 1) % routes.len()] {
                    None => request,
                    Some(route) => request.proxy(route.clone()),
                };
                let response = backend.request(request).await;
                let response = response.unwrap_or_else(|error| panic!("{}", error.chain()));
                assert_eq!(response.status_code(), 200, "{}", origin.label);
            }
        }
        for (server, ways) in [(&first, 3), (&second, 2)] {
            let connections = server.connections();
            for connection in &connections {
                let mut shown: Vec<_> = connection
                    .requests
                    .iter()
                    .map(|request| &request.credentials)
                    .collect();
                shown.dedup();
                assert!(shown.len() <= 1, "{}: {shown:?}", origin.label);
            }
            assert!(connections.len() >= ways, "{}", origin.label);
            if subject.can(Capability::ConnectionReuse) {
                assert_eq!(connections.len(), ways, "{}", origin.label);
            }
        }
    }
}
