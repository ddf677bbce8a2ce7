//! Which proxy for which URL: a client's rules, or those of the environment.

use std::{env, ffi::OsString, fmt, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use url::{Host, Url};

use super::Proxy;
use crate::{BackendError, ErrorKind};

/// Which proxy is used for which URL.
///
/// A rule for `http` URLs, one for `https` URLs, and a list of hosts that are reached directly.
/// They are asked anew for the target of each redirect. Clones are cheap.
///
/// ```
/// use pr_core::{Proxies, Proxy};
/// use url::Url;
///
/// let proxies = Proxies::all(Proxy::new("http://proxy.example:3128")?)
///     .no_proxy("localhost, .internal.example, 10.0.0.0/8");
/// let through = |url: &str| proxies.for_url(&Url::parse(url).unwrap()).is_some();
/// assert!(through("https://example.org/"));
/// assert!(!through("http://api.internal.example/"));
/// assert!(!through("http://10.1.2.3:8080/"));
/// # Ok::<(), pr_core::BackendError>(())
/// ```
///
/// # The environment
///
/// [`from_env`](Self::from_env) reads these variables; the spelling in lower case wins, even if it
/// is empty, which says that there is none:
///
/// | Variable | Meaning |
/// |---|---|
/// | `http_proxy`, `HTTP_PROXY` | the proxy for `http` URLs; in capitals it is ignored where `REQUEST_METHOD` is set, because a CGI server puts a request's `Proxy` header there |
/// | `https_proxy`, `HTTPS_PROXY` | the proxy for `https` URLs |
/// | `all_proxy`, `ALL_PROXY` | the proxy for URLs whose scheme has none of its own |
/// | `no_proxy`, `NO_PROXY` | the list of hosts that are reached directly |
///
/// A proxy without a scheme is an `http` proxy.
///
/// # The list of hosts
///
/// Entries are separated by commas or white space, and their case does not matter. A host that is a
/// name is never looked up for this, so that networks match only hosts that are addresses.
///
/// | Entry | Matches | Does not match |
/// |---|---|---|
/// | `*` | every host | |
/// | `example.org` | `example.org`, `a.example.org`, `a.b.example.org`, any port | `badexample.org` |
/// | `.example.org` | the same | the same |
/// | `*.example.org` | `a.example.org`, `a.b.example.org` | `example.org` |
/// | `example.org:8080` | the same hosts as without a port, on port 8080 | the same hosts on other ports |
/// | `192.0.2.7`, `2001:db8::7`, `[2001:db8::7]` | that address | |
/// | `192.0.2.7:8080`, `[2001:db8::7]:8080` | that address on that port | other ports |
/// | `10.0.0.0/8`, `fd00::/8` | the addresses of that network | names that point there |
/// | anything else | nothing | |
///
/// A trailing dot, of an entry or of a host, does not count. Nothing is matched by itself, not even
/// `localhost`.
#[derive(Clone, Default)]
pub struct Proxies {
    rules: Arc<Rules>,
}

#[derive(Clone, Default)]
struct Rules {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Entry>,
}

/// One entry of the list of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// This name and what is below.
    Domain(String),
    /// What is below this name.
    Below(String),
    Network(IpNet),
}

impl Proxies {
    /// No proxy for anything.
    pub fn none() -> Self {
        Self::default()
    }

    /// This proxy for every URL.
    pub fn all(proxy: Proxy) -> Self {
        Self::none().http(proxy.clone()).https(proxy)
    }

    /// What the [environment](Self#the-environment) says.
    ///
    /// A proxy that is none is an error of kind [`Config`](ErrorKind::Config) that names the
    /// variable.
    pub fn from_env() -> Result<Self, BackendError> {
        Self::from_variables(|name| env::var_os(name).map(OsString::into_string))
    }

    fn from_variables(
        read: impl Fn(&str) -> Option<Result<String, OsString>>,
    ) -> Result<Self, BackendError> {
        let text = |name: &str| match read(name) {
            Some(Ok(value)) => Ok(Some(value.trim().to_owned())),
            Some(Err(_)) => Err(misread(name, "it is not UTF-8")),
            None => Ok(None),
        };
        let either = |name: &str| -> Result<Option<(String, String)>, BackendError> {
            let capitals = name.to_ascii_uppercase();
            let is_forgeable = capitals == "HTTP_PROXY" && read("REQUEST_METHOD").is_some();
            for name in [name.to_owned(), capitals] {
                if is_forgeable && name == "HTTP_PROXY" {
                    continue;
                }
                if let Some(value) = text(&name)? {
                    return Ok((!value.is_empty()).then_some((name, value)));
                }
            }
            Ok(None)
        };
        let proxy = |name: &str| -> Result<Option<Proxy>, BackendError> {
            let Some((name, value)) = either(name)? else {
                return Ok(None);
            };
            let url = if value.contains("://") {
                value
            } else {
                format!("http://{value}")
            };
            let proxy = Proxy::new(&url).map_err(|error| misread(&name, error.message()))?;
            Ok(Some(proxy))
        };
        let all = proxy("all_proxy")?;
        let proxies = Self {
            rules: Arc::new(Rules {
                http: proxy("http_proxy")?.or_else(|| all.clone()),
                https: proxy("https_proxy")?.or(all),
                direct: Vec::new(),
            }),
        };
        Ok(match either("no_proxy")? {
            Some((_, list)) => proxies.no_proxy(&list),
            None => proxies,
        })
    }

