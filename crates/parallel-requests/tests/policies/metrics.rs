//! Metrics: their names and labels, and that nothing is recorded unless it is asked for.

#![cfg(feature = "metrics")]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use parallel_requests::{ErrorKind, Hedge, Metrics, ParallelRequests, RetryBudget, RetryPolicy};
use pr_testkit::{Answer, MemoryBackend};

/// Remembers what it is told, by name and labels.
#[derive(Clone, Default)]
struct Notes {
    described: Arc<Mutex<Vec<Description>>>,
    values: Arc<Mutex<BTreeMap<String, Vec<f64>>>>,
}

/// The name of a metric, and its unit.
type Description = (String, Option<Unit>);

/// One of the metrics.
struct Note {
    key: String,
    notes: Notes,
}

impl Notes {
    fn note(&self, key: &Key) -> Arc<Note> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        Arc::new(Note {
            key: format!("{} {}", key.name(), labels.join(" ")),
            notes: self.clone(),
        })
    }

    fn values(&self, key: &str) -> Vec<f64> {
        let values = self.values.lock().unwrap();
        values
            .get(key)
            .cloned()
            .unwrap_or_else(|| panic!("{key}: {values:?}"))
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        self.described
            .lock()
            .unwrap()
            .push((name.as_str().to_owned(), unit));
    }
}

impl Note {
    fn push(&self, value: f64) {
        let mut values = self.notes.values.lock().unwrap();
        values.entry(self.key.clone()).or_default().push(value);
    }
}

impl CounterFn for Note {
    fn increment(&self, value: u64) {
        self.push(u32::try_from(value).unwrap().into());
    }

    fn absolute(&self, _: u64) {
        panic!("nothing here is absolute");
    }
}

impl GaugeFn for Note {
    fn increment(&self, value: f64) {
        self.push(value);
    }

    fn decrement(&self, value: f64) {
        self.push(-value);
    }

    fn set(&self, value: f64) {
        self.push(value);
    }
}

impl HistogramFn for Note {
    fn record(&self, value: f64) {
        self.push(value);
    }
}

impl Recorder for Notes {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.note(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.note(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.note(key))
    }
}

fn client(answers: Vec<Answer>, metrics: Option<Metrics>) -> ParallelRequests {
    let builder = ParallelRequests::builder()
        .backend(Arc::new(MemoryBackend::queue(answers)))
        .retry(RetryPolicy::default().base(Duration::from_millis(1)));
    match metrics {
        Some(metrics) => builder.metrics(metrics),
        None => builder,
    }
    .build()
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn attempts_are_measured_by_the_conventions() {
    let notes = Notes::default();
    let _here = metrics::set_default_local_recorder(&notes);
    let second = Duration::from_secs(1);
    let answers = vec![
        Answer::status(503).after(second),
        Answer::error(ErrorKind::Connect, "refused").after(2 * second),
        Answer::ok().after(3 * second),
        Answer::hang(),
    ];
    let client = client(answers, Some(Metrics::default()));
    client
        .get("https://u:canary@a.example/x?canary")
        .await
        .unwrap();
    let gave_up = tokio::time::timeout(4 * second, client.get("https://a.example/")).await;
    assert!(gave_up.is_err());

    let server = "http.request.method=GET server.address=a.example server.port=443";
    let duration =
        |rest: &str| notes.values(&format!("http.client.request.duration {server} {rest}"));
    let of_503 = "http.response.status_code=503 network.protocol.version=1.1 error.type=503";
    assert_eq!(duration(of_503), [1.0]);
    assert_eq!(duration("error.type=connect"), [2.0]);
    let of_200 = "http.response.status_code=200 network.protocol.version=1.1";
    assert_eq!(duration(of_200), [3.0]);
    assert_eq!(duration("error.type=cancelled"), [4.0]);
    let active = notes.values(&format!("http.client.active_requests {server}"));
    assert_eq!(active, [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]);
    let retries = notes.values(&format!("parallel_requests.retries {server}"));
    assert_eq!(retries, [1.0, 1.0]);
    assert!(
        notes
            .values("parallel_requests.paused_hosts ")
            .iter()
            .all(|paused| *paused >= 0.0)
    );

    let described = notes.described.lock().unwrap();
    assert!(described.contains(&(
        "http.client.request.duration".to_owned(),
        Some(Unit::Seconds)
    )));
    assert_eq!(described.len(), 5);
    assert!(!format!("{:?}", notes.values.lock().unwrap()).contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_attempts_none_stays_active() {
    let notes = Notes::default();
    let _here = metrics::set_default_local_recorder(&notes);
    let backend = MemoryBackend::answering(|request| match request.number % 3 {
        0 => Answer::hang(),
        1 => Answer::ok().body("x").then_hang(),
        _ => Answer::ok().after(Duration::from_millis(50)),
    });
    let client = ParallelRequests::builder()
        .backend(Arc::new(backend))
        .metrics(Metrics::default().by_server(false))
        .hedge(Hedge::after(Duration::from_millis(100)).budget(RetryBudget::unlimited()))
        .timeout(Duration::from_secs(1))
        .retry(RetryPolicy::never())
        .build()
        .unwrap();
    for patience in [30, 130, 5_000, 5_000] {
        let request = client.get("https://a.example/");
        let _ = tokio::time::timeout(Duration::from_millis(patience), request).await;
    }
    let active = notes.values("http.client.active_requests http.request.method=GET");
    assert!(active.len() >= 12, "{active:?}");
    assert!(
        active.iter().sum::<f64>().abs() < f64::EPSILON,
        "{active:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_servers_and_without_metrics() {
    let notes = Notes::default();
    let _here = metrics::set_default_local_recorder(&notes);
    let silent = client(vec![Answer::ok()], None);
    silent.get("http://a.example/").await.unwrap();
    assert!(notes.values.lock().unwrap().is_empty());

    let crawler = client(
        vec![Answer::ok()],
        Some(Metrics::default().by_server(false)),
    );
    crawler.get("http://a.example/").await.unwrap();
    assert_eq!(
        notes.values("http.client.active_requests http.request.method=GET"),
        [1.0, -1.0]
    );
}
