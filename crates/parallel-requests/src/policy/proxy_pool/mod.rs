//! Requests through many proxies, each attempt through the next one that works.

mod dialing;
mod health;
mod layer;
mod list;
mod members;
mod rotation;
mod source;
mod verdict;

use std::{borrow::Cow, fmt, path::Path, sync::Arc, time::Duration};

use pr_core::{BoxError, Proxies, Proxy};
use url::Url;

pub(crate) use self::layer::{ProxyPoolLayer, Rotating, name_of};
use self::{
    health::Cooldown,
    members::Members,
    source::{Listed, Source},
};
pub use self::{list::ProxyListError, rotation::RotationStrategy};
use crate::ConfigurationError;

/// Proxies that share a client's requests. Each attempt at a request gets one of them, so that a retry
/// goes through another. Give it to [`ClientBuilder::proxy_pool`](crate::ClientBuilder::proxy_pool),
/// in place of [one proxy](crate::ClientBuilder::proxy) and of those of the environment.
///
/// Clones are the same pool: they share the list, the turn and what is known of each proxy. Keep one to
/// [refresh](Self::refresh) it, and give others to as many clients as you like.
///
/// ```
/// use std::time::Duration;
/// use parallel_requests::{ParallelRequests, ProxyPool, RotationStrategy};
///
/// let pool = ProxyPool::parse([
///     "203.0.113.7:3128",
///     "203.0.113.8:3128:user:password",
///     "socks5h://user:password@proxy.example:1080",
/// ])?
/// .strategy(RotationStrategy::StickyByHost)
/// .cooldown(Duration::from_secs(60));
///
/// # #[cfg(feature = "h2")]
/// let client = ParallelRequests::builder().proxy_pool(pool).build()?;
///
/// let error = ProxyPool::parse(["203.0.113.7:3128", "203.0.113.8:http"]).unwrap_err();
/// assert!(error.to_string().starts_with("line 2 names no proxy"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What a line says
///
/// | Line | Proxy |
/// |---|---|
/// | `203.0.113.7:3128`, `proxy.example:3128`, `[2001:db8::7]:3128` | an `http` proxy |
/// | `203.0.113.7:3128:user:password` | the same with credentials, taken as they are; the password may hold colons |
/// | `user:password@proxy.example:3128` | the same with credentials, percent-encoded as in URLs |
/// | `http://…`, `https://…`, `socks5://…`, `socks5h://…` | what [`Proxy`] takes |
/// | an empty line, `# a comment` | none |
///
/// White space around a line does not count, nor does what follows white space and a `#`. Anything else
/// is an error at once that names the line, counted from 1, and shows nothing of it.
///
/// # Health
///
/// A proxy that fails a request is given a rest: for the origin of that request (scheme, host and port),
/// since a proxy may be banned from one and not from others; and for all once it has failed for three
/// origins in a row. The first rest is the [cooldown](Self::cooldown), each further one twice the one
/// before, up to [a limit](Self::max_cooldown). A request that gets through ends all that.
///
/// What counts as the proxy's failure: that it cannot be reached, or not in time, that it does not accept
/// its credentials, that it is no such proxy, and the status 407 of a forwarded `http` request, which
/// becomes an error of kind [`Proxy`](crate::ErrorKind::Proxy). Once it is reached, a tunnel that it
/// refuses, by a status other than 407 or a SOCKS reply, or does not open in time, may be the
/// origin's fault and counts for that origin only;
/// [`failed_hop`](crate::BackendError::failed_hop) says which it was. What an origin answers, or does
/// not answer in time, never counts.
///
/// A copy of a [hedge](crate::Hedge) that is dropped because another was faster has not failed. But if it was
/// still waiting for a connection through its proxy, that time adds up, and once it is a second, without the
/// proxy having worked for that origin, it counts as a failure for it.
///
/// An origin may answer 407 itself. So what was forwarded counts as not processed only if the answer
/// has a `proxy-authenticate` field, which a proxy must send (RFC 9110, section 11.7.1); otherwise only
/// idempotent requests are retried.
///
/// **If no proxy is to be had, the request fails; it never goes directly.** The error is of kind `Proxy`
/// and says when the first will be tried again; nothing has been sent. Memory holds the rests of at most
/// 16,384 pairs of proxy and origin; beyond that, those that end first are forgotten.
///
/// # Which requests
///
/// All but those with a [route of their own](pr_core::RequestConfig::has_own_route), those through a Unix
/// socket, and those to hosts that [`no_proxy`](Self::no_proxy) lists; `NO_PROXY` of the environment does
/// not count. The redirects of an attempt go through the same proxy. One that leads away from the
/// socket, or from such a host, goes through a proxy that is chosen then.
///
/// An error through a pool names the proxy, by host and port. Of a response,
/// [`connection`](pr_core::NormalizedResponse::connection) has the proxy's address. Credentials appear
/// nowhere.
#[derive(Clone)]
pub struct ProxyPool {
    members: Arc<Members>,
    strategy: RotationStrategy,
    cooldown: Cooldown,
    direct: Option<Proxies>,
    refresh_every: Option<Duration>,
}

impl ProxyPool {
    /// These proxies. That there is none is an error when the client is built.
    pub fn new(proxies: impl IntoIterator<Item = Proxy>) -> Self {
        Self::of(Source::Fixed, proxies.into_iter().collect())
    }

    /// The proxies of these [lines](Self#what-a-line-says).
    pub fn parse<L: AsRef<str>>(
        lines: impl IntoIterator<Item = L>,
    ) -> Result<Self, ProxyListError> {
        Ok(Self::of(Source::Fixed, list::parse(lines)?))
    }

