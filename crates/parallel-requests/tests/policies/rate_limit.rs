//! When requests reach the server under a rate limit.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::future::join;
use parallel_requests::{ClientBuilder, ParallelRequests, RateLimit, RateLimiter, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// When requests arrived, by host.
#[derive(Clone, Default)]
struct Arrivals(Arc<Mutex<BTreeMap<String, Vec<Instant>>>>);

impl Arrivals {
    fn backend(&self, answer: impl Fn(usize) -> Answer + Send + Sync + 'static) -> MemoryBackend {
        let arrivals = self.0.clone();
        MemoryBackend::answering(move |request| {
            let mut arrivals = arrivals.lock().unwrap();
            let host = request.uri.host().unwrap().to_owned();
            let seen = arrivals.entry(host).or_default();
            seen.push(Instant::now());
            answer(seen.len())
        })
    }

    fn at(&self, host: &str) -> Vec<Instant> {
        let arrivals = self.0.lock().unwrap();
        arrivals.get(host).cloned().unwrap_or_default()
    }

    fn all(&self) -> Vec<Instant> {
        let mut all: Vec<_> = self.0.lock().unwrap().values().flatten().copied().collect();
        all.sort();
        all
    }
}

fn builder(backend: MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder().backend(Arc::new(backend))
}

fn urls(host: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("http://{host}/{n}")).collect()
}

fn most_in_a_second(arrivals: &[Instant]) -> usize {
    let in_second = arrivals.iter().enumerate().map(|(last, at)| {
        let first = arrivals.partition_point(|other| *other + SECOND <= *at);
        last - first + 1
    });
    in_second.max().unwrap_or(0)
}

fn within(arrivals: &[Instant], start: Instant, time: Duration) -> usize {
    arrivals.partition_point(|at| *at < start + time)
}

#[tokio::test(start_paused = true)]
async fn two_hundred_in_a_second_are_two_thousand_in_ten() {
    for (limit, burst) in [
        (RateLimit::per_second(200), 10),
        (RateLimit::per_second(200).burst(20), 20),
        (RateLimit::per_second(200).burst(1), 1),
    ] {
        let arrivals = Arrivals::default();
        let backend = arrivals.backend(|n| {
            let millis = u64::try_from(n % 7).unwrap();
            Answer::ok().after(Duration::from_millis(millis))
        });
        let client = builder(backend).rate_limit(limit.clone()).build().unwrap();
        let start = Instant::now();
        let batch = client.request(urls("h.example", 2_100)).await;
        assert!(batch.iter().all(|outcome| outcome.result.is_ok()));

        let all = arrivals.all();
        assert_eq!(all.len(), 2_100);
        let in_ten = within(&all, start, SECOND * 10);
        assert!(in_ten.abs_diff(2_000) <= 20, "{limit:?}: {in_ten}");
        let most = most_in_a_second(&all);
        assert!(most <= 200 + burst, "{limit:?}: {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_share_a_limiter() {
    let arrivals = Arrivals::default();
    let limiter = RateLimiter::new(RateLimit::per_second(10).burst(1));
    let [one, other] = [(), ()].map(|()| {
        let backend = arrivals.backend(|_| Answer::ok());
        builder(backend)
            .rate_limit(limiter.clone())
            .build()
            .unwrap()
    });
    let start = Instant::now();
    let (ones, others) = join(
        one.request(urls("a.example", 20)),
        other.request(urls("b.example", 20)),
    )
    .await;
    assert_eq!((ones.len(), others.len()), (20, 20));
    let all = arrivals.all();
    assert_eq!(within(&all, start, SECOND * 2), 20);
    assert_eq!(
        all.last().unwrap().duration_since(start),
        Duration::from_millis(3_900)
    );
}

#[tokio::test(start_paused = true)]
async fn each_host_has_its_own_limit_beside_the_one_for_all() {
    let arrivals = Arrivals::default();
    let client = builder(arrivals.backend(|_| Answer::ok()))
        .rate_limit(RateLimit::per_second(100).burst(1))
        .rate_limit_per_host(RateLimit::every(SECOND * 3))
        .rate_limit_for_host("http://fast.example", RateLimit::per_second(50).burst(1))
        .build()
        .unwrap();
    let start = Instant::now();
    let requests = [urls("slow.example", 4), urls("fast.example", 100)].concat();
    assert_eq!(client.request(requests).await.len(), 104);
    let since = |at: &Instant| at.duration_since(start).as_millis();
    let slow: Vec<_> = arrivals.at("slow.example").iter().map(since).collect();
    assert_eq!(slow, [0, 3_000, 6_000, 9_000]);
    // The first second is not held up by those that wait for their turn at the other.
    let fast = within(&arrivals.at("fast.example"), start, SECOND);
    assert!((45..=50).contains(&fast), "{fast}");
    assert!(since(arrivals.at("fast.example").last().unwrap()) <= 2_100);
}

#[tokio::test(start_paused = true)]
async fn retries_take_tokens() {
    let arrivals = Arrivals::default();
    let backend = arrivals.backend(|n| Answer::status(if n <= 2 { 500 } else { 200 }));
    let client = builder(backend)
        .rate_limit(RateLimit::every(SECOND * 60))
        .retry(RetryPolicy::default().max_retries(2))
        .build()
        .unwrap();
    let start = Instant::now();
    let response = client.get("http://h.example/").await.unwrap();
    assert_eq!(response.status_code(), 200);
    let since: Vec<_> = arrivals
        .all()
        .iter()
        .map(|at| (*at - start).as_secs())
        .collect();
    assert_eq!(since, [0, 60, 120]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_request_starts_with_its_token() {
    let arrivals = Arrivals::default();
    let client = builder(arrivals.backend(|_| Answer::ok().after(SECOND)))
        .rate_limit(RateLimit::every(SECOND * 60))
        .timeout(SECOND * 2)
        .build()
        .unwrap();
    let batch = client.request(urls("h.example", 3)).await;
    assert!(batch.iter().all(|outcome| outcome.result.is_ok()));
}
