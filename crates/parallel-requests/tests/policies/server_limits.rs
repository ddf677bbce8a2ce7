//! The pace that servers ask for in header fields.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use parallel_requests::{ClientBuilder, ParallelRequests, ServerLimits};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

/// A server with a fixed window of so many seconds and requests, which says so; and who came when,
/// and how many came for nothing.
struct Server {
    start: Instant,
    window: u64,
    limit: u64,
    used: Mutex<(u64, u64)>,
    arrivals: Mutex<Vec<u128>>,
    refused: Mutex<u64>,
}

impl Server {
    fn new(limit: u64, window: u64) -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            window,
            limit,
            used: Mutex::default(),
            arrivals: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    fn answer(&self, fields: fn(u64, u64, u64) -> Vec<(&'static str, String)>) -> Answer {
        let elapsed = self.start.elapsed();
        self.arrivals.lock().unwrap().push(elapsed.as_millis());
        let mut used = self.used.lock().unwrap();
        let number = elapsed.as_secs() / self.window;
        if used.0 != number {
            *used = (number, 0);
        }
        used.1 += 1;
        let answer = if used.1 > self.limit {
            *self.refused.lock().unwrap() += 1;
            Answer::status(403)
        } else {
            Answer::ok()
        };
        let reset = self.window - elapsed.as_secs() % self.window;
        fields(self.limit, self.limit.saturating_sub(used.1), reset)
            .into_iter()
            .fold(answer, |answer, (name, value)| answer.header(name, &value))
            .after(Duration::from_millis(5))
    }

    fn client(
        self: &Arc<Self>,
        fields: fn(u64, u64, u64) -> Vec<(&'static str, String)>,
    ) -> ClientBuilder {
        let server = self.clone();
        let backend = MemoryBackend::answering(move |request| {
            if request.uri.host() == Some("other.example") {
                Answer::ok().after(Duration::from_millis(5))
            } else {
                server.answer(fields)
            }
        });
        ParallelRequests::builder().backend(Arc::new(backend))
    }
}

fn draft(limit: u64, remaining: u64, reset: u64) -> Vec<(&'static str, String)> {
    vec![
        ("ratelimit", format!("\"default\";r={remaining};t={reset}")),
        ("ratelimit-policy", format!("\"default\";q={limit};w=10")),
    ]
}

fn wild(limit: u64, remaining: u64, reset: u64) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-remaining", remaining.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
    ]
}

fn urls(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("http://h.example/{n}"))
}

#[tokio::test(start_paused = true)]
async fn requests_are_spread_and_none_is_refused() {
    for fields in [draft, wild] {
        let server = Server::new(20, 10);
        let limits = ServerLimits::default();
        let client = server
            .client(fields)
            .server_limits(limits)
            .concurrency_per_host(2);
        let client = client.build().unwrap();
        assert_eq!(client.request(urls(100)).await.len(), 100);
        assert_eq!(*server.refused.lock().unwrap(), 0);
        let arrivals = server.arrivals.lock().unwrap().clone();
        assert_eq!(arrivals.len(), 100);
        // Close to what is allowed, and not in heaps.
        let last = *arrivals.last().unwrap();
        assert!((40_000..=65_000).contains(&last), "{last}");
        let heaps = arrivals.windows(4).filter(|four| four[3] - four[0] < 500);
        assert!(heaps.count() <= 5, "{arrivals:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_hosts_do_not_wait() {
    let server = Server::new(1, 1_000);
    let client = server
        .client(wild)
        .server_limits(ServerLimits::default().max_pause(Duration::from_secs(100)))
        .concurrency(2)
        .build()
        .unwrap();
    let start = Instant::now();
    let busy = tokio::spawn({
        let client = client.clone();
        async move { client.request(urls(3)).await }
    });
    let others = (0..100).map(|n| format!("http://other.example/{n}"));
    assert_eq!(client.request(others).await.len(), 100);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(busy.await.unwrap().len(), 3);
    // Two went before anything was known, the third when the longest pause was over.
    let arrivals = server.arrivals.lock().unwrap().clone();
    assert_eq!(arrivals.len(), 3);
    assert!((100_000..=100_100).contains(&arrivals[2]), "{arrivals:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_followed_unless_it_is_asked_for() {
    let server = Server::new(20, 10);
    let client = server.client(draft).build().unwrap();
    assert_eq!(client.request(urls(100)).await.len(), 100);
    assert!(*server.arrivals.lock().unwrap().last().unwrap() < 1_000);
}