    /// Sets the proxy for `http` URLs.
    pub fn http(mut self, proxy: Proxy) -> Self {
        Arc::make_mut(&mut self.rules).http = Some(proxy);
        self
    }

    /// Sets the proxy for `https` URLs.
    pub fn https(mut self, proxy: Proxy) -> Self {
        Arc::make_mut(&mut self.rules).https = Some(proxy);
        self
    }

    /// Adds hosts that are reached directly, in the form of [`NO_PROXY`](Self#the-list-of-hosts).
    pub fn no_proxy(mut self, list: &str) -> Self {
        let entries = list.split(|character: char| character == ',' || character.is_whitespace());
        let direct = &mut Arc::make_mut(&mut self.rules).direct;
        direct.extend(entries.filter_map(Entry::parse));
        self
    }

    /// The proxy for this URL; `None` if it is reached directly.
    pub fn for_url(&self, url: &Url) -> Option<&Proxy> {
        let proxy = match url.scheme() {
            "http" => self.rules.http.as_ref(),
            "https" => self.rules.https.as_ref(),
            _ => None,
        }?;
        let is_direct = self.rules.direct.iter().any(|entry| entry.matches(url));
        (!is_direct).then_some(proxy)
    }

    /// Whether no URL has a proxy.
    pub fn is_none(&self) -> bool {
        self.rules.http.is_none() && self.rules.https.is_none()
    }
}

impl From<Proxy> for Proxies {
    fn from(proxy: Proxy) -> Self {
        Self::all(proxy)
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Some(Self {
                hosts: Hosts::All,
                port: None,
            });
        }
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self {
                hosts: Hosts::Network(network.trunc()),
                port: None,
            });
        }
        // An address of version 6 has colons of its own, and is not followed by a port unless it
        // stands in brackets.
        let (host, port) = match text.parse::<IpAddr>() {
            Ok(_) => (&text[..], None),
            Err(_) => match text.rsplit_once(':') {
                Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse().ok()?)),
                _ => (&text[..], None),
            },
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let hosts = if let Ok(address) = bare.parse::<IpAddr>() {
            Hosts::Network(address.into())
        } else if let Some(domain) = host.strip_prefix("*.") {
            Hosts::Below(name(domain)?)
        } else {
            Hosts::Domain(name(host.strip_prefix('.').unwrap_or(host))?)
        };
        Some(Self { hosts, port })
    }

    fn matches(&self, url: &Url) -> bool {
        if self
            .port
            .is_some_and(|port| url.port_or_known_default() != Some(port))
        {
            return false;
        }
        let below = |host: &str, domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
        };
        match (&self.hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network), Some(Host::Ipv4(address))) => {
                network.contains(&IpAddr::V4(address))
            }
            (Hosts::Network(network), Some(Host::Ipv6(address))) => {
                let address = IpAddr::V6(address);
                network.contains(&address) || network.contains(&address.to_canonical())
            }
            (Hosts::Domain(domain), Some(Host::Domain(host))) => {
                let host = host.strip_suffix('.').unwrap_or(host);
                host == domain || below(host, domain)
            }
            (Hosts::Below(domain), Some(Host::Domain(host))) => {
                below(host.strip_suffix('.').unwrap_or(host), domain)
            }
            _ => false,
        }
    }
}

/// A host's name as URLs have it, in ASCII; `None` if it is none.
fn name(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    match Host::parse(text) {
        Ok(Host::Domain(name)) => Some(name),
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) | Err(_) => None,
    }
}

