//! The rules themselves, each with its reason. To allow or forbid a dependency, change a line here;
//! the arrows of `docs/architecture.md` say the same in a picture.

/// Something that must be absent from, or present in, the dependencies of some packages.
pub(super) struct Rule {
    /// Whose dependencies.
    pub(super) crates: Crates,
    /// With which of their features.
    pub(super) features: Features,
    /// What none of them may bring in, directly or not.
    pub(super) absent: &'static [Absent],
    /// What each of them must bring in.
    pub(super) present: &'static [&'static str],
    /// The reason, as the end of the sentence that a person reads when it is broken.
    pub(super) why: &'static str,
}

/// The packages that a rule speaks of.
pub(super) enum Crates {
    /// Those that go to a registry.
    Published,
    /// These.
    Named(&'static [&'static str]),
}

/// What a rule forbids.
pub(super) enum Absent {
    /// A package.
    Package(&'static str),
    /// A feature of a package that is fine without it.
    Feature(&'static str, &'static str),
}

/// The features with which a package is looked at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Features {
    /// Those that it has on by default.
    Default,
    /// None, not even the default ones.
    None,
    /// One, without the default ones.
    Only(&'static str),
    /// All of them.
    All,
}

impl Features {
    /// Cargo's flags for it.
    pub(super) fn flags(self) -> String {
        match self {
            Self::Default => String::new(),
            Self::None => "--no-default-features".to_owned(),
            Self::Only(feature) => format!("--no-default-features --features {feature}"),
            Self::All => "--all-features".to_owned(),
        }
    }

    /// It in words, for a message.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Default => "default features".to_owned(),
            Self::None => "no features".to_owned(),
            Self::Only(feature) => format!("only the feature `{feature}`"),
            Self::All => "all features".to_owned(),
        }
    }
}

use Absent::{Feature, Package};

