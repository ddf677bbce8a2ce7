//! Whatever is asked, whatever goes wrong and whenever it is broken off: one outcome for each
//! request, nothing sent twice that must not be, nothing left in flight, every place free again.

use std::{
    collections::{HashMap, HashSet},
    iter,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use parallel_requests::{
    Cancellation, Capabilities, Capability, Delivery, ErrorKind, Outcomes, ParallelRequests,
    RequestConfig, RetryPolicy, TimeoutPhase, http::Method,
};
use pr_testkit::{Answer, MemoryBackend};
use proptest::prelude::*;

/// What a batch is made of and what is done to it.
#[derive(Clone, Debug)]
struct Case {
    requests: Vec<Request>,
    concurrency: usize,
    per_host: Option<usize>,
    max_retries: u32,
    order: Option<usize>,
    look_ahead: usize,
    max_failures: Option<usize>,
    /// The backend is one that blocks, with one request to a task.
    is_blocking: bool,
    /// After so many outcomes, or milliseconds.
    end: End,
}

#[derive(Clone, Debug)]
struct Request {
    host: u8,
    is_post: bool,
    /// What each attempt meets; then the last again.
    faults: Vec<Fault>,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Slow(u64),
    Refused,
    Closed,
    Hang,
    Status(u16),
    Pause(u64),
}

#[derive(Clone, Copy, Debug)]
enum End {
    Itself,
    Drop(usize),
    Cancel(usize),
    Deadline(u64),
}

/// Whether time is Tokio's, paused, or goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Paused,
    Real,
}

impl Clock {
    /// So long, or short enough to wait for it.
    fn time(self, milliseconds: u64) -> Duration {
        match self {
            Self::Paused => Duration::from_millis(milliseconds),
            Self::Real => Duration::from_micros(milliseconds * 30),
        }
    }
}

impl Fault {
    fn answer(self, clock: Clock) -> Answer {
        match self {
            // Nobody asks for less than a second.
            Self::Pause(_) if clock == Clock::Real => Answer::status(429),
            Self::None => Answer::ok().body("fine"),
            Self::Slow(milliseconds) => Answer::ok().after(clock.time(milliseconds)),
            Self::Refused => Answer::error(ErrorKind::Connect, "refused"),
            Self::Closed => Answer::error(ErrorKind::Closed, "gone").delivery(Delivery::Unknown),
            Self::Hang => Answer::hang(),
            Self::Status(status) => Answer::status(status),
            Self::Pause(seconds) => Answer::status(429).header("retry-after", &seconds.to_string()),
        }
    }

    /// Whether the peer may have acted on it.
    fn may_be_processed(self) -> bool {
        !matches!(self, Self::Refused | Self::Status(_) | Self::Pause(_))
    }
}

impl Request {
    /// Whether the peer got to see it, if so many attempts were made.
    fn was_sent(&self, attempts: usize) -> bool {
        let mut faults = self
            .faults
            .iter()
            .chain(iter::repeat(self.faults.last().unwrap_or(&Fault::None)));
        faults
            .by_ref()
            .take(attempts)
            .any(|fault| !matches!(fault, Fault::Refused))
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        8 => Just(Fault::None),
        4 => (0_u64..300).prop_map(Fault::Slow),
        1 => Just(Fault::Refused),
        1 => Just(Fault::Closed),
        1 => Just(Fault::Hang),
        1 => prop::sample::select(vec![204, 404, 500, 503]).prop_map(Fault::Status),
        1 => (1_u64..20).prop_map(Fault::Pause),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    (0_u8..4, any::<bool>(), prop::collection::vec(fault(), 1..4)).prop_map(
        |(host, is_post, faults)| Request {
            host,
            is_post,
            faults,
        },
    )
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        Just(End::Itself),
        (0_usize..60).prop_map(End::Drop),
        (0_usize..60).prop_map(End::Cancel),
        (0_u64..3_000).prop_map(End::Deadline),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let batch = (
        prop::collection::vec(request(), 0..80),
        1_usize..12,
        prop::option::of(1_usize..6),
        0_u32..3,
    );
    let settings = (
        prop::option::of(0_usize..10),
        prop::sample::select(vec![0, 5, 100_000]),
        prop::option::weighted(0.3, 0_usize..10),
        any::<bool>(),
        end(),
    );
    (batch, settings).prop_map(
        |(
            (requests, concurrency, per_host, max_retries),
            (order, look_ahead, max_failures, is_blocking, end),
        )| Case {
            requests,
            concurrency,
            per_host,
            max_retries,
            order,
            look_ahead,
            max_failures,
            is_blocking,
            end,
        },
    )
}

/// Answers by the script, and counts how often each request came.
struct Peer {
    backend: MemoryBackend,
    sent: Arc<Mutex<HashMap<usize, usize>>>,
    /// From now on it is another peer, that never answers.
    is_over: Arc<AtomicBool>,
}

impl Peer {
    fn new(case: &Case, clock: Clock) -> Self {
        let (sent, is_over) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::default());
        let (scripts, seen, over) = (case.requests.clone(), sent.clone(), Arc::clone(&is_over));
        let backend = MemoryBackend::answering(move |request| {
            if AtomicBool::load(&over, Ordering::SeqCst) {
                return Answer::hang();
            }
            let index: usize = request.uri.path()[1..].parse().unwrap();
            let mut seen = seen.lock().unwrap();
            let attempt = seen.entry(index).or_insert(0);
            let faults = &scripts[index].faults;
            let fault = faults[(*attempt).min(faults.len() - 1)];
            *attempt += 1;
            fault.answer(clock)
        });
        let backend = if case.is_blocking {
            backend.with_capabilities(Capabilities::of(&[Capability::Http1]))
        } else {
            backend
        };
        Self {
            backend,
            sent,
            is_over,
        }
    }
}

