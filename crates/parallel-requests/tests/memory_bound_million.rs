//! A million requests with the default policies, and a hundred thousand for a host that is paused,
//! in bounded memory. In a process of its own, because what other tests allocate would be counted.

use std::{fs, iter, sync::Arc};

use parallel_requests::ParallelRequests;
use pr_testkit::{Answer, MemoryBackend};

/// Resident memory of this process, in KiB; `None` where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn client(backend: &MemoryBackend) -> ParallelRequests {
    let builder = ParallelRequests::builder().backend(Arc::new(backend.clone()));
    builder
        .concurrency(100)
        .build()
        .expect("the settings are valid")
}

/// One after the other: the second finds memory as the first has left it.
#[tokio::test]
async fn memory_depends_on_what_is_under_way_and_not_on_the_input() {
    a_million_requests_take_no_more_than_their_bound().await;
    what_waits_for_a_paused_host_has_a_bound_too().await;
}

async fn a_million_requests_take_no_more_than_their_bound() {
    const ALL: u64 = 1_000_000;
    const BOUND_KIB: u64 = 32 << 10;

    let backend = MemoryBackend::answering(|_| Answer::ok().body(vec![b'x'; 1024]));
    let client = client(&backend);
    let idle = resident();
    let urls = (0..ALL).map(|number| format!("http://host-{}.example/{number}", number % 1_000));
    let mut outcomes = client.stream(urls);
    let (mut received, mut checksum) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        let response = outcome.result.expect("it is answered");
        assert_eq!(response.content().len(), 1024);
        checksum += outcome.index as u64;
        received += 1;
        if received % 100_000 == 0
            && let (Some(idle), Some(now)) = (idle, resident())
        {
            assert!(
                now <= idle + BOUND_KIB,
                "{idle} KiB idle, {now} KiB after {received}"
            );
        }
    }
    assert_eq!(
        (received, checksum),
        (ALL, ALL * (ALL - 1) / 2),
        "each index once"
    );
}

async fn what_waits_for_a_paused_host_has_a_bound_too() {
    /// As many as are looked ahead for, unless said otherwise.
    const HELD: u64 = 100_000;
    const EACH_KIB: u64 = 2;

    let backend = MemoryBackend::answering(|request| {
        if request.uri.host() == Some("paused.example") {
            Answer::status(429).header("retry-after", "3600")
        } else {
            Answer::ok()
        }
    });
    let client = client(&backend);
    let idle = resident();
    let paused = |number: u64| format!("http://paused.example/{number}");
    let other = |number: u64| format!("http://other.example/{number}");
    // It is paused from the first answer on; then come others, and then an end is not in sight.
    let requests = iter::once(paused(0)).chain((1..90_000).map(paused));
    let requests = requests
        .chain((0..1_000).map(other))
        .chain((90_000..).map(paused));
    let mut outcomes = client.stream(requests);
    for _ in 0..1_000 {
        let outcome = outcomes.next().await.expect("there is no end");
        assert!(outcome.is_ok());
    }
    let now = outcomes.progress().snapshot();
    let held_up = now.held_up as u64;
    assert!((80_000..=HELD + 200).contains(&held_up), "{now:?}");
    if let (Some(idle), Some(resident)) = (idle, resident()) {
        assert!(
            resident <= idle + HELD * EACH_KIB,
            "{idle} KiB idle, {resident} KiB with {now:?}"
        );
        let each = resident.saturating_sub(idle) * 1024 / held_up;
        eprintln!("{each} bytes for each that is held up");
    }
}
