//! Where the lanes of a batch run.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    panic::resume_unwind,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pr_core::{Backend, BackendError, Capability, Delivery, ErrorKind, RequestConfig};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;
use url::Url;

use super::{
    belt::Belt,
    lane::{Lane, Width},
};
use crate::{
    drivers::Drivers,
    stack::{Gauges, Stack},
};

/// Where the lanes of a batch run, how many there are and how wide.
///
/// A connection, the requests on it and whatever polls them should be on one thread: handles that
/// two threads fight over cost more than all of HTTP/2. On a current-thread runtime they are. On
/// any other, and on none, the lanes run on [drivers](Drivers), each with its share of the hosts.
/// A backend that blocks gets its lanes onto its own threads, one request to a lane.
pub(crate) struct Crew {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) stack: Stack,
    pub(crate) gauges: Gauges,
    pub(crate) drivers: Arc<Drivers>,
    /// How many requests are in flight at a time.
    pub(crate) concurrency: usize,
}

/// Where one batch is worked on.
#[derive(Clone)]
pub(super) enum Site {
    /// On the caller's runtime.
    Here(Handle),
    /// On the client's own threads.
    Drivers,
    /// The caller's runtime was asked for, and there is none.
    Nowhere,
}

impl Crew {
    /// The site of a batch that begins here and now.
    pub(super) fn site(&self) -> Site {
        match (self.drivers.stay_here(), Handle::try_current()) {
            (true, Ok(here)) => Site::Here(here),
            (true, Err(_)) => Site::Nowhere,
            (false, _) => Site::Drivers,
        }
    }

    /// How many queues there are for a batch at that site.
    pub(super) fn queues(&self, site: &Site) -> usize {
        match site {
            Site::Drivers if self.is_async() => self.drivers.max(),
            _ => 1,
        }
    }

    /// How many requests a batch may have pulled and not yet handed over: as many wait as are in
    /// flight, so that a request that ends is followed by the next at once and not when its caller
    /// has been asked for it.
    pub(super) fn window(&self) -> usize {
        self.concurrency.saturating_mul(2)
    }

    /// Sees to it that a queue with so many requests that are not done has the lanes for them.
    pub(super) fn staff(
        &self,
        site: &Site,
        belt: &Arc<Belt>,
        queue: usize,
        unfinished: usize,
        look_ahead: usize,
    ) -> Result<(), fn() -> BackendError> {
        let is_async = self.is_async();
        let (lanes, base) = if is_async {
            (1, self.concurrency)
        } else {
            (self.concurrency, 1)
        };
        let width = Width {
            base,
            look_ahead,
            lanes,
        };
        for _ in belt.lanes(queue)..lanes.min(unfinished) {
            let runtime = match site {
                Site::Here(handle) => handle.clone(),
                Site::Drivers => self.drivers.get(queue)?,
                Site::Nowhere => return Err(no_runtime),
            };
            let held = self.gauges.held().clone();
            let lane = Lane::open(belt.clone(), queue, self.stack.clone(), held, width);
            let lane = lane.in_current_span();
            if is_async {
                drop(runtime.spawn(lane));
                continue;
            }
            let task = InRuntime {
                runtime: runtime.clone(),
                task: Box::pin(lane),
            };
            if let Err(task) = self.backend.spawn(Box::pin(task)) {
                drop(runtime.spawn(task));
            }
        }
        Ok(())
    }

    /// Has this done on the runtime that the timers of a batch are on, until what this gives is
    /// dropped; `None` if there is none.
    pub(super) fn watch(
        &self,
        site: &Site,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Option<AbortOnDropHandle<()>> {
        let runtime = match site {
            Site::Here(handle) => handle.clone(),
            Site::Drivers => self.drivers.any().ok()?,
            Site::Nowhere => return None,
        };
        Some(AbortOnDropHandle::new(runtime.spawn(work)))
    }

    /// The driver for a single request; `None` if it is best sent from where its caller is.
    ///
    /// On any Tokio runtime it is: two switches of threads for one request cost more than what two
    /// threads lose over its connection.
    pub(crate) fn driver_of(
        &self,
        request: &RequestConfig,
    ) -> Option<Result<Handle, BackendError>> {
        if self.drivers.stay_here() || Handle::try_current().is_ok() {
            return None;
        }
        let driver = self.drivers.get(queue(request, self.drivers.max()));
        Some(driver.map_err(|why| why()))
    }

    /// Whether requests wait in tasks, and not each on a thread.
    pub(crate) fn is_async(&self) -> bool {
        self.backend.capabilities().has(Capability::AsyncNative)
    }
}

/// The queue of a request: the same for all requests to one host.
pub(super) fn queue(request: &RequestConfig, queues: usize) -> usize {
    if queues == 1 {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    request.url().and_then(Url::host_str).hash(&mut hasher);
    // The remainder is smaller than the number of queues.
    usize::try_from(hasher.finish() % queues as u64).unwrap_or(0)
}

/// A task that finds a runtime for its timers wherever it is polled.
struct InRuntime<F> {
    runtime: Handle,
    task: Pin<Box<F>>,
}

impl<F: Future> Future for InRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _inside = this.runtime.enter();
        this.task.as_mut().poll(cx)
    }
}

/// Has this done on a driver. Dropping the future cancels it there.
pub(crate) async fn on<T: Send + 'static>(
    driver: Result<Handle, BackendError>,
    work: impl Future<Output = Result<T, BackendError>> + Send + 'static,
) -> Result<T, BackendError> {
    let work = AbortOnDropHandle::new(driver?.spawn(work.in_current_span()));
    match work.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(BackendError::backend_closed().with_delivery(Delivery::Unknown)),
        },
    }
}

/// The error of a request that was to run on the caller's runtime.
fn no_runtime() -> BackendError {
    BackendError::new(
        ErrorKind::Config,
        "there is no Tokio runtime here; call this from a task of one, or give the client threads \
         of its own",
    )
    .with_delivery(Delivery::NotSent)
}
