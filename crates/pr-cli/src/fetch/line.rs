//! From one line of input to the request that it stands for.

use std::{collections::HashMap, fs, io::Read, path::Path, sync::Arc};

use http::Method;
use parallel_requests::{Body, RequestConfig};
use serde::{Deserialize, de::IgnoredAny};
use url::Url;

use crate::{args::FetchArgs, exit::CommandError};

/// One request to send, however often, or the reason why it cannot be sent.
#[derive(Clone)]
pub(super) struct Entry {
    /// The URL for the outcome; empty if there is none to be found.
    pub(super) url: Arc<str>,
    /// The line of the input, from 1; `None` for a URL of the command line.
    pub(super) line: Option<u64>,
    /// Or what is wrong with the line.
    pub(super) request: Result<RequestConfig, Arc<str>>,
}

/// What the command line says about requests that do not say it themselves.
pub(super) struct Template {
    method: Option<Method>,
    data: Option<Body>,
    /// Whether bodies of responses are kept.
    keep_bodies: bool,
}

impl Template {
    pub(super) fn new(args: &FetchArgs) -> Result<Self, CommandError> {
        let data = args
            .data
            .as_deref()
            .map(|data| body(data, args.input.as_deref()))
            .transpose()?;
        Ok(Self {
            method: args.method.clone(),
            data,
            keep_bodies: args.body,
        })
    }

    /// What `--data` says.
    pub(super) fn data(&self) -> Option<&[u8]> {
        self.data.as_ref().and_then(Body::as_bytes)
    }

    /// The request for a URL; what is no URL fails when it is sent.
    pub(super) fn url(&self, url: &str, line: Option<u64>) -> Entry {
        let request = self.complete(RequestConfig::from(url), false, false);
        Entry {
            url: shown(&request),
            line,
            request: Ok(request),
        }
    }

    /// The request on a line that is neither empty nor a comment.
    pub(super) fn line(&self, text: &str, line: u64) -> Entry {
        if !text.starts_with('{') {
            return self.url(text, Some(line));
        }
        match self.json(text) {
            Ok(request) => Entry {
                url: shown(&request),
                line: Some(line),
                request: Ok(request),
            },
            Err(mistake) => Entry::refused(url_of(text), Some(line), &mistake),
        }
    }

    fn json(&self, text: &str) -> Result<RequestConfig, String> {
        let request = serde_json::from_str(text).map_err(|error| describe(&error))?;
        if self.method.is_none() && self.data.is_none() {
            return Ok(self.complete(request, true, true));
        }
        #[expect(
            clippy::zero_sized_map_values,
            reason = "a set cannot be read from an object"
        )]
        let fields: HashMap<String, IgnoredAny> =
            serde_json::from_str(text).map_err(|error| describe(&error))?;
        let says = |field| fields.contains_key(field);
        Ok(self.complete(request, says("method"), says("data") || says("json")))
    }

    fn complete(
        &self,
        mut request: RequestConfig,
        has_method: bool,
        has_body: bool,
    ) -> RequestConfig {
        if !self.keep_bodies {
            request = request.discard_body(true);
        }
        let data = self.data.as_ref().filter(|_| !has_body);
        if !has_method {
            if let Some(method) = &self.method {
                request = request.method(method.clone());
            } else if data.is_some() {
                request = request.method(Method::POST);
            }
        }
        match data {
            Some(data) => request.data(data.clone()),
            None => request,
        }
    }
}

impl Entry {
    /// A line that stands for no request.
    pub(super) fn refused(url: Arc<str>, line: Option<u64>, mistake: &str) -> Self {
        Self {
            url,
            line,
            request: Err(mistake.into()),
        }
    }
}

/// Reads what `--data` says.
fn body(data: &str, input: Option<&Path>) -> Result<Body, CommandError> {
    let Some(file) = data.strip_prefix('@') else {
        return Ok(data.to_owned().into());
    };
    if file == "-" && input == Some(Path::new("-")) {
        return Err(CommandError::Usage(
            "--data @- and --input - both read standard input; one of them can".to_owned(),
        ));
    }
    let mut bytes = Vec::new();
    let read = match file {
        "-" => std::io::stdin().read_to_end(&mut bytes).map(|_| bytes),
        file => fs::read(file),
    };
    read.map(Body::from)
        .map_err(|error| CommandError::Usage(format!("--data @{file}: {error}")))
}

