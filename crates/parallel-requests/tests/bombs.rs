//! What a small message that unfolds into a huge one costs in memory, over every backend. In a
//! process of its own, because what other tests allocate would be counted here.

#![cfg(all(feature = "gzip", feature = "brotli", feature = "zstd"))]

use std::fs;

use parallel_requests::{ErrorKind, ParallelRequests, RequestConfig, available_backends};
use pr_testkit::Server;

const MIB: u64 = 1 << 20;
/// What a response may take, and what may come on top of it.
const LIMIT: u64 = 32 * MIB;
const MARGIN: u64 = 16 * MIB;

/// A figure of this process's memory, in bytes; `None` where the system does not tell.
fn memory(figure: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(figure))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// Lets the peak begin anew.
fn forget_peak() {
    // Where that cannot be done, the peak is not told either.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_takes_no_more_than_the_limit() {
    let server = Server::start();
    for backend in available_backends() {
        let client = ParallelRequests::builder()
            .backend(backend)
            .no_proxy()
            .max_body_size(LIMIT)
            .build()
            .unwrap();
        // Connections, threads and what the server prepares are not the bomb's.
        client.get(server.url("/get")).await.unwrap();
        for coding in ["gzip", "br", "zstd"] {
            let bomb = RequestConfig::get(server.url(&format!("/bomb/{coding}/{}", 1 << 30)));
            forget_peak();
            let before = memory("VmRSS:");
            let error = client.get(bomb).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Limit, "{backend}, {coding}");
            if let (Some(before), Some(peak)) = (before, memory("VmHWM:")) {
                let grown = peak.saturating_sub(before);
                println!("{backend}, {coding}: {} KiB", grown >> 10);
                assert!(
                    grown <= LIMIT + MARGIN,
                    "{backend}, {coding}: {grown} bytes above what was there"
                );
            }
        }
    }
}
