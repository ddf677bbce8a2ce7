//! A subscriber of `tracing` that remembers what it is told, as text.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tracing::{
    Dispatch, Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Everything up to a level. Clones are the same.
#[derive(Clone)]
pub(crate) struct Capture {
    level: Level,
    ids: Arc<AtomicU64>,
    spans: Arc<Mutex<HashMap<u64, Span>>>,
    events: Arc<Mutex<Vec<String>>>,
}

/// As long as there is just one subscriber, `tracing` asks that of the thread which comes to a place
/// first whether anybody is interested in it: on the thread of another test, nobody is. With two of
/// them, it asks all.
static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Capture::new(Level::ERROR)));

/// A span with what was recorded of it.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) name: &'static str,
    pub(crate) parent: Option<u64>,
    target: &'static str,
    fields: HashMap<&'static str, String>,
}

impl Span {
    /// What a field holds; empty if it has no value.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Capture {
    pub(crate) fn up_to(level: Level) -> Self {
        LazyLock::force(&ANOTHER);
        Self::new(level)
    }

    fn new(level: Level) -> Self {
        Self {
            level,
            ids: Arc::new(AtomicU64::new(1)),
            spans: Arc::default(),
            events: Arc::default(),
        }
    }

    /// The spans of requests, in order.
    pub(crate) fn requests(&self) -> Vec<Span> {
        let spans = self.spans.lock().unwrap();
        let mut found: Vec<_> = spans
            .iter()
            .filter(|(_, span)| span.target == "parallel_requests::http")
            .collect();
        found.sort_by_key(|(id, _)| **id);
        found.into_iter().map(|(_, span)| span.clone()).collect()
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> String {
        let spans = self.spans.lock().unwrap();
        format!("{:?} {:?}", *spans, self.events.lock().unwrap())
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        let metadata = attributes.metadata();
        let mut span = Span {
            name: metadata.name(),
            parent: attributes.parent().map(Id::into_u64),
            target: metadata.target(),
            fields: HashMap::new(),
        };
        attributes.record(&mut Fields(&mut span.fields));
        self.spans.lock().unwrap().insert(id, span);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        if let Some(span) = self.spans.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Fields(&mut span.fields));
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = HashMap::new();
        event.record(&mut Fields(&mut fields));
        let text = format!("{} {fields:?}", event.metadata().target());
        self.events.lock().unwrap().push(text);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}
