//! How often a resolver is asked, by a clock that stands still unless everybody waits.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    future::{BoxFuture, join_all},
    poll,
};
use pr_core::{Resolve, ResolveError, TransportConfig};
use tokio::time::{Instant, sleep, timeout};

use super::Names;

const TAKES: Duration = Duration::from_secs(10);

/// Answers after ten seconds.
#[derive(Debug, Default)]
struct Slow {
    asked: AtomicUsize,
}

impl Resolve for Slow {
    fn resolve(&self, _host: &str) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            sleep(TAKES).await;
            Ok(vec![[127, 0, 0, 1].into()])
        })
    }
}

fn asking(resolver: &Arc<Slow>) -> Names {
    Names::new(&TransportConfig::default().resolver(Arc::clone(resolver) as _))
}

#[tokio::test(start_paused = true)]
async fn a_slow_look_up_is_waited_for_by_all() {
    let slow = Arc::new(Slow::default());
    let (names, begin) = (asking(&slow), Instant::now());
    for found in join_all((0..8).map(|_| names.resolve("a", 1))).await {
        assert!(found.is_ok());
    }
    assert_eq!(slow.asked.load(Ordering::Relaxed), 1);
    assert_eq!(begin.elapsed(), TAKES);
}

#[tokio::test(start_paused = true)]
async fn one_of_those_that_wait_takes_over_from_one_that_is_not_polled() {
    let slow = Arc::new(Slow::default());
    let (names, begin) = (asking(&slow), Instant::now());
    let mut abandoned: Vec<_> = (0..3).map(|_| Box::pin(names.resolve("a", 1))).collect();
    for abandoned in &mut abandoned {
        assert!(poll!(abandoned).is_pending());
    }
    let others = join_all((0..8).map(|_| names.resolve("a", 1)));
    for found in timeout(2 * TAKES, others).await.unwrap() {
        assert!(found.is_ok());
    }
    assert_eq!(slow.asked.load(Ordering::Relaxed), 2);
    assert_eq!(begin.elapsed(), TAKES + Duration::from_millis(250));
    // Those that were left alone have missed nothing.
    for found in join_all(abandoned).await {
        assert!(found.is_ok());
    }
    assert_eq!(slow.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn an_override_keeps_its_scope_and_is_found_with_a_dot_at_its_end() {
    let given: [SocketAddr; 2] = [
        "[fe80::1%2]:0".parse().unwrap(),
        "127.0.0.1:9".parse().unwrap(),
    ];
    let names = Names::new(&TransportConfig::default().resolve("a.example", given));
    for host in ["a.example", "a.example."] {
        let found = names.resolve(host, 81).await;
        let addresses = found.map(|found| found.addresses).unwrap_or_default();
        let expected = ["[fe80::1%2]:81", "127.0.0.1:9"];
        assert_eq!(addresses, expected.map(|text| text.parse().unwrap()));
    }
}

/// A thread cannot be started with a stack larger than the address space.
#[test]
fn a_thread_that_cannot_be_started_is_a_failure_for_now() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(1 << 60)
        .build()
        .unwrap();
    let names = Names::new(&TransportConfig::default());
    for _ in 0..2 {
        let found = runtime.block_on(names.resolve("localhost", 1));
        let failure = found.map(drop).unwrap_err().failure();
        assert_eq!(failure, pr_core::DnsFailure::Transient);
    }
}