fn misread(variable: &str, why: &str) -> BackendError {
    let message = format!("the environment's {variable} names no proxy: {why}");
    BackendError::new(ErrorKind::Config, message)
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.rules.http)
            .field("https", &self.rules.https)
            .field("direct", &self.rules.direct)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Proxies, BackendError> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        Proxies::from_variables(|name| variables.get(name).map(|value| Ok((*value).to_owned())))
    }

    fn used(proxies: &Proxies, url: &str) -> Option<String> {
        let url = Url::parse(url).unwrap();
        let proxy = proxies.for_url(&url);
        proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn hosts_that_are_reached_directly() {
        let table = [
            ("*", "http://example.org/", true),
            ("example.org", "http://example.org/", true),
            ("example.org", "http://EXAMPLE.org:8080/", true),
            ("EXAMPLE.ORG.", "http://example.org/", true),
            ("example.org", "http://example.org./", true),
            ("example.org", "http://a.example.org/", true),
            ("example.org", "http://a.b.example.org/", true),
            ("example.org", "http://badexample.org/", false),
            ("example.org", "http://example.org.evil.example/", false),
            ("example.org", "http://org/", false),
            (".example.org", "http://example.org/", true),
            (".example.org", "http://a.example.org/", true),
            (".example.org", "http://badexample.org/", false),
            ("*.example.org", "http://a.example.org/", true),
            ("*.example.org", "http://example.org/", false),
            ("example.org:8080", "http://example.org:8080/", true),
            ("example.org:8080", "http://a.example.org:8080/", true),
            ("example.org:8080", "http://example.org/", false),
            ("example.org:443", "https://example.org/", true),
            ("example.org:99999", "http://example.org/", false),
            ("192.0.2.7", "http://192.0.2.7/", true),
            ("192.0.2.7", "http://192.0.2.8/", false),
            ("192.0.2.7:81", "http://192.0.2.7:81/", true),
            ("192.0.2.7:81", "http://192.0.2.7/", false),
            ("2001:db8::7", "http://[2001:db8::7]:81/", true),
            ("[2001:db8::7]", "http://[2001:db8::7]/", true),
            ("[2001:db8::7]:81", "http://[2001:db8::7]:81/", true),
            ("[2001:db8::7]:81", "http://[2001:db8::7]:82/", false),
            ("10.0.0.0/8", "http://10.255.0.1/", true),
            ("10.1.2.3/8", "http://10.255.0.1/", true),
            ("10.0.0.0/8", "http://11.0.0.1/", false),
            ("10.0.0.0/8", "http://[::ffff:10.0.0.1]/", true),
            ("10.0.0.0/8", "http://ten.example/", false),
            ("fd00::/8", "http://[fd12::1]/", true),
            ("fd00::/8", "http://[fe80::1]/", false),
            ("127.0.0.1", "http://localhost/", false),
            ("a.example, b.example", "http://b.example/", true),
            ("a.example b.example", "http://b.example/", true),
            (",, ,\tb.example\n", "http://b.example/", true),
            ("bücher.example", "http://xn--bcher-kva.example/", true),
            ("http://example.org", "http://example.org/", false),
            ("", "http://example.org/", false),
        ];
        for (list, url, direct) in table {
            let proxies = Proxies::all(Proxy::new("http://p.example").unwrap()).no_proxy(list);
            assert_eq!(used(&proxies, url).is_none(), direct, "{list:?}, {url}");
        }
    }

    /// Variables, and the proxies for `http` and `https` that follow from them.
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>, Option<&'a str>);

    #[test]
    fn variables_of_the_environment() {
        let (http, https) = ("http://h.example/", "https://h.example/");
        let table: &[Row<'_>] = &[
            (&[], None, None),
            (&[("http_proxy", "http://a:1")], Some("a:1"), None),
            (&[("HTTP_PROXY", "http://a:1")], Some("a:1"), None),
            (&[("https_proxy", "http://a:1")], None, Some("a:1")),
            (
                &[("all_proxy", "socks5h://a"), ("HTTPS_PROXY", "https://b")],
                Some("a:1080"),
                Some("b:443"),
            ),
            (
                &[("http_proxy", "a:1"), ("HTTP_PROXY", "b:2")],
                Some("a:1"),
                None,
            ),
            (&[("http_proxy", ""), ("HTTP_PROXY", "b:2")], None, None),
            (
                &[("HTTP_PROXY", "b:2"), ("REQUEST_METHOD", "GET")],
                None,
                None,
            ),
            (
                &[("http_proxy", "a:1"), ("REQUEST_METHOD", "GET")],
                Some("a:1"),
                None,
            ),
            (
                &[("all_proxy", "a:1"), ("NO_PROXY", "h.example")],
                None,
                None,
            ),
            (
                &[
                    ("all_proxy", "a:1"),
                    ("no_proxy", ""),
                    ("NO_PROXY", "h.example"),
                ],
                Some("a:1"),
                Some("a:1"),
            ),
        ];
        for (variables, for_http, for_https) in table {
            let proxies = environment(variables).unwrap();
            assert_eq!(used(&proxies, http).as_deref(), *for_http, "{variables:?}");
            assert_eq!(
                used(&proxies, https).as_deref(),
                *for_https,
                "{variables:?}"
            );
        }
    }

    #[test]
    fn a_variable_that_names_no_proxy_is_named() {
        for value in ["ftp://p.example", "http://", "http://canary:canary@:1"] {
            let error = environment(&[("HTTPS_PROXY", value)]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains("HTTPS_PROXY"), "{error}");
            assert!(!error.chain().contains("canary"), "{}", error.chain());
        }
    }
}
