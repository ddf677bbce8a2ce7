//! One case: its name, the capabilities that it is about, and what it does.

use std::fmt;

use futures::future::BoxFuture;
use pr_core::{Capabilities, Capability};

use super::Subject;

/// One case of the [suite](super).
///
/// ```
/// use pr_core::{Capabilities, Capability};
/// use pr_testkit::conformance::CASES;
///
/// let case = CASES.iter().find(|case| case.name() == "http2_is_spoken_where_promised").unwrap();
/// assert!(case.needs().contains(&Capability::Http2));
/// let skip = case.skip(Capabilities::of(&[Capability::Http1])).unwrap();
/// assert!(skip.to_string().starts_with("http2_is_spoken_where_promised"));
/// ```
#[derive(Clone, Copy)]
pub struct Case {
    pub(super) name: &'static str,
    pub(super) needs: &'static [Capability],
    pub(super) excludes: &'static [Capability],
    pub(super) run: fn(Subject) -> BoxFuture<'static, ()>,
}

impl Case {
    /// Its name, which is that of the test too.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The capabilities without which it does not apply.
    pub fn needs(&self) -> &'static [Capability] {
        self.needs
    }

    /// The capabilities with which it does not apply.
    pub fn excludes(&self) -> &'static [Capability] {
        self.excludes
    }

    /// Why it does not apply to a backend with these capabilities; `None` if it does.
    pub fn skip(&self, capabilities: Capabilities) -> Option<Skip> {
        let missing = self.needs.iter().find(|need| !capabilities.has(**need));
        let excluded = self.excludes.iter().find(|one| capabilities.has(**one));
        let (capability, missing) = match (missing, excluded) {
            (Some(missing), _) => (*missing, true),
            (None, Some(excluded)) => (*excluded, false),
            (None, None) => return None,
        };
        Some(Skip {
            case: self.name,
            capability,
            missing,
        })
    }

    pub(super) fn run(&self, subject: Subject) -> BoxFuture<'static, ()> {
        (self.run)(subject)
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .field("needs", &self.needs)
            .field("excludes", &self.excludes)
            .finish_non_exhaustive()
    }
}

/// Why a case does not apply to a backend.
///
/// ```
/// use pr_core::Capabilities;
/// use pr_testkit::conformance::CASES;
///
/// let nothing = Capabilities::of(&[]);
/// for skip in CASES.iter().filter_map(|case| case.skip(nothing)) {
///     println!("skipped: {skip}");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    case: &'static str,
    capability: Capability,
    missing: bool,
}

impl Skip {
    /// The capability on account of which the case does not apply.
    pub fn capability(&self) -> Capability {
        self.capability
    }

    /// Whether the capability is missing; otherwise it is there, and the case is about those
    /// without it.
    pub fn is_missing(&self) -> bool {
        self.missing
    }
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (case, capability) = (self.case, self.capability);
        if self.missing {
            write!(f, "{case} needs what the backend cannot do: {capability}")
        } else {
            write!(
                f,
                "{case} is for backends that cannot do this: {capability}"
            )
        }
    }
}
