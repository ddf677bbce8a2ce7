//! No faster than the server's terms say: a rate for all, one for a host, and what the host asks for.
//!
//! `cargo run --example rate_limit -p parallel-requests -- http://127.0.0.1:8080/get`

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use parallel_requests::{ParallelRequests, RateLimit, RateLimiter, RetryAfter};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("say which URL")?;

    // Twenty in a second, five of them at once after a pause. Clones share it, other clients' too.
    let limiter = RateLimiter::new(RateLimit::per_second(20).burst(5));
    let client = ParallelRequests::builder()
        .rate_limit(limiter.clone())
        .rate_limit_for_host(
            "https://slow.example",
            RateLimit::every(Duration::from_secs(3)),
        )
        .concurrency_per_host(4)
        .retry_after(RetryAfter::default().max_pause(Duration::from_secs(60)))
        .build()?;

    let started = Instant::now();
    let mut outcomes = client.stream((0..60).map(move |number| format!("{url}?n={number}")));
    while let Some(outcome) = outcomes.next().await {
        let seconds = started.elapsed().as_secs_f32();
        match outcome.result {
            Ok(response) => println!("{seconds:5.2} s: {}", response.status_code()),
            Err(error) => println!("{seconds:5.2} s: {error}"),
        }
    }
    println!(
        "60 requests at {:?}: {:.2?}",
        limiter.limit(),
        started.elapsed()
    );
    client.close().await;
    Ok(())
}
