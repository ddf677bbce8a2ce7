//! Requests through a pool of proxies: `cargo run --example proxies -- proxies.txt URL...`, where the
//! file has a proxy on each line.

use std::error::Error;

use parallel_requests::{ErrorKind, ParallelRequests, ProxyPool, RotationStrategy};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments
        .next()
        .ok_or("say which file the proxies are in")?;

    // A line that names no proxy is an error here, with its number.
    let pool = ProxyPool::from_file(file)?.strategy(RotationStrategy::StickyByHost);
    println!("{} proxies", pool.len());
    let client = ParallelRequests::builder().proxy_pool(pool).build()?;

    let urls: Vec<_> = arguments.collect();
    let mut outcomes = client.stream(urls);
    while let Some(outcome) = outcomes.next().await {
        let index = outcome.index;
        match outcome.result {
            Ok(response) => {
                let proxy = response.connection().remote_addr;
                println!("{index}: {} through {proxy:?}", response.status_code());
            }
            // None of the proxies worked. It was not sent directly instead, and whether the origin has
            // seen anything of it, by a redirect before, `error.delivery()` says.
            Err(error) if error.kind() == ErrorKind::Proxy => println!("{index}: {error}"),
            Err(error) => println!("{index}: {}", error.chain()),
        }
    }
    client.close().await;
    Ok(())
}