/// Every rule.
pub(super) const RULES: &[Rule] = &[
    Rule {
        crates: Crates::Named(&["pr-core"]),
        features: Features::All,
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("mio"),
            Package("pr-backend-blocking"),
            Package("pr-backend-h2"),
            Package("pr-backend-hyper"),
            Package("pr-connect"),
            Package("pr-tls"),
            Package("reqwest"),
            Package("rustls"),
            Package("socket2"),
            Package("tokio-rustls"),
            Package("ureq"),
            Feature("tokio", "net"),
            Feature("tokio", "process"),
        ],
        present: &[],
        why: "the contract knows no HTTP stack, no TLS and no sockets, so that any backend can be \
              built on it.",
    },
    Rule {
        crates: Crates::Named(&["pr-tls"]),
        features: Features::All,
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("mio"),
            Package("pr-connect"),
            Package("tokio-rustls"),
            Package("ureq"),
            Feature("tokio", "net"),
        ],
        present: &[],
        why: "it turns settings into a configuration, for async and blocking backends alike, and \
              opens no connection.",
    },
    Rule {
        crates: Crates::Named(&["pr-connect"]),
        features: Features::All,
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("pr-backend-blocking"),
            Package("pr-backend-h2"),
            Package("pr-backend-hyper"),
            Package("ureq"),
        ],
        present: &[],
        why: "dialing ends where a protocol begins, and serves backends that have no use for an async \
              HTTP stack.",
    },
    Rule {
        crates: Crates::Named(&[
            "pr-core",
            "pr-tls",
            "pr-connect",
            "pr-backend-h2",
            "pr-backend-hyper",
            "pr-backend-blocking",
        ]),
        features: Features::All,
        absent: &[Package("parallel-requests")],
        present: &["http"],
        why: "a backend is useful alone, without the facade, and speaks the `http` crate's types.",
    },
    Rule {
        crates: Crates::Named(&["pr-backend-hyper"]),
        features: Features::All,
        absent: &[
            Package("h2"),
            Package("pr-backend-blocking"),
            Package("pr-backend-h2"),
            Package("ureq"),
        ],
        present: &["hyper"],
        why: "whoever takes this backend wants HTTP/1.1 and nothing more to compile.",
    },
    Rule {
        crates: Crates::Named(&["pr-backend-blocking"]),
        features: Features::All,
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("pr-backend-h2"),
            Package("pr-backend-hyper"),
        ],
        present: &["ureq"],
        why: "it does its work on threads of its own; an async HTTP stack beside that is waste. Only \
              dialing, which is the same for all backends, is async.",
    },
    Rule {
        crates: Crates::Named(&["pr-backend-h2"]),
        features: Features::All,
        absent: &[Package("pr-backend-blocking"), Package("ureq")],
        present: &["h2"],
        why: "its only other transport is HTTP/1.1 by pr-backend-hyper, for peers that speak no \
              HTTP/2.",
    },
    Rule {
        crates: Crates::Named(&["parallel-requests"]),
        features: Features::None,
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("pr-backend-blocking"),
            Package("pr-backend-h2"),
            Package("pr-backend-hyper"),
            Package("pr-connect"),
            Package("pr-tls"),
            Package("rustls"),
            Package("ureq"),
        ],
        present: &["pr-core"],
        why: "a person who brings a backend of their own pays for none of ours.",
    },
    Rule {
        crates: Crates::Named(&["parallel-requests"]),
        features: Features::Default,
        absent: &[Package("pr-backend-blocking"), Package("ureq")],
        present: &["pr-backend-h2"],
        why: "the default is the h2 backend and only that.",
    },
    Rule {
        crates: Crates::Named(&["parallel-requests"]),
        features: Features::Only("h2"),
        absent: &[Package("pr-backend-blocking"), Package("ureq")],
        present: &["pr-backend-h2"],
        why: "a feature brings its own backend and no other one's transport.",
    },
    Rule {
        crates: Crates::Named(&["parallel-requests"]),
        features: Features::Only("hyper"),
        absent: &[
            Package("h2"),
            Package("pr-backend-blocking"),
            Package("pr-backend-h2"),
            Package("ureq"),
        ],
        present: &["pr-backend-hyper"],
        why: "a feature brings its own backend and no other one's transport.",
    },
    Rule {
        crates: Crates::Named(&["parallel-requests"]),
        features: Features::Only("blocking"),
        absent: &[
            Package("h2"),
            Package("hyper"),
            Package("hyper-util"),
            Package("pr-backend-h2"),
            Package("pr-backend-hyper"),
        ],
        present: &["pr-backend-blocking"],
        why: "a feature brings its own backend and no other one's transport.",
    },
    Rule {
        crates: Crates::Published,
        features: Features::All,
        absent: &[
            Package("criterion"),
            Package("pr-testkit"),
            Package("reqwest"),
        ],
        present: &[],
        why: "test servers and rival clients are for tests and benches; nobody who uses the library \
              should compile them.",
    },
    Rule {
        crates: Crates::Named(&["pr-cli", "pr-testkit"]),
        features: Features::All,
        absent: &[Package("criterion"), Package("reqwest")],
        present: &[],
        why: "rival clients are for tests and benches.",
    },
    Rule {
        crates: Crates::Published,
        features: Features::All,
        absent: &[
            Package("aws-lc-fips-sys"),
            Package("boring"),
            Package("native-tls"),
            Package("openssl"),
            Package("ring"),
        ],
        present: &[],
        why: "one TLS stack and one cryptography provider, rustls with aws-lc-rs, in the whole tree: \
              with two, which one is used depends on what else the program depends on.",
    },
    Rule {
        crates: Crates::Named(&["pr-cli", "pr-testkit"]),
        features: Features::All,
        absent: &[Package("native-tls"), Package("openssl"), Package("ring")],
        present: &["aws-lc-rs"],
        why: "what we demonstrate and test with must use the same cryptography as what we publish.",
    },
    Rule {
        crates: Crates::Named(&["pr-tls", "parallel-requests"]),
        features: Features::All,
        absent: &[],
        present: &["aws-lc-rs", "rustls"],
        why: "one TLS stack and one cryptography provider, rustls with aws-lc-rs, in the whole tree.",
    },
];
