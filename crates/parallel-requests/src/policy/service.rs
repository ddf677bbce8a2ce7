//! What every layer of the stack is, and has below it.

use futures::future::BoxFuture;
use pr_core::{BackendError, NormalizedResponse, RequestConfig};
use tower::Service;

/// What comes of a request.
pub(crate) type Reply = Result<NormalizedResponse, BackendError>;

/// A reply to come, where a policy is rare or slow enough to box it.
pub(crate) type BoxedReply = BoxFuture<'static, Reply>;

/// A `tower` service for requests, as the stack is made of.
///
/// It is always ready: what waits, waits in the future of its call, where it is known what for. Its
/// future is `Unpin`, so that policies can hold it by value, without a box for each layer.
pub(crate) trait RequestService:
    Service<
        RequestConfig,
        Response = NormalizedResponse,
        Error = BackendError,
        Future: Unpin + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> RequestService for S where
    S: Service<
            RequestConfig,
            Response = NormalizedResponse,
            Error = BackendError,
            Future: Unpin + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}
