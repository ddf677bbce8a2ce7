//! What one run has to do: the command line, read and checked once, before anything is measured.

use std::fs;
use std::io;
use std::sync::Arc;

use http::{Uri, Version};
use tokio::runtime::{Builder, Runtime};

use crate::args::{Protocol, RunArgs, RuntimeKind, Workload};
use crate::failure::Failure;

/// One run.
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    pub(crate) targets: Targets,
    pub(crate) requests: u64,
    pub(crate) warm_up: u64,
    pub(crate) concurrency: usize,
    /// How many HTTP/2 connections were asked for.
    pub(crate) connections: Option<usize>,
    /// The authorities to trust, in PEM; the system's without.
    pub(crate) ca: Option<Vec<u8>>,
    pub(crate) upload_bytes: u64,
    runtime: RuntimeKind,
    protocol: Option<Protocol>,
}

/// The URLs, of which each request takes the next. Clones share them.
#[derive(Clone)]
pub(crate) struct Targets(Arc<[Target]>);

/// Where a request goes, in the two forms that clients take.
pub(crate) struct Target {
    pub(crate) text: String,
    pub(crate) uri: Uri,
}

impl Plan {
    pub(crate) fn new(args: RunArgs) -> Result<Self, Failure> {
        let connects = matches!(args.workload, Workload::Origins | Workload::Cold);
        if connects && args.warm_up > 0 {
            return Err(Failure::new(
                "connections are part of what this workload measures, so it has no warm-up",
            ));
        }
        let ca = args.ca.map(|path| {
            fs::read(&path).map_err(|error| Failure::from(error).during(&path.to_string_lossy()))
        });
        Ok(Self {
            workload: args.workload,
            targets: Targets::new(args.urls)?,
            requests: args.requests,
            warm_up: args.warm_up,
            concurrency: args.concurrency as usize,
            connections: args.connections.map(|count| count as usize),
            ca: ca.transpose()?,
            upload_bytes: args.upload_bytes,
            runtime: args.runtime,
            protocol: args.protocol,
        })
    }

    /// The runtime that was asked for.
    pub(crate) fn runtime(&self) -> io::Result<Runtime> {
        match self.runtime {
            RuntimeKind::Current => Builder::new_current_thread().enable_all().build(),
            RuntimeKind::Multi => Builder::new_multi_thread().enable_all().build(),
        }
    }

    /// The version of every exchange, for a subject that can do both.
    pub(crate) fn version(&self) -> Version {
        match self.protocol {
            Some(Protocol::H1) => Version::HTTP_11,
            Some(Protocol::H2) | None => Version::HTTP_2,
        }
    }

    /// Refuses the protocol that a subject does not speak.
    pub(crate) fn only(&self, version: Version) -> Result<(), Failure> {
        if self.protocol.is_some() && self.version() != version {
            return Err(Failure::new(format!(
                "this subject speaks {version:?} only"
            )));
        }
        Ok(())
    }

    /// Whether the requests travel over TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.targets.first().is_tls()
    }
}

impl Targets {
    fn new(urls: Vec<String>) -> Result<Self, Failure> {
        let targets: Vec<Target> = urls
            .into_iter()
            .map(Target::new)
            .collect::<Result<_, _>>()?;
        let Some(first) = targets.first() else {
            return Err(Failure::new("there is no URL"));
        };
        if targets.iter().any(|one| one.is_tls() != first.is_tls()) {
            return Err(Failure::new("some URLs are https and some are http"));
        }
        Ok(Self(targets.into()))
    }

    pub(crate) fn first(&self) -> &Target {
        &self.0[0]
    }

    /// The only origin, for subjects that cannot have more.
    pub(crate) fn one_origin(&self) -> Result<&Target, Failure> {
        let first = self.first();
        if self
            .0
            .iter()
            .any(|one| one.uri.authority() != first.uri.authority())
        {
            return Err(Failure::new("this subject takes one origin only"));
        }
        Ok(first)
    }

    /// Where the request with this index goes.
    pub(crate) fn of(&self, request: u64) -> &Target {
        let count = self.0.len() as u64;
        &self.0[usize::try_from(request % count).unwrap_or(0)]
    }
}

impl Target {
    fn new(text: String) -> Result<Self, Failure> {
        let uri: Uri = text
            .parse()
            .map_err(|error: http::uri::InvalidUri| Failure::from(error).during(&text))?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        if !is_http || uri.authority().is_none() {
            return Err(Failure::new(format!("{text} is no http or https URL")));
        }
        Ok(Self { text, uri })
    }

    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    /// The host, without the brackets of an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        let host = self.uri.host().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        let default = if self.is_tls() { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(default)
    }
}