    /// The proxies of this file, with one to a [line](Self#what-a-line-says), in UTF-8. It is read
    /// now, blocking, and again for each [refresh](Self::refresh).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ProxyListError> {
        Self::listed(Listed::File(path.as_ref().into()))
    }

    /// The proxies of this variable of the environment, separated by white space or commas; a *line*
    /// is then an entry. It is read now, and again for each [refresh](Self::refresh).
    pub fn from_env(variable: impl Into<Cow<'static, str>>) -> Result<Self, ProxyListError> {
        Self::listed(Listed::Variable(variable.into()))
    }

    /// The proxies that `list` gives. It is asked now, and again for each [refresh](Self::refresh).
    pub fn from_fn(
        list: impl Fn() -> Result<Vec<Proxy>, BoxError> + Send + Sync + 'static,
    ) -> Result<Self, ProxyListError> {
        Self::listed(Listed::Given(Box::new(list)))
    }

    /// Asks `next` for the proxy of each attempt, given the URL: for a provider with a session in the
    /// user name, say. One that is having a rest is not used, and `next` is asked again, up to 32
    /// times; if it gives none, the attempt fails. It is called where requests are driven, and must
    /// be quick. The [strategy](Self::strategy) and refreshing mean nothing here.
    pub fn choosing(next: impl Fn(&Url) -> Option<Proxy> + Send + Sync + 'static) -> Self {
        Self::of(Source::Chosen(Box::new(next)), Vec::new())
    }

    fn listed(listed: Listed) -> Result<Self, ProxyListError> {
        let proxies = listed.load()?;
        Ok(Self::of(Source::Listed(listed), proxies))
    }

    fn of(source: Source, proxies: Vec<Proxy>) -> Self {
        Self {
            members: Arc::new(Members::new(source, proxies)),
            strategy: RotationStrategy::default(),
            cooldown: Cooldown::default(),
            direct: None,
            refresh_every: None,
        }
    }

    /// Which proxy comes next. Default: [`RotationStrategy::RoundRobin`].
    pub fn strategy(mut self, strategy: RotationStrategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// How long a proxy's first rest is. Default: 30 s. At least a millisecond.
    pub fn cooldown(mut self, first: Duration) -> Self {
        self.cooldown.first = first;
        self
    }

    /// How long a rest may become; at least the [first](Self::cooldown). Default: 10 min, or as long as
    /// the first if that is longer.
    pub fn max_cooldown(mut self, longest: Duration) -> Self {
        self.cooldown.longest = Some(longest);
        self
    }

    /// Adds hosts that are reached directly, in the form of
    /// [`NO_PROXY`](pr_core::Proxies#the-list-of-hosts). Default: none. It is asked anew for the target of
    /// each redirect.
    pub fn no_proxy(mut self, list: &str) -> Self {
        let rules = self.direct.unwrap_or_else(|| Proxies::all(nowhere()));
        self.direct = Some(rules.no_proxy(list));
        self
    }

    /// [Refreshes](Self::refresh) the list after each such time, when the next request comes along.
    /// It is read or asked where requests are driven, by one of them, so it should be quick; what goes
    /// wrong is logged by `tracing`, and the old list is kept. Default: never. At least a millisecond.
    pub fn refresh_every(mut self, interval: Duration) -> Self {
        self.refresh_every = Some(interval);
        self
    }

    /// Reads the file or the variable again, or asks the closure of [`from_fn`](Self::from_fn), and
    /// gives the number of proxies that there are now. What is known of those that stay is kept. On an
    /// error the old list is kept, and so it is if there is none in the new one.
    pub fn refresh(&self) -> Result<usize, ProxyListError> {
        self.members.refresh()
    }

    /// How many proxies there are; 0 if they are [chosen](Self::choosing) one by one.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_direct(&self, url: &Url) -> bool {
        let rules = self.direct.as_ref();
        rules.is_some_and(|rules| rules.for_url(url).is_none())
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigurationError> {
        let refuse = |value: String, why: &'static str| {
            Err(ConfigurationError::InvalidSetting {
                setting: "proxy_pool",
                value,
                why: why.into(),
            })
        };
        if self.is_empty() && self.members.is_a_list() {
            let why = "without a proxy no request could be sent, since it never goes directly";
            return refuse("empty".to_owned(), why);
        }
        let Cooldown { first, longest } = self.cooldown;
        if first < SHORTEST {
            let why = "a rest is at least a millisecond long";
            return refuse(format!("one with a cooldown of {first:?}"), why);
        }
        if let Some(longest) = longest
            && longest < first
        {
            let why = "no rest would be as long as the first";
            return refuse(format!("one with a max_cooldown of {longest:?}"), why);
        }
        if let Some(interval) = self.refresh_every
            && interval < SHORTEST
        {
            let why = "a list is kept for at least a millisecond";
            return refuse(format!("one with a refresh_every of {interval:?}"), why);
        }
        Ok(())
    }
}

/// A proxy that there is not (RFC 6761, section 6.4), in rules that are asked only whether there is
/// one.
fn nowhere() -> Proxy {
    Proxy::new("http://proxy.invalid:9").expect("it is the URL of a proxy")
}

/// Below this, a duration is a mistake.
const SHORTEST: Duration = Duration::from_millis(1);

impl fmt::Debug for ProxyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyPool")
            .field("proxies", &self.len())
            .field("strategy", &self.strategy)
            .field("cooldown", &self.cooldown)
            .field("refresh_every", &self.refresh_every)
            .finish_non_exhaustive()
    }
}
