//! Connections are kept, shared where they may be, replaced when they are gone, and closed.

use futures::StreamExt;
use pr_core::{BackendExt, Capability, ErrorKind, RequestConfig};

use super::subject::{PATIENCE, Subject, error_of};
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

pub(super) async fn closing_ends_what_is_in_flight(subject: Subject) {
    for link in subject.links() {
        let backend = link.backend.clone();
        let url = link.url("/hang");
        let hanging = tokio::spawn(async move { backend.request(url).await });
        link.seen("the request is there", |seen| {
            seen.requests_in_flight() == 1
        })
        .await;
        let closed = tokio::time::timeout(PATIENCE, link.backend.close()).await;
        assert!(closed.is_ok(), "{}: close() does not end", link.label);
        let ended = tokio::time::timeout(PATIENCE, hanging).await;
        let outcome = ended.unwrap_or_else(|_| panic!("{}: the request goes on", link.label));
        let error = error_of(link.label, outcome.expect("the request does not panic"));
        assert_eq!(
            error.kind(),
            ErrorKind::Closed,
            "{}: {}",
            link.label,
            error.chain()
        );
    }
}

pub(super) async fn closing_closes_every_connection(subject: Subject) {
    for link in subject.links() {
        link.answer(link.url("/get")).await;
        link.backend.close().await;
        link.seen("the connections are closed", |seen| {
            seen.connections_open == 0
        })
        .await;
        let error = error_of(link.label, link.request(link.url("/get")).await);
        assert_eq!(
            error.kind(),
            ErrorKind::Closed,
            "{}: {}",
            link.label,
            error.chain()
        );
        assert_eq!(
            link.server.ledger().counts().requests_begun,
            1,
            "{}",
            link.label
        );
    }
}

pub(super) async fn dropping_closes_every_connection(subject: Subject) {
    for link in subject.links() {
        link.answer(link.url("/get")).await;
        let mut body = match link
            .backend
            .stream(link.url("/stream-bytes/100000000"))
            .await
        {
            Ok(body) => body,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        assert!(
            body.next().await.is_some_and(|piece| piece.is_ok()),
            "{}",
            link.label
        );
        drop(body);
        let (server, label) = (link.server, link.label);
        drop(link.backend);
        let closed = |seen: &crate::Counts| seen.connections_open == 0;
        let waited = server.ledger().wait_until(closed, PATIENCE).await;
        waited.unwrap_or_else(|error| panic!("{label}: {error}"));
    }
}
