//! From the command line's options to a client: everything that is true of every request.

use std::{fs, path::Path};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header::CONTENT_LENGTH};
use parallel_requests::{Certificate, ParallelRequests, RequestConfig, Roots, pr_core::Capability};

use super::policies;
use crate::{
    args::FetchArgs,
    exit::{CommandError, explain},
};

/// Makes the client. Whatever is wrong here is wrong with the command line.
pub(super) fn build(args: &FetchArgs) -> Result<ParallelRequests, CommandError> {
    let headers = headers(&args.header)?;
    check(args.method.as_ref(), &headers)?;
    let mut builder = ParallelRequests::builder()
        .backend(args.backend.as_str())
        .http2_prior_knowledge(args.http2_prior_knowledge)
        .headers(headers);
    builder = policies::apply(&args.policies, builder)?;
    if let Some(limit) = args.timeout {
        builder = builder.timeout(limit);
    }
    if args.no_http2 {
        builder = builder.http2(false);
    }
    if args.insecure {
        builder = builder.verify_ssl(false);
    }
    if let Some(file) = &args.cacert {
        builder = builder.roots(Roots::Only(certificates(file)?));
    }
    let client = builder
        .build()
        .map_err(|error| CommandError::Usage(explain(&error)))?;

    let backend = client.backend();
    if args.http2_prior_knowledge && !backend.capabilities().has(Capability::Http2PriorKnowledge) {
        return Err(CommandError::Usage(format!(
            "--http2-prior-knowledge: the {} backend cannot do this; h2 can",
            backend.name()
        )));
    }
    Ok(client)
}

/// Refuses at once what every single request would be refused for.
fn check(method: Option<&Method>, headers: &HeaderMap) -> Result<(), CommandError> {
    let mut headers = headers.clone();
    // Whether this one is right depends on the body.
    headers.remove(CONTENT_LENGTH);
    let mut request = RequestConfig::get("http://localhost/").headers(headers);
    if let Some(method) = method {
        request = request.method(method.clone());
    }
    let checked = request.check();
    checked.map_err(|error| CommandError::Usage(error.message().to_owned()))
}

/// Reads `Name: value` fields. A field that is none is not shown, for it may hold a secret.
fn headers(fields: &[String]) -> Result<HeaderMap, CommandError> {
    let mut headers = HeaderMap::new();
    for (index, field) in fields.iter().enumerate() {
        let refuse = |why: &str| {
            let place = index + 1;
            CommandError::Usage(format!("header {place} (-H): {why}"))
        };
        let (name, value) = field
            .split_once(':')
            .ok_or_else(|| refuse("there is no colon in it; a header is written 'Name: value'"))?;
        let name: HeaderName = name
            .trim()
            .parse()
            .map_err(|_| refuse("what stands before the colon is no header's name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| {
            refuse("the value has characters that a header cannot hold, such as a line break")
        })?;
        headers
            .try_append(name, value)
            .map_err(|_| refuse("there are too many headers"))?;
    }
    Ok(headers)
}

fn certificates(file: &Path) -> Result<Vec<Certificate>, CommandError> {
    let refuse = |why: String| CommandError::Usage(format!("--cacert {}: {why}", file.display()));
    let pem = fs::read(file).map_err(|error| refuse(error.to_string()))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| refuse(explain(&error)))
}
