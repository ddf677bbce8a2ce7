//! Several requests at once, each of its own kind, found again by key.
//!
//! `cargo run --example batch -p parallel-requests -- http://127.0.0.1:8080`

use std::{env, error::Error, time::Duration};

use parallel_requests::{ParallelRequests, RequestConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base = env::args()
        .nth(1)
        .ok_or("say which server, as http://host:port")?;
    let client = ParallelRequests::builder()
        .concurrency(64)
        .timeout(Duration::from_secs(10))
        .build()?;
    println!("{}", client.selection());

    let get = RequestConfig::get(format!("{base}/get")).param("page", "1");
    let post = RequestConfig::post(format!("{base}/post"))
        .json(&["ada", "grace"])
        .timeout(Duration::from_secs(2));
    let nobody = RequestConfig::get("http://127.0.0.1:1/");

    let batch = client
        .request([("get", get), ("post", post), ("nobody", nobody)])
        .await;
    for outcome in &batch {
        match &outcome.result {
            Ok(response) => println!(
                "{}: {} over {:?}, {} bytes",
                outcome.key,
                response.status_code(),
                response.version(),
                response.content().len(),
            ),
            Err(error) => println!("{}: {error}; delivery: {}", outcome.key, error.delivery()),
        }
    }

    // All or nothing is a choice, too, and loses nothing either.
    if let Err(partial) = batch.into_result() {
        println!("{partial}");
    }
    client.close().await;
    Ok(())
}
