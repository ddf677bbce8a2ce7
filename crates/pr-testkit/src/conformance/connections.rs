//! Connections are kept up to a limit, shared where they may be, and replaced when they are gone.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use pr_core::{BackendExt, Capability, RequestConfig};

use super::subject::{Link, PATIENCE, Subject};
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

async fn wait_until_closed(link: &Link) {
    link.seen("every connection is closed", |seen| {
        seen.connections_open == 0
    })
    .await;
}

pub(super) async fn a_reset_lets_go_of_every_connection(subject: Subject) {
    for link in subject.links() {
        let label = link.label;
        // Without connections there is nothing to do, and no harm done.
        link.backend.reset_connections();
        let mut seen = Vec::new();
        for round in 1..=3 {
            // Twice, so that it is the reset and nothing else that costs the connection.
            for again in [false, true] {
                let connection = link.answer(link.url("/get")).await.connection();
                assert_eq!(connection.reused, again, "{label}, round {round}");
                seen.push(connection.id);
            }
            link.backend.reset_connections();
            wait_until_closed(&link).await;
        }
        seen.dedup();
        assert_eq!(seen.len(), 3, "{label}: {seen:?}");
        let counts = link.server.ledger().counts();
        assert_eq!(
            (counts.connections_accepted, counts.requests_answered),
            (3, 6),
            "{label}"
        );
    }
}

pub(super) async fn a_reset_disturbs_nothing_in_flight(subject: Subject) {
    const LENGTH: usize = 20_000_000;
    for link in subject.links() {
        let label = link.label;
        for again in [false, true] {
            let connection = link.answer(link.url("/get")).await.connection();
            assert_eq!(connection.reused, again, "{label}");
        }
        let request = RequestConfig::get(link.url(&format!("/stream-bytes/{LENGTH}")));
        let mut body = match link.backend.stream(request).await {
            Ok(body) => body,
            Err(error) => panic!("{label}: {}", error.chain()),
        };
        let old = body.connection().id;
        // One whose head is awaited, and one whose body is read.
        let (backend, url) = (link.backend.clone(), link.url("/delay/0.3"));
        let awaited = tokio::spawn(async move { backend.request(url).await });
        link.seen("both are there", |seen| seen.requests_begun == 4)
            .await;
        link.backend.reset_connections();
        let next = link.answer(link.url("/get")).await.connection();
        assert!(!next.reused && next.id != old, "{label}: {next:?}");

        let mut check = content::Check::default();
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
            check
                .feed(&piece)
                .unwrap_or_else(|error| panic!("{label}: {error}"));
        }
        assert_eq!(check.length(), LENGTH as u64, "{label}");
        let awaited = awaited.await.expect("the request does not panic");
        let answered = awaited.unwrap_or_else(|error| panic!("{label}: {}", error.chain()));
        assert_eq!(answered.attempts(), 1, "{label}");

        // What carried them has ended with them; only the new connection is left.
        link.seen("the old connections are closed", |seen| {
            seen.connections_open == 1
        })
        .await;
        let last = link.answer(link.url("/get")).await.connection();
        assert_eq!(last.id, next.id, "{label}");
    }
}
