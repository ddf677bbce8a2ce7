//! The layer that sends each attempt through a proxy of the pool.

use std::{
    num::NonZeroU64,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use pr_core::{
    BackendError, ErrorKind, NormalizedResponse, Proxies, Proxy, RequestConfig, RequestDefaults,
    Session, StreamingResponse,
};
use tower::{Layer, Service};
use url::Url;

use super::{
    ProxyPool,
    health::Use,
    members::{self, Member},
    nowhere,
    verdict::{self, Answer, Verdict},
};
use crate::policy::{Reply, RequestService, observer::Journey};

/// Puts the pool around a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyPoolLayer {
    pool: Option<Arc<ProxyPool>>,
}

impl ProxyPoolLayer {
    pub(crate) fn new(pool: Option<Arc<ProxyPool>>) -> Self {
        Self { pool }
    }
}

impl<S: RequestService> Layer<S> for ProxyPoolLayer {
    type Service = Rotating<S>;

    fn layer(&self, inner: S) -> Rotating<S> {
        Rotating {
            inner,
            pool: self.pool.clone(),
        }
    }
}

/// A service whose requests go through proxies.
#[derive(Clone, Debug)]
pub(crate) struct Rotating<S> {
    inner: S,
    pool: Option<Arc<ProxyPool>>,
}

impl<S: RequestService> Service<RequestConfig> for Rotating<S> {
    type Response = NormalizedResponse;
    type Error = BackendError;
    type Future = RotatingCall<S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: RequestConfig) -> Self::Future {
        let Some(pool) = &self.pool else {
            return RotatingCall::Inside {
                call: self.inner.call(request),
                passage: None,
            };
        };
        match route(pool, request) {
            Ok((request, passage)) => RotatingCall::Inside {
                call: self.inner.call(request),
                passage: passage.map(Box::new),
            },
            Err(error) => RotatingCall::Refused(Some(error)),
        }
    }
}

/// The future of a [`Rotating`].
pub(crate) enum RotatingCall<F> {
    Inside {
        call: F,
        passage: Option<Box<Passage>>,
    },
    /// There is no proxy for it.
    Refused(Option<BackendError>),
}

impl<F: Future<Output = Reply> + Unpin> Future for RotatingCall<F> {
    type Output = Reply;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match self.get_mut() {
            Self::Inside { call, passage } => {
                let reply = ready!(Pin::new(call).poll(cx));
                Poll::Ready(match passage.take() {
                    Some(passage) => passage.end(reply),
                    None => reply,
                })
            }
            Self::Refused(error) => {
                let error = error.take();
                Poll::Ready(Err(error.unwrap_or_else(BackendError::backend_closed)))
            }
        }
    }
}

/// An attempt on its way through a proxy.
pub(crate) struct Passage {
    pool: Arc<ProxyPool>,
    member: Member,
    attempt: Use,
    rules: Option<Proxies>,
}

/// Gives the request its proxy, if it is to have one.
fn route(
    pool: &Arc<ProxyPool>,
    request: RequestConfig,
) -> Result<(RequestConfig, Option<Passage>), BackendError> {
    // One that is wrong says so further inside, before it gets anywhere.
    let Some(url) = request.url() else {
        return Ok((request, None));
    };
    if request.has_own_route() {
        return Ok((request, None));
    }
    let is_direct = pool.is_direct(url);
    let journey = request.extension_ref::<Journey>();
    let last = journey.and_then(Journey::latest_proxy).map(NonZeroU64::get);
    let choice = pool.members.choose(pool, url, last);
    if is_direct {
        // A redirect may lead from here to a host that is not.
        let proxy = choice.map_or_else(|_| nowhere(), |(member, _)| member.proxy);
        let rules = pool.rules(&proxy);
        return Ok((through(request, &proxy, rules.as_ref()), None));
    }
    let (member, attempt) = choice?;
    if let (Some(journey), Some(id)) = (journey, NonZeroU64::new(member.id)) {
        journey.go_through(id);
    }
    let rules = pool.rules(&member.proxy);
    let request = through(request, &member.proxy, rules.as_ref());
    let request = request.extension(Through(member.name.clone()));
    let pool = pool.clone();
    let passage = Passage {
        pool,
        member,
        attempt,
        rules,
    };
    Ok((request, Some(passage)))
}

/// The request through this proxy, as far as the rules say so.
fn through(mut request: RequestConfig, proxy: &Proxy, rules: Option<&Proxies>) -> RequestConfig {
    let Some(rules) = rules else {
        return request.proxy(proxy.clone());
    };
    let mut defaults = RequestDefaults::default();
    defaults.proxies = Some(rules.clone());
    defaults.apply(&mut request);
    request
}

impl Passage {
    fn end<R: Answer>(self, reply: Result<R, BackendError>) -> Result<R, BackendError> {
        let Self {
            pool,
            member,
            attempt,
            rules,
        } = self;
        if let Some(rules) = rules
            && let Some(url) = last_url(&reply)
            && rules.for_url(&url).is_none()
        {
            // A redirect has led to a host that is reached directly, which says nothing of the proxy.
            return reply;
        }
        let reply = verdict::settle(reply, &member.proxy);
        match verdict::of(&reply) {
            Verdict::Worked => pool.members.worked(attempt),
            Verdict::Failed(scope) => pool.members.failed(&pool, attempt, scope, &member.name),
            Verdict::Open => {}
        }
        reply.map_err(|error| match error.kind() {
            // It never got anywhere.
            ErrorKind::Input => error,
            _ => error.with_proxy(&member.proxy),
        })
    }
}

/// The URL that the reply is from.
fn last_url<R: Answer>(reply: &Result<R, BackendError>) -> Option<Url> {
    match reply {
        Ok(response) => Some(response.url().clone()),
        Err(error) => Url::parse(error.url()?).ok(),
    }
}

impl ProxyPool {
    /// Sends a request through the pool, for a response of which the body is read as it arrives.
    pub(crate) async fn open(
        self: &Arc<Self>,
        session: &Session,
        request: RequestConfig,
    ) -> Result<StreamingResponse, BackendError> {
        let (request, passage) = route(self, request)?;
        let reply = session.stream(request).await;
        match passage {
            Some(passage) => passage.end(reply),
            None => reply,
        }
    }
}

/// The proxy that a pool chose for an attempt.
#[derive(Clone)]
struct Through(Arc<str>);

/// Host and port of the proxy that a pool or the request itself chose.
pub(crate) fn name_of(request: &RequestConfig) -> Option<Arc<str>> {
    if let Some(Through(name)) = request.extension_ref() {
        return Some(name.clone());
    }
    request
        .proxy_setting()
        .map(|proxy| members::name_of(proxy).into())
}
