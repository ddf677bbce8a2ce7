//! The client over the real transports, called from wherever a caller may be.

use std::time::{Duration, Instant};

use futures::{FutureExt, future::LocalBoxFuture};
use parallel_requests::{ErrorKind, ParallelRequests, RequestConfig, RetryPolicy, TransportConfig};
use pr_testkit::{Counts, Server};

const CONCURRENCY: usize = 8;

/// How long a test waits for what is bound to happen.
const BOUND: Duration = Duration::from_secs(20);

/// What is done with a client and a server.
type Work = LocalBoxFuture<'static, ()>;

/// Where a client is called from, and how that is waited for.
type Caller = (&'static str, fn(Work));

/// Does this with each backend that is compiled in, from wherever a client may be called: from no
/// runtime at all, and from either kind of Tokio's.
fn everywhere(work: fn(ParallelRequests, Server) -> Work) {
    use tokio::runtime::Builder;

    let callers: [Caller; 3] = [
        ("no runtime", |work| pollster::block_on(work)),
        ("a current-thread runtime", |work| {
            let runtime = Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(work);
        }),
        ("a multi-threaded runtime", |work| {
            let runtime = Builder::new_multi_thread().enable_all().build();
            runtime.unwrap().block_on(work);
        }),
    ];
    for backend in parallel_requests::available_backends() {
        for (name, caller) in callers {
            eprintln!("{backend}, called from {name}");
            let transport = TransportConfig::default().http2_prior_knowledge(backend == "h2");
            let client = ParallelRequests::builder()
                .backend(backend)
                .concurrency(CONCURRENCY)
                .retry(RetryPolicy::never())
                .transport(transport)
                .build()
                .unwrap();
            caller(work(client, Server::start()));
        }
    }
}

/// Waits until the server has seen this; on a thread, because the ledger's own future needs a
/// runtime.
async fn seen(server: &Server, what: fn(&Counts) -> bool) {
    let ledger = server.ledger().clone();
    let (tell, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = tell.send(ledger.wait_until_blocking(what, BOUND).map(drop));
    });
    told.await.unwrap().unwrap();
}

fn every_place_is_taken(seen: &Counts) -> bool {
    seen.requests_begun >= CONCURRENCY as u64
}

#[test]
fn batches_single_requests_and_open_ones_get_through_within_the_concurrency() {
    everywhere(|client, server| {
        async move {
            let batch = client
                .request((0..200).map(|_| server.url("/bytes/100")))
                .await;
            assert_eq!(batch.successes().count(), 200);
            for outcome in &batch {
                assert_eq!(outcome.response().unwrap().content().len(), 100);
            }
            let one = client.get(server.url("/bytes/7")).await.unwrap();
            assert_eq!(one.content().len(), 7);
            let open = client.open(server.url("/bytes/3000000")).await;
            if tokio::runtime::Handle::try_current().is_ok() {
                let whole = open.unwrap().into_whole().await.unwrap();
                assert_eq!(whole.content().len(), 3_000_000);
            } else {
                assert_eq!(open.unwrap_err().kind(), ErrorKind::Config);
                // For the count below.
                client.get(server.url("/bytes/7")).await.unwrap();
            }
            client.close().await;

            seen(&server, |seen| seen.connections_open == 0).await;
            let counts = server.ledger().counts();
            assert_eq!(counts.requests_begun, 202);
            let in_flight = usize::try_from(counts.max_requests_in_flight).unwrap();
            assert!(in_flight <= CONCURRENCY, "{in_flight}");
        }
        .boxed_local()
    });
}

#[test]
fn timeouts_are_on_time_though_every_place_is_taken() {
    everywhere(|client, server| {
        async move {
            let slow =
                |_| RequestConfig::get(server.url("/delay/60")).timeout(Duration::from_millis(100));
            let started = Instant::now();
            let batch = client.request((0..3 * CONCURRENCY).map(slow)).await;
            for outcome in &batch {
                assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Timeout);
            }
            assert!(started.elapsed() < BOUND);
            let after = client.get(server.url("/bytes/7")).await.unwrap();
            assert_eq!(after.content().len(), 7);
        }
        .boxed_local()
    });
}

#[test]
fn closing_in_the_middle_leaves_no_request_without_an_outcome() {
    everywhere(|client, server| {
        async move {
            let slow = (0..100).map({
                let url = server.url("/delay/60");
                move |_| url.clone()
            });
            let mut outcomes = client.stream(slow);
            let begun = async {
                seen(&server, every_place_is_taken).await;
                client.close().await;
            };
            let (first, ()) = futures::join!(outcomes.next(), begun);
            assert_eq!(first.unwrap().error().unwrap().kind(), ErrorKind::Closed);
            let mut rest = 0;
            while let Some(outcome) = outcomes.next().await {
                assert_eq!(outcome.error().unwrap().kind(), ErrorKind::Closed);
                rest += 1;
            }
            assert_eq!(rest, 99);
        }
        .boxed_local()
    });
}

#[test]
fn a_dropped_stream_frees_its_places() {
    everywhere(|client, server| {
        async move {
            let slow = std::iter::repeat_with({
                let url = server.url("/delay/60");
                move || url.clone()
            });
            let mut outcomes = client.stream(slow);
            tokio::select! {
                _ = outcomes.next() => panic!("the server takes a minute"),
                () = seen(&server, every_place_is_taken) => {}
            }
            drop(outcomes);
            let quick = client
                .request((0..20).map(|_| server.url("/bytes/7")))
                .await;
            assert_eq!(quick.successes().count(), 20);
        }
        .boxed_local()
    });
}
