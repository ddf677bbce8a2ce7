//! Layers of the user's own.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::{Layer, Service, util::BoxCloneSyncService};

use super::{BoxedReply, Reply, RequestService};

/// What a layer of yours is given to wrap: a `tower` service from a request to its response.
///
/// It is always ready, a clone of it costs an allocation, and it waits inside of its call.
pub type PolicyService = BoxCloneSyncService<RequestConfig, NormalizedResponse, BackendError>;

/// Wraps one service into another.
type Wrap = Arc<dyn Fn(PolicyService) -> PolicyService + Send + Sync>;

/// The user's layers at one place of the stack, from the inside out.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<Wrap>);

impl Layers {
    /// Puts this layer around those that are there.
    pub(crate) fn push<L>(&mut self, layer: L)
    where
        L: Layer<PolicyService> + Send + Sync + 'static,
        L::Service: Service<RequestConfig, Response = NormalizedResponse, Error = BackendError>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<RequestConfig>>::Future: Send + 'static,
    {
        self.0.push(Arc::new(move |inner| {
            BoxCloneSyncService::new(layer.layer(inner))
        }));
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}

impl<S: RequestService> Layer<S> for Layers {
    type Service = Layered<S>;

    fn layer(&self, inner: S) -> Layered<S> {
        if self.0.is_empty() {
            return Layered::Plain(inner);
        }
        let inner = BoxCloneSyncService::new(inner);
        Layered::Wrapped(self.0.iter().fold(inner, |inner, wrap| wrap(inner)))
    }
}

/// A service with the user's layers around it, if there are any.
#[derive(Clone)]
pub(crate) enum Layered<S> {
    Plain(S),
    Wrapped(PolicyService),
}

impl<S> Layered<S> {
    /// Whether there are none of the user's.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl<S: RequestService> Service<RequestConfig> for Layered<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = LayeredCall<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        match self {
            Self::Plain(inner) => inner.poll_ready(cx),
            // A layer may have a readiness of its own, for which its call waits.
            Self::Wrapped(_) => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Self::Future {
        match self {
            Self::Plain(inner) => LayeredCall::Plain(inner.call(request)),
            Self::Wrapped(service) => {
                let service = service.clone();
                LayeredCall::Wrapped(Box::pin(tower::ServiceExt::oneshot(service, request)))
            }
        }
    }
}

/// The future of a [`Layered`].
pub(crate) enum LayeredCall<F> {
    Plain(F),
    Wrapped(BoxedReply),
}

impl<F: Future<Output = Reply> + Unpin> Future for LayeredCall<F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Self::Plain(call) => Pin::new(call).poll(cx),
            Self::Wrapped(call) => call.as_mut().poll(cx),
        }
    }
}
