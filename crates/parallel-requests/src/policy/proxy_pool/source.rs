//! Where the proxies of a pool come from.

use std::{borrow::Cow, env, fs, path::Path};

use pr_core::{BoxError, Proxy};
use url::Url;

use super::list::{self, ProxyListError};

/// Chooses the proxy of an attempt at a URL.
type Choice = Box<dyn Fn(&Url) -> Option<Proxy> + Send + Sync>;

/// Gives all proxies.
type List = Box<dyn Fn() -> Result<Vec<Proxy>, BoxError> + Send + Sync>;

/// Where they come from.
pub(super) enum Source {
    /// They are what they were.
    Fixed,
    Listed(Listed),
    Chosen(Choice),
}

/// A list that can be had again.
pub(super) enum Listed {
    File(Box<Path>),
    Variable(Cow<'static, str>),
    Given(List),
}

impl Listed {
    /// The list as it is now: at least one.
    pub(super) fn load(&self) -> Result<Vec<Proxy>, ProxyListError> {
        match self {
            Self::File(path) => {
                let text = fs::read_to_string(path).map_err(ProxyListError::File)?;
                list::parse(text.lines())
            }
            Self::Variable(name) => {
                let text = env::var(&**name)
                    .map_err(|_| ProxyListError::Variable { name: name.clone() })?;
                let entries =
                    text.split(|separator: char| separator == ',' || separator.is_whitespace());
                list::parse(entries.filter(|entry| !entry.is_empty()))
            }
            Self::Given(list) => {
                let proxies = list().map_err(ProxyListError::Closure)?;
                if proxies.is_empty() {
                    return Err(ProxyListError::Empty);
                }
                Ok(proxies)
            }
        }
    }
}
