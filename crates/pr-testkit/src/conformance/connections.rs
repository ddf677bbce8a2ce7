//! Connections are kept up to a limit, shared where they may be, and replaced when they are gone.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pr_core::{BackendExt, Capability, RequestConfig};

use super::subject::{PATIENCE, Subject};
use crate::{Server, TestCa, content};

pub(super) async fn sequential_requests_share_a_connection(subject: Subject) {
    for link in subject.links() {
        let mut connections = Vec::new();
        for path in [
            "/get",
            "/status/500",
            "/status/204",
            "/bytes/100000",
            "/stream/5",
        ] {
            connections.push(link.answer(link.url(path)).await.connection());
        }
        let post = RequestConfig::post(link.url("/post")).data("body");
        connections.push(link.answer(post).await.connection());
        let counts = link.server.ledger().counts();
        assert_eq!(counts.connections_accepted, 1, "{}", link.label);
        assert!(
            connections.iter().all(|one| one.id == connections[0].id),
            "{connections:?}"
        );
        let reused: Vec<_> = connections.iter().map(|one| one.reused).collect();
        assert_eq!(
            reused,
            [false, true, true, true, true, true],
            "{}",
            link.label
        );
    }
}

pub(super) async fn a_connection_closed_while_idle_is_replaced(subject: Subject) {
    for link in subject.links() {
        for gracefully in [true, false] {
            link.answer(link.url("/get")).await;
            if gracefully {
                link.server.drain_clients();
            } else {
                link.server.disconnect_clients();
            }
            link.seen("the connection is closed", |seen| {
                seen.connections_open == 0
            })
            .await;
            assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
        }
        assert_eq!(
            link.server.ledger().counts().connections_accepted,
            3,
            "{}",
            link.label
        );
    }
}

pub(super) async fn an_unread_body_does_no_harm(subject: Subject) {
    for link in subject.links() {
        for size in [100, 10_000_000] {
            let url = link.url(&format!("/bytes/{size}"));
            let response = link.backend.stream(url).await;
            drop(response.unwrap_or_else(|error| panic!("{}: {}", link.label, error.chain())));
            let next = link.answer(link.url("/bytes/1000")).await;
            assert_eq!(next.content(), &content::bytes(1000), "{}", link.label);
        }
    }
}

pub(super) async fn verified_and_unverified_do_not_share(subject: Subject) {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let backend = subject.backend();
    for (verify, connections) in [(false, 1), (true, 2), (false, 2), (true, 2)] {
        let request = RequestConfig::get(server.url("/get")).verify_ssl(verify);
        let response = backend.request(request).await;
        response.unwrap_or_else(|error| panic!("{}", error.chain()));
        if subject.can(Capability::ConnectionReuse) || connections == 1 {
            assert_eq!(server.ledger().counts().connections_accepted, connections);
        } else {
            assert!(server.ledger().counts().connections_accepted >= connections);
        }
    }
}

pub(super) async fn idle_connections_are_kept_up_to_a_limit(subject: Subject) {
    let servers: Vec<_> = (0..8)
        .map(|_| Server::builder().http1_only().start())
        .collect();
    let backend = subject.backend_with(|config| config.max_idle(3));
    for server in &servers {
        let response = backend.request(server.url("/get")).await;
        response.unwrap_or_else(|error| panic!("{}", error.chain()));
    }
    let open = |server: &Server| server.ledger().counts().connections_open;
    let closings: FuturesUnordered<_> = servers
        .iter()
        .map(|server| {
            let closed = |seen: &crate::Counts| seen.connections_open == 0;
            server.ledger().wait_until(closed, PATIENCE)
        })
        .collect();
    for closing in closings.take(5).collect::<Vec<_>>().await {
        assert!(
            closing.is_ok(),
            "{} connections stay open, 3 may",
            servers.iter().map(open).sum::<u64>()
        );
    }
    // The one that has been idle for the shortest time is not among those that had to go.
    let last = &servers[7];
    let response = backend.request(last.url("/get")).await;
    response.unwrap_or_else(|error| panic!("{}", error.chain()));
    assert_eq!(last.ledger().counts().connections_accepted, 1);
}
