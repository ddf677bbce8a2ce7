//! The layer that sends each attempt through a proxy of the pool.

use std::{
    num::NonZeroU64,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use pr_core::{
    BackendError, ChooseProxy, ErrorKind, NormalizedResponse, Proxy, RequestConfig, Session,
    StreamingResponse,
};
use tower::{Layer, Service};
use url::Url;

use super::{
    ProxyPool,
    dialing::Dialing,
    health::Use,
    members::{self, Member},
    verdict::{self, Answer, Verdict},
};
use crate::policy::{Reply, RequestService, observer::Journey};

/// Puts the pool around a service.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProxyPoolLayer {
    pool: Option<Arc<ProxyPool>>,
    /// Whether attempts are dropped as a matter of course, so that a proxy that is dead might never
    /// have the time to fail.
    is_hedged: bool,
}

impl ProxyPoolLayer {
    pub(crate) fn new(pool: Option<Arc<ProxyPool>>, is_hedged: bool) -> Self {
        Self { pool, is_hedged }
    }
}

impl<S: RequestService> Layer<S> for ProxyPoolLayer {
    type Service = Rotating<S>;

    fn layer(&self, inner: S) -> Rotating<S> {
        Rotating {
            inner,
            pool: self.pool.clone(),
            is_hedged: self.is_hedged,
        }
    }
}

/// A service whose requests go through proxies.
#[derive(Clone, Debug)]
pub(crate) struct Rotating<S> {
    inner: S,
    pool: Option<Arc<ProxyPool>>,
    is_hedged: bool,
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
        match route(pool, request, self.is_hedged) {
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

/// An attempt on its way, through a proxy or perhaps through one later on.
pub(crate) struct Passage {
    pool: Arc<ProxyPool>,
    way: Way,
    /// Where it is watched, until it is over.
    dialing: Option<Arc<Dialing>>,
}

/// How an attempt gets its proxy.
enum Way {
    /// It has one, whatever happens.
    Through(Member, Use),
    /// It depends on where it goes.
    Chosen(Arc<Chooser>),
}

/// Gives the request its proxy, if it is to have one.
fn route(
    pool: &Arc<ProxyPool>,
    request: RequestConfig,
    is_hedged: bool,
) -> Result<(RequestConfig, Option<Passage>), BackendError> {
    // One that is wrong says so further inside, before it gets anywhere.
    let Some(url) = request.url() else {
        return Ok((request, None));
    };
    if request.has_own_route() {
        return Ok((request, None));
    }
    let journey = request.extension_ref::<Journey>();
    let last = journey.and_then(Journey::latest_proxy);
    // Later, if at all: once a redirect leads elsewhere.
    let is_for_later = request.unix_socket_setting().is_some() || pool.is_direct(url);
    let choice = if is_for_later {
        None
    } else {
        Some(choose(pool, url, journey, last)?)
    };
    let name = choice.as_ref().map(|(member, _)| member.name.clone());
    let (request, way) = match choice {
        Some((member, attempt)) if pool.direct.is_none() => {
            let request = request.proxy(member.proxy.clone());
            (request, Way::Through(member, attempt))
        }
        choice => {
            let chooser = Arc::new(Chooser {
                pool: pool.clone(),
                journey: journey.cloned(),
                last,
                choice: choice.map_or_else(OnceLock::new, OnceLock::from),
            });
            let request = request.choose_proxy(chooser.clone());
            (request, Way::Chosen(chooser))
        }
    };
    let (mut request, mut dialing) = (request, None);
    if let Some(name) = name {
        request = request.extension(Through(name));
        if is_hedged {
            let (watched, watch) = Dialing::watch(request);
            (request, dialing) = (watched, Some(watch));
        }
    }
    let pool = pool.clone();
    Ok((request, Some(Passage { pool, way, dialing })))
}

/// Chooses a proxy for this URL, other than that of the attempt before.
fn choose(
    pool: &ProxyPool,
    url: &Url,
    journey: Option<&Journey>,
    last: Option<NonZeroU64>,
) -> Result<(Member, Use), BackendError> {
    let (member, attempt) = pool.members.choose(pool, url, last.map(NonZeroU64::get))?;
    if let (Some(journey), Some(id)) = (journey, NonZeroU64::new(member.id)) {
        journey.go_through(id);
    }
    Ok((member, attempt))
}

/// Chooses the proxy of an attempt when there is a need for one, which there is not for a host that is
/// reached directly, nor for a Unix socket; a redirect may lead from one to the other, and back.
struct Chooser {
    pool: Arc<ProxyPool>,
    journey: Option<Journey>,
    last: Option<NonZeroU64>,
    /// All of its redirects keep the one.
    choice: OnceLock<(Member, Use)>,
}

impl ChooseProxy for Chooser {
    fn choose(&self, url: &Url) -> Result<Option<Proxy>, BackendError> {
        if self.pool.is_direct(url) {
            return Ok(None);
        }
        if let Some((member, _)) = self.choice.get() {
            return Ok(Some(member.proxy.clone()));
        }
        let choice = choose(&self.pool, url, self.journey.as_ref(), self.last)?;
        let (member, _) = self.choice.get_or_init(|| choice);
        Ok(Some(member.proxy.clone()))
    }
}

impl Passage {
    fn end<R: Answer>(mut self, reply: Result<R, BackendError>) -> Result<R, BackendError> {
        self.dialing = None;
        let pool = &self.pool;
        let Some((member, attempt)) = self.choice() else {
            return reply;
        };
        if pool.direct.is_some()
            && let Some(url) = last_url(&reply)
            && pool.is_direct(&url)
        {
            // A redirect has led to a host that is reached directly, which says nothing of the proxy.
            return reply;
        }
        let reply = verdict::settle(reply, &member.proxy);
        match verdict::of(&reply) {
            Verdict::Worked => pool.members.worked(attempt),
            Verdict::Failed(scope) => pool.members.failed(pool, attempt, scope, &member.name),
            Verdict::Open => {}
        }
        reply.map_err(|error| match error.kind() {
            // It never got anywhere.
            ErrorKind::Input => error,
            _ => error.with_proxy(&member.proxy),
        })
    }
}

impl Passage {
    /// The proxy, if there was a need for one.
    fn choice(&self) -> Option<(&Member, Use)> {
        match &self.way {
            Way::Through(member, attempt) => Some((member, *attempt)),
            Way::Chosen(chooser) => {
                let choice = chooser.choice.get();
                choice.map(|(member, attempt)| (member, *attempt))
            }
        }
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        let since = self.dialing.as_ref().and_then(|dialing| dialing.since());
        if let (Some(since), Some((member, attempt))) = (since, self.choice()) {
            let members = &self.pool.members;
            members.given_up(&self.pool, attempt, since, &member.name);
        }
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
        let (request, passage) = route(self, request, false)?;
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
