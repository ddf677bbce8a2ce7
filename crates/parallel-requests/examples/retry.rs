//! Requests to a server that fails now and then: what is sent again, when, and what comes of it.
//!
//! `cargo run --example retry -p parallel-requests -- http://127.0.0.1:8080/flaky`

use std::{env, error::Error, time::Duration};

use parallel_requests::{
    BackendError, CircuitBreaker, NormalizedResponse, ParallelRequests, PolicyOverrides,
    RequestConfig, RetryBudget, RetryDecision, RetryPolicy,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("say which URL to ask")?;
    let policy = RetryPolicy::default()
        .max_retries(4)
        .base(Duration::from_millis(100))
        .max_elapsed(Duration::from_secs(30))
        .retry_if(|attempt| match attempt.reply() {
            // Some servers answer before they are ready.
            Ok(response) if response.status_code() == 202 => RetryDecision::Retry,
            _ => RetryDecision::ByTheRules,
        });
    let budget = RetryBudget::default();
    let breaker = CircuitBreaker::default();
    let client = ParallelRequests::builder()
        .timeout(Duration::from_secs(5))
        .retry(policy)
        .retry_budget(budget.clone())
        .circuit_breaker(breaker.clone())
        .build()?;

    let batch = client.request(vec![url.as_str(); 20]).await;
    for outcome in &batch {
        report(&outcome.index.to_string(), outcome.result.as_ref());
    }

    // A POST is repeated only if its peer has certainly not processed it, and this one not even then.
    let post = RequestConfig::post(url.as_str())
        .data("once")
        .retry(RetryPolicy::never());
    report("once", client.send(post).await.as_ref());

    println!("{:?} retries are left in the budget", budget.left());
    for (origin, state) in breaker.troubled() {
        println!("the circuit of {origin} is {state}");
    }
    client.close().await;
    Ok(())
}

fn report(name: &str, result: Result<&NormalizedResponse, &BackendError>) {
    let earlier = match result {
        Ok(response) => {
            println!("{name}: {}", response.status_code());
            response.earlier_attempts()
        }
        Err(error) => {
            println!("{name}: {error}; delivery: {}", error.delivery());
            error.earlier_attempts()
        }
    };
    for attempt in earlier {
        let what = match &attempt.result {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        println!(
            "  at {:?}: {what}, after {:?}; waited {:?}",
            attempt.started,
            attempt.elapsed,
            attempt.backoff.unwrap_or_default(),
        );
    }
}
