//! Two hundred thousand requests over real connections, in bounded memory. In a process of its own,
//! because what other tests allocate would be counted; the server's memory is, too.
#![cfg(feature = "h2")]

use std::fs;

use parallel_requests::ParallelRequests;
use pr_testkit::Server;

/// Resident memory of this process, in KiB; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test]
async fn two_hundred_thousand_requests_over_loopback_take_no_more_than_their_bound() {
    const ALL: u64 = 200_000;
    const BOUND_KIB: u64 = 32 << 10;

    let server = Server::builder().record_requests(false).start();
    let client = ParallelRequests::builder()
        .http2_prior_knowledge(true)
        .concurrency(100)
        .build()
        .expect("the settings are valid");
    let idle = resident();
    let url = server.url("/bytes/1024");
    let mut outcomes = client.stream((0..ALL).map(move |number| format!("{url}?{number}")));
    let (mut received, mut checksum, mut most) = (0, 0, 0);
    while let Some(outcome) = outcomes.next().await {
        let response = outcome.result.expect("it is answered");
        assert_eq!(response.content().len(), 1024);
        checksum += outcome.index as u64;
        received += 1;
        if received % 10_000 == 0 {
            most = most.max(resident().unwrap_or(0));
        }
    }
    assert_eq!(
        (received, checksum),
        (ALL, ALL * (ALL - 1) / 2),
        "each index once"
    );
    if let Some(idle) = idle {
        println!("{} KiB above idle", most.saturating_sub(idle));
        assert!(
            most <= idle + BOUND_KIB,
            "{idle} KiB idle, {most} KiB at most"
        );
    }
    client.close().await;
}
