//! More requests than one would want to hold: each outcome as it completes, at bounded memory.
//!
//! `cargo run --release --example stream -p parallel-requests -- http://127.0.0.1:8080/get 100000`

use std::{collections::BTreeMap, env, error::Error, time::Instant};

use parallel_requests::ParallelRequests;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().ok_or("say which URL")?;
    let count: u64 = arguments.next().map_or(Ok(10_000), |count| count.parse())?;

    let client = ParallelRequests::builder().concurrency(100).build()?;
    let started = Instant::now();
    let mut outcomes = client.stream((0..count).map(move |number| format!("{url}?n={number}")));
    let mut tally: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(outcome) = outcomes.next().await {
        let what = match outcome.result {
            Ok(response) => response.status_code().to_string(),
            Err(error) => format!("{} error", error.kind()),
        };
        *tally.entry(what).or_default() += 1;
    }
    println!("{count} requests in {:.2?}: {tally:?}", started.elapsed());
    Ok(())
}
