//! The same without an async runtime.
//!
//! `cargo run --example blocking -p parallel-requests -- http://127.0.0.1:8080/get`

use std::{env, error::Error};

use parallel_requests::blocking::ParallelRequests;

fn main() -> Result<(), Box<dyn Error>> {
    let url = env::args().nth(1).ok_or("say which URL")?;
    let client = ParallelRequests::new()?;
    println!("{}", client.get(&url)?.text());
    let batch = client.request(vec![url; 10])?;
    println!("{} of {} succeeded", batch.successes().count(), batch.len());
    client.close()?;
    Ok(())
}
