//! A request that is dropped lets go of everything, and disturbs nobody.

use futures::StreamExt;
use pr_core::{BackendExt, RequestConfig};

use super::subject::Subject;

pub(super) async fn a_dropped_request_is_abandoned(subject: Subject) {
    for link in subject.links() {
        let (backend, url) = (link.backend.clone(), link.url("/hang"));
        let hanging = tokio::spawn(async move { backend.request(url).await });
        link.seen("the request is there", |seen| {
            seen.requests_in_flight() == 1
        })
        .await;
        hanging.abort();
        link.seen("the request is abandoned", |seen| {
            seen.requests_abandoned == 1
        })
        .await;
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn a_dropped_body_is_abandoned(subject: Subject) {
    for link in subject.links() {
        let url = link.url("/stream-bytes/1000000000?chunk_size=65536");
        let mut response = match link.backend.stream(url).await {
            Ok(response) => response,
            Err(error) => panic!("{}: {}", link.label, error.chain()),
        };
        assert!(
            response.next().await.is_some_and(|piece| piece.is_ok()),
            "{}",
            link.label
        );
        drop(response);
        link.seen("the request is abandoned", |seen| {
            seen.requests_abandoned == 1
        })
        .await;
        assert_eq!(link.answer(link.url("/get")).await.status_code(), 200);
    }
}

pub(super) async fn dropped_requests_free_what_they_held(subject: Subject) {
    // With so few threads and streams, any that stayed behind would be missed.
    for link in subject.links_with(|server| server.max_concurrent_streams(2)) {
        let backend = match link.version {
            http::Version::HTTP_2 => link.backend.clone(),
            _ => subject.backend_with(|config| config.max_threads(2)),
        };
        for round in 1..=3 {
            let hanging: Vec<_> = (0..2)
                .map(|_| {
                    let (backend, url) = (backend.clone(), link.url("/hang"));
                    tokio::spawn(async move { backend.request(url).await })
                })
                .collect();
            link.seen("both are there", |seen| seen.requests_in_flight() == 2)
                .await;
            hanging.iter().for_each(tokio::task::JoinHandle::abort);
            link.seen("both are abandoned", |seen| {
                seen.requests_abandoned == 2 * round
            })
            .await;
        }
        let answer = backend.request(link.url("/get")).await;
        assert!(answer.is_ok(), "{}: {answer:?}", link.label);
    }
}

pub(super) async fn a_dropped_request_disturbs_no_other(subject: Subject) {
    for link in subject.links() {
        let slow = (0..5).map(|_| {
            let (backend, url) = (link.backend.clone(), link.url("/delay/0.5"));
            tokio::spawn(async move { backend.request(url).await })
        });
        let slow: Vec<_> = slow.collect();
        let doomed = (0..5).map(|_| {
            let request = RequestConfig::post(link.url("/hang")).data("doomed");
            let backend = link.backend.clone();
            tokio::spawn(async move { backend.request(request).await })
        });
        let doomed: Vec<_> = doomed.collect();
        link.seen("all are there", |seen| seen.requests_begun == 10)
            .await;
        doomed.iter().for_each(tokio::task::JoinHandle::abort);
        for request in slow {
            let outcome = request.await.expect("the request does not panic");
            let status = outcome.map(|response| response.status_code().as_u16());
            assert!(matches!(status, Ok(200)), "{}: {status:?}", link.label);
        }
        link.seen("five are abandoned", |seen| seen.requests_abandoned == 5)
            .await;
    }
}
