//! Memory depends on what is in flight, not on the length of the input. In a process of its own,
//! because what other tests allocate would be counted here.

use std::{fs, sync::Arc, time::Duration};

use parallel_requests::ParallelRequests;
use pr_testkit::{Answer, MemoryBackend};

/// Resident memory of this process, in KiB; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_requests_take_no_more_memory_than_ten_thousand() {
    const ALL: u64 = 200_000;
    const WARM: u64 = 10_000;
    const GROWTH_KIB: u64 = 8 << 10;

    // Held all at once, a KiB each, the responses alone would take 200 MiB.
    let backend = MemoryBackend::answering(|_| Answer::ok().body(vec![b'x'; 1024]));
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(100)
        .build()
        .unwrap();
    let mut outcomes = client.stream((0..ALL).map(|number| format!("http://h.example/{number}")));
    let (mut received, mut checksum, mut warm) = (0, 0, None);
    while let Some(outcome) = outcomes.next().await {
        assert_eq!(outcome.result.unwrap().content().len(), 1024);
        checksum += outcome.index as u64;
        received += 1;
        if received == WARM {
            warm = resident();
        }
        if received == WARM * 2 {
            // A receiver that pauses lets nothing pile up either.
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(backend.counts().begun <= received + 2 * 100);
        }
    }
    assert_eq!(
        (received, checksum),
        (ALL, ALL * (ALL - 1) / 2),
        "each index once"
    );
    if let (Some(warm), Some(end)) = (warm, resident()) {
        assert!(
            end <= warm + GROWTH_KIB,
            "{warm} KiB after {WARM}, {end} KiB after {ALL}"
        );
    }
}
