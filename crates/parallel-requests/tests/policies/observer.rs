//! Observers: what they are told, in which order, and what their own faults do.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use parallel_requests::{
    ClientBuilder, Ending, ErrorKind, Event, Hedge, Observer, ParallelRequests, Phase, ProxyPool,
    RequestConfig, RetryPolicy,
    pr_core::{ConnectionInfo, ExchangeObserver, Stage},
};
use pr_testkit::{Answer, MemoryBackend, Server};
use tokio::time::{sleep, timeout};

/// Remembers all events. Clones are the same.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Event>>>);

impl Observer for Log {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

impl Log {
    fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().clone()
    }

    /// The names of the phases, with the attempts that they are about.
    fn phases(&self) -> Vec<(u32, &'static str)> {
        let events = self.events();
        let phases = events
            .iter()
            .map(|event| (event.attempt, event.phase.name()));
        phases.collect()
    }
}

fn over(backend: MemoryBackend) -> ClientBuilder {
    ParallelRequests::builder().backend(Arc::new(backend))
}

/// The attempts that have begun but have no end, and whether each that ended had begun and ended once.
fn begun_and_over(events: &[Event]) -> (BTreeSet<u32>, bool) {
    let mut begun = BTreeSet::new();
    let mut is_sound = true;
    for event in events {
        is_sound &= match event.phase {
            Phase::Dispatched { .. } => begun.insert(event.attempt),
            Phase::Body { .. } | Phase::Failed { .. } | Phase::Cancelled => {
                begun.remove(&event.attempt)
            }
            _ => true,
        };
    }
    (begun, is_sound)
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_loses_has_an_end_of_its_own() {
    let backend = MemoryBackend::answering(|request| match request.number {
        0 => Answer::hang(),
        _ => Answer::ok(),
    });
    let log = Log::default();
    let client = over(backend)
        .observer(log.clone())
        .hedge(Hedge::after(Duration::from_millis(100)))
        .build()
        .unwrap();
    client.get("http://a.example/").await.unwrap();
    assert_eq!(begun_and_over(&log.events()), (BTreeSet::new(), true));
    let phases = log.phases();
    assert!(phases.contains(&(1, "cancelled")), "{phases:?}");
    assert!(phases.contains(&(2, "body")), "{phases:?}");
    assert_eq!(phases.last().unwrap().1, "done");
}

#[tokio::test(start_paused = true)]
async fn the_phases_of_a_request_with_a_retry() {
    let backend = MemoryBackend::queue([
        Answer::error(ErrorKind::Connect, "refused").after(Duration::from_secs(2)),
        Answer::status(201)
            .body("hello")
            .after(Duration::from_secs(1)),
    ]);
    let log = Log::default();
    let client = over(backend)
        .observer(log.clone())
        .retry(RetryPolicy::default().base(Duration::from_millis(500)))
        .build()
        .unwrap();
    let request = RequestConfig::get("http://u:canary@a.example/x?canary=1");
    client.send(request).await.unwrap();

    let expected = [
        (0, "queued"),
        (1, "dispatched"),
        (1, "sent"),
        (1, "failed"),
        (2, "retried"),
        (2, "dispatched"),
        (2, "sent"),
        (2, "head"),
        (2, "body"),
        (2, "done"),
    ];
    let mut phases = log.phases();
    phases.retain(|(_, phase)| *phase != "carried");
    assert_eq!(phases, expected);
    let events = log.events();
    let ids: HashSet<_> = events.iter().map(|event| event.request).collect();
    assert_eq!(ids.len(), 1);
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!(
        (first.method.as_str(), &*first.url),
        ("GET", "http://a.example/x?…")
    );
    assert!(first.elapsed.is_zero() && last.elapsed >= Duration::from_secs(3));
    assert!(!format!("{events:?}").contains("canary"));
    let failed = events.iter().find(|event| event.phase.name() == "failed");
    let Phase::Failed { kind, .. } = failed.unwrap().phase else {
        panic!("it is that phase");
    };
    assert_eq!(kind, ErrorKind::Connect);
    let Phase::Done(Ending::Response { status }) = last.phase else {
        panic!("{last:?}");
    };
    assert_eq!(status, 201);
}

#[tokio::test(start_paused = true)]
async fn each_request_is_queued_first_and_done_last_whatever_becomes_of_it() {
    let backend = MemoryBackend::answering(|request| match request.number % 4 {
        0 => Answer::ok().after(Duration::from_millis(5)),
        1 => Answer::error(ErrorKind::Protocol, "no HTTP"),
        2 => Answer::status(503),
        _ => Answer::hang(),
    });
    let log = Log::default();
    let client = over(backend)
        .observer(log.clone())
        .concurrency(7)
        .timeout(Duration::from_secs(1))
        .build()
        .unwrap();
    let urls = (0..200).map(|number| format!("http://h{}.example/{number}", number % 3));
    let mut outcomes = client.stream(urls);
    for _ in 0..100 {
        outcomes.next().await.unwrap();
    }
    drop(outcomes);
    // What is in flight is let go by the tasks that drive it, which takes a turn or two of theirs.
    let is_over = || {
        let count = |name| log.phases().iter().filter(|phase| phase.1 == name).count();
        count("queued") == count("done")
    };
    let over = async {
        while !is_over() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    let told = timeout(Duration::from_secs(60), over).await;
    assert!(told.is_ok(), "the end of a request is not told");

    let mut by_request: HashMap<u64, Vec<Event>> = HashMap::new();
    for event in log.events() {
        by_request.entry(event.request).or_default().push(event);
    }
    assert!(by_request.len() >= 100);
    let mut cancelled = 0;
    for events in by_request.values() {
        let done = |event: &&Event| matches!(event.phase, Phase::Done(_));
        assert_eq!(events[0].phase, Phase::Queued);
        assert_eq!(events.iter().filter(done).count(), 1, "{events:?}");
        assert_eq!(
            begun_and_over(events),
            (BTreeSet::new(), true),
            "{events:?}"
        );
        let last = events.last().unwrap();
        assert!(done(&last), "{events:?}");
        cancelled += u32::from(last.phase == Phase::Done(Ending::Cancelled));
        assert!(events.is_sorted_by_key(|event| event.elapsed));
    }
    assert!(cancelled > 0);
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_is_told_no_more_and_harms_nobody() {
    struct Panics(Log);
    impl Observer for Panics {
        fn on_event(&self, event: &Event) {
            self.0.on_event(event);
            if let Phase::Sent = event.phase {
                panic!("an observer's own fault");
            }
        }
    }
    let (before, after) = (Log::default(), Log::default());
    let client = over(MemoryBackend::always(Answer::ok()))
        .observer(Panics(before.clone()))
        .observer(after.clone())
        .build()
        .unwrap();
    let batch = client
        .request(["http://a.example/", "http://a.example/"])
        .await;
    assert_eq!(batch.successes().count(), 2);
    assert_eq!(before.phases().last().unwrap().1, "sent");
    let done = after
        .phases()
        .into_iter()
        .filter(|(_, phase)| *phase == "done");
    assert_eq!(done.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_requests_own_observer_is_told_as_well() {
    #[derive(Default)]
    struct Own(Mutex<Vec<Stage>>);
    impl ExchangeObserver for Own {
        fn reached(&self, stage: Stage) {
            self.0.lock().unwrap().push(stage);
        }
    }
    let (own, log) = (Arc::new(Own::default()), Log::default());
    let backend = MemoryBackend::always(Answer::ok());
    let client = over(backend).observer(log.clone()).build().unwrap();
    let request = RequestConfig::get("http://a.example/").observe_exchange(own.clone());
    client.send(request).await.unwrap();
    assert!(own.0.lock().unwrap().contains(&Stage::AwaitingHead));
    assert!(log.phases().contains(&(1, "sent")));
}

#[tokio::test(start_paused = true)]
async fn the_requests_own_observer_that_panics_silences_nobody_else() {
    #[derive(Default)]
    struct Own(AtomicUsize);
    impl ExchangeObserver for Own {
        fn reached(&self, _: Stage) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }

        fn connected(&self, _: ConnectionInfo) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (own, log) = (Arc::new(Own::default()), Log::default());
    let client = over(MemoryBackend::always(Answer::ok()))
        .observer(log.clone())
        .build()
        .unwrap();
    let request = RequestConfig::get("http://a.example/").observe_exchange(own.clone());
    client.send(request).await.unwrap();
    let phases = log.phases();
    for phase in ["sent", "head", "body"] {
        assert!(phases.contains(&(1, phase)), "{phases:?}");
    }
    assert_eq!(own.0.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dispatch_names_the_proxy_without_its_credentials() {
    let log = Log::default();
    let pool = ProxyPool::parse(["p.example:3128:canary:canary"]).unwrap();
    let client = over(MemoryBackend::always(Answer::ok()))
        .observer(log.clone())
        .proxy_pool(pool)
        .build()
        .unwrap();
    client.get("http://a.example/").await.unwrap();
    client
        .send(RequestConfig::get("http://a.example/").no_proxy())
        .await
        .unwrap();
    let events = log.events();
    let proxies: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.phase {
            Phase::Dispatched { proxy } => Some(proxy.as_deref()),
            _ => None,
        })
        .collect();
    assert_eq!(proxies, [Some("p.example:3128"), None]);
    assert!(!format!("{events:?}").contains("canary"));
}

#[test]
fn every_backend_tells_of_connections() {
    for backend in parallel_requests::available_backends() {
        let server = Server::start();
        let log = Log::default();
        let client = ParallelRequests::builder()
            .backend(backend)
            .concurrency(1)
            .observer(log.clone())
            .build()
            .unwrap();
        let url = server.url("/bytes/5000").replace("127.0.0.1", "localhost");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(async {
            for _ in 0..2 {
                client.get(url.as_str()).await.unwrap();
            }
            client.close().await;
        });
        let events = log.events();
        let names: Vec<_> = events.iter().map(|event| event.phase.name()).collect();
        let count = |name| names.iter().filter(|it| **it == name).count();
        for (name, times) in [
            ("dns", 1),
            ("connected", 1),
            ("tls", 0),
            ("head", 2),
            ("done", 2),
        ] {
            assert_eq!(count(name), times, "{backend}: {name} of {names:?}");
        }
        let carried: Vec<_> = events
            .iter()
            .filter_map(|event| match event.phase {
                Phase::Carried { connection } => Some(connection),
                _ => None,
            })
            .collect();
        assert_eq!(carried.len(), 2, "{backend}: {names:?}");
        assert_eq!(carried[0].id, carried[1].id, "{backend}");
        assert!(!carried[0].reused && carried[1].reused, "{backend}");
        let received = events.iter().find_map(|event| match event.phase {
            Phase::Body { received, .. } => Some(received),
            _ => None,
        });
        assert_eq!(received, Some(5000), "{backend}");
    }
}