/// The URL that was asked for, without the credentials that may stand in it.
fn shown(request: &RequestConfig) -> Arc<str> {
    let Some(url) = request.url() else {
        return request.display_url().into();
    };
    if url.username().is_empty() && url.password().is_none() {
        return url.as_str().into();
    }
    let mut url = url.clone();
    match without_credentials(&mut url) {
        Ok(()) => url.as_str().into(),
        Err(()) => request.display_url().into(),
    }
}

fn without_credentials(url: &mut Url) -> Result<(), ()> {
    url.set_username("")?;
    url.set_password(None)
}

/// The URL of an object that is no request for another reason. Nothing else of the line may be
/// shown, since its headers may be secrets.
fn url_of(text: &str) -> Arc<str> {
    #[derive(Deserialize)]
    struct Fields {
        url: String,
    }
    match serde_json::from_str::<Fields>(text) {
        Ok(fields) => shown(&RequestConfig::from(fields.url)),
        Err(_) => "".into(),
    }
}

/// What is wrong with a line, with the column as the place: it is one line of many, so that the
/// "line 1" of the parser would mislead.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) => format!("column {}: {what}", error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(method: Option<Method>, data: Option<&'static str>) -> Template {
        Template {
            method,
            data: data.map(Body::from),
            keep_bodies: false,
        }
    }

    fn request(template: &Template, line: &str) -> RequestConfig {
        template.line(line, 1).request.unwrap()
    }

    #[test]
    fn a_line_is_a_url_or_an_object() {
        let plain = template(None, None);
        for line in [
            "http://h.example/?q=1",
            r#"{"url": "http://h.example/?q=1"}"#,
        ] {
            let entry = plain.line(line, 7);
            assert_eq!(&*entry.url, "http://h.example/?q=1");
            assert_eq!(entry.line, Some(7));
            assert_eq!(entry.request.unwrap().method_ref(), Method::GET);
        }
    }

    #[test]
    fn the_command_line_completes_what_a_line_leaves_open() {
        let posting = template(None, Some("x"));
        for line in ["http://h.example/", r#"{"url": "http://h.example/"}"#] {
            let request = request(&posting, line);
            assert_eq!(request.method_ref(), Method::POST);
            assert_eq!(request.body().as_bytes(), Some(&b"x"[..]));
        }
        let own = request(&posting, r#"{"url": "http://h.example/", "json": null}"#);
        assert_eq!(own.method_ref(), Method::GET);
        assert_eq!(own.body().as_bytes(), Some(&b"null"[..]));

        let putting = template(Some(Method::PUT), Some("x"));
        let own = request(
            &putting,
            r#"{"url": "http://h.example/", "method": "PATCH"}"#,
        );
        assert_eq!(own.method_ref(), Method::PATCH);
        assert_eq!(own.body().as_bytes(), Some(&b"x"[..]));
    }

    #[test]
    fn a_broken_line_says_where_and_shows_no_secret() {
        let plain = template(None, None);
        for (line, url, hint) in [
            (
                r#"{"url": "http://h.example/", "headers": {"a": "canary"}"#,
                "",
                "column",
            ),
            (
                r#"{"url": "http://u:canary@h.example/", "body": "canary"}"#,
                "http://h.example/",
                "unknown field `body`",
            ),
            (r#"{"method": "canary"}"#, "", "url"),
        ] {
            let entry = plain.line(line, 1);
            assert_eq!(&*entry.url, url);
            let mistake = entry.request.unwrap_err();
            assert!(mistake.contains(hint), "{mistake}");
            assert!(!mistake.contains("canary"), "{mistake}");
            assert!(!mistake.contains("line 1"), "{mistake}");
        }
    }

    #[test]
    fn credentials_are_not_shown_and_queries_are() {
        let entry = template(None, None).url("http://u:canary@h.example/p?q=1", None);
        assert_eq!(&*entry.url, "http://h.example/p?q=1");
    }
}
