//! One exchange watched from outside while it happens.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::warn;

use crate::{ConnectionInfo, DialTimings, Stage};

/// Is told, while it happens, how the exchanges of one request come along. Set it by
/// [`RequestConfig::observe_exchange`](crate::RequestConfig::observe_exchange).
///
/// A request may have more than one exchange, for its redirects and for what has to be sent again
/// at once; they come one after the other, and each begins with [`Stage::Queued`]. Stages may be
/// left out, and an exchange may go back: one that was never sent waits for another connection.
///
/// The methods are called wherever the exchange happens to be, perhaps on a thread of the backend
/// and with its locks held. So they must be quick, must not block, and must not use the client or
/// backend. One that panics does the exchange no harm: the panic is caught and logged by `tracing`,
/// and the observer is told nothing more of that exchange.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use pr_core::{ConnectionInfo, ExchangeObserver, RequestConfig, Stage};
///
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl ExchangeObserver for Log {
///     fn reached(&self, stage: Stage) {
///         self.0.lock().unwrap().push(format!("{stage:?}"));
///     }
///
///     fn connected(&self, connection: ConnectionInfo) {
///         self.0.lock().unwrap().push(format!("on connection {}", connection.id));
///     }
/// }
///
/// let log = Arc::new(Log::default());
/// let request = RequestConfig::get("https://example.org/").observe_exchange(log.clone());
/// ```
pub trait ExchangeObserver: Send + Sync {
    /// The exchange has reached this stage.
    fn reached(&self, stage: Stage) {
        let _ = stage;
    }

    /// A connection was opened for this exchange, and that took so long.
    fn dialed(&self, timings: &DialTimings) {
        let _ = timings;
    }

    /// This is the connection that carries the exchange. Told once it is known; with some backends
    /// that is when the head of the response is there.
    fn connected(&self, connection: ConnectionInfo) {
        let _ = connection;
    }
}

/// An observer as a request holds it.
#[derive(Clone)]
pub(crate) struct Observer(pub(crate) Arc<dyn ExchangeObserver>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// The observer of one exchange, until it panics.
#[derive(Debug)]
pub(crate) struct Watch {
    observer: Observer,
    has_panicked: AtomicBool,
}

impl Watch {
    pub(crate) fn by(observer: Observer) -> Self {
        Self {
            observer,
            has_panicked: AtomicBool::new(false),
        }
    }

    /// The backend may hold locks and count what is in flight, which a panic must not upset.
    pub(crate) fn tell(&self, what: impl FnOnce(&dyn ExchangeObserver)) {
        if self.has_panicked.load(Ordering::Relaxed) {
            return;
        }
        let observer = &*self.observer.0;
        if catch_unwind(AssertUnwindSafe(|| what(observer))).is_err() {
            self.has_panicked.store(true, Ordering::Relaxed);
            warn!("an exchange's observer panicked, and is told nothing more of that exchange");
        }
    }
}