fn client(case: &Case, backend: &MemoryBackend, clock: Clock) -> ParallelRequests {
    let builder = ParallelRequests::builder()
        .backend(Arc::new(backend.clone()))
        .concurrency(case.concurrency)
        .timeout(clock.time(2_000))
        .retry(
            RetryPolicy::new()
                .max_retries(case.max_retries)
                .base(clock.time(10)),
        );
    let builder = match case.per_host {
        Some(per_host) => builder.concurrency_per_host(per_host),
        None => builder,
    };
    builder.build().expect("the settings are valid")
}

/// The batch of the case, in which each request's key is its index.
fn stream(
    case: &Case,
    client: &ParallelRequests,
    clock: Clock,
    stop: &Cancellation,
) -> Outcomes<usize> {
    let input = case.requests.clone().into_iter().enumerate();
    let input = input.map(|(index, request)| {
        let url = format!("http://host-{}.example/{index}", request.host);
        let method = if request.is_post {
            Method::POST
        } else {
            Method::GET
        };
        (index, RequestConfig::new(method, url))
    });
    let mut batch = client
        .batch(input)
        .look_ahead(case.look_ahead)
        .cancellation(stop.clone());
    if let Some(window) = case.order {
        batch = batch.reorder_window(window);
    }
    if let Some(failures) = case.max_failures {
        batch = batch.max_failures(failures);
    }
    if let End::Deadline(milliseconds) = case.end {
        batch = batch.deadline(clock.time(milliseconds));
    }
    batch.stream()
}

async fn check(case: Case, clock: Clock) -> Result<(), TestCaseError> {
    let peer = Peer::new(&case, clock);
    let client = client(&case, &peer.backend, clock);
    let stop = Cancellation::new();
    let mut outcomes = stream(&case, &client, clock, &stop);
    let progress = outcomes.progress();
    let (mut seen, mut last) = (HashSet::new(), None);
    let mut is_dropped = matches!(case.end, End::Drop(0));
    if let End::Cancel(0) = case.end {
        stop.cancel();
    }
    while !is_dropped && let Some(outcome) = outcomes.next().await {
        prop_assert_eq!(outcome.index, outcome.key);
        prop_assert!(
            seen.insert(outcome.index),
            "two outcomes for {}",
            outcome.index
        );
        if case.order.is_some() {
            prop_assert!(last < Some(outcome.index), "out of order");
            last = Some(outcome.index);
        }
        prop_assert_eq!(outcome.request().is_some(), !outcome.is_ok());
        if let Some(error) = outcome.error() {
            let is_batch = error.timeout_phase() == Some(TimeoutPhase::Batch);
            if is_batch || error.kind() == ErrorKind::Cancelled {
                let times = peer.sent.lock().unwrap().get(&outcome.index).copied();
                let was_sent = case.requests[outcome.index].was_sent(times.unwrap_or(0));
                let is_known = error.delivery() == Delivery::NotSent;
                prop_assert!(!(is_known && was_sent), "it was sent");
            }
        }
        match case.end {
            End::Drop(after) => is_dropped = seen.len() >= after,
            End::Cancel(after) if seen.len() == after => stop.cancel(),
            _ => {}
        }
    }
    let now = progress.snapshot();
    if !is_dropped {
        prop_assert_eq!(seen.len(), case.requests.len(), "one outcome for each");
        prop_assert_eq!(now.finished(), case.requests.len());
        prop_assert!(now.is_over);
    }
    drop(outcomes);
    prop_assert!(progress.snapshot().is_over);

    until(clock, || peer.backend.counts().in_flight() == 0).await;
    for (&index, &times) in peer.sent.lock().unwrap().iter() {
        let request = &case.requests[index];
        let repeated = &request.faults[..request.faults.len().min(times.saturating_sub(1))];
        prop_assert!(
            !request.is_post || !repeated.iter().any(|fault| fault.may_be_processed()),
            "{:?} was sent {} times",
            request,
            times
        );
    }

    // All places are free.
    peer.is_over.store(true, Ordering::SeqCst);
    let full = case.concurrency as u64;
    let begun = peer.backend.counts().begun;
    let hosts = (0..3 * case.concurrency).map(|host| {
        RequestConfig::get(format!("http://fresh-{host}.example/")).timeout(Duration::MAX)
    });
    let mut after = client.stream(hosts);
    prop_assert!(after.next().now_or_never().is_none());
    until(clock, || peer.backend.counts().in_flight() == full).await;
    drop(after);
    until(clock, || peer.backend.counts().in_flight() == 0).await;
    let counts = peer.backend.counts();
    if clock == Clock::Paused {
        // On several threads one may begin a request while another is told to stop.
        prop_assert_eq!(counts.begun - begun, full);
    }
    prop_assert!(counts.max_in_flight <= full);
    Ok(())
}

/// Waits for what is bound to happen: within a few turns of a runtime that is ours, or some time.
async fn until(clock: Clock, is_so: impl Fn() -> bool) {
    for _ in 0..20_000 {
        if is_so() {
            return;
        }
        match clock {
            Clock::Paused => tokio::task::yield_now().await,
            Clock::Real => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    panic!("it has not happened");
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn each_request_has_one_outcome_and_nothing_is_left_behind(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let within = tokio::time::timeout(Duration::from_secs(100_000), check(case, Clock::Paused));
            within.await.expect("it does not hang")
        })?;
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn nor_does_that_depend_on_the_thread(case in case()) {
        pollster::block_on(check(case, Clock::Real))?;
    }
}
