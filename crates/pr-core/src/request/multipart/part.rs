//! One part of a form: its content, and what is said about it.

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::encode;
use crate::{redact, request::Body};

/// One part of a [`Multipart`](crate::Multipart) form.
///
/// `Debug` output shows neither content nor header values.
///
/// ```
/// use pr_core::{Multipart, Part};
///
/// let report = Part::file("/var/reports/today")
///     .file_name("report.csv")
///     .content_type("text/csv; charset=utf-8")
///     .header("x-checksum", "6a09e667");
/// let form = Multipart::new().part("report", report);
/// ```
#[derive(Clone)]
pub struct Part {
    pub(super) body: Body,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) headers: HeaderMap,
    /// What is wrong with the file name, until it is set to another one.
    unnamed: Option<&'static str>,
    mistake: Option<&'static str>,
}

impl Part {
    /// Text, without a content type, which means `text/plain` (RFC 7578, section 4.4). It is sent
    /// as UTF-8.
    pub fn text(value: impl Into<String>) -> Self {
        Self::new(value.into().into(), None)
    }

    /// Bytes, of type `application/octet-stream` and without a file name unless one is
    /// [given](Self::file_name).
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        Self::body(content.into())
    }

    /// A file on disk, with the file name that ends the path, of type `application/octet-stream`:
    /// the type is never guessed. When it is read, and what happens if it cannot be, is said at
    /// [`Body::file`]. All files of a form are open while it is sent.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path
            .file_name()
            .map(|name| name.to_str().map(str::to_owned));
        let part = Self::body(Body::file(path));
        match name {
            Some(Some(name)) => part.file_name(name),
            None => part.unnamed("the path of a file in the multipart form ends in no file name"),
            Some(None) => part.unnamed("the name of a file in the multipart form is not UTF-8"),
        }
    }

    /// Any body, of type `application/octet-stream`. If it is one-shot, so is the form.
    pub fn body(body: impl Into<Body>) -> Self {
        Self::new(
            body.into(),
            Some(HeaderValue::from_static("application/octet-stream")),
        )
    }

    fn new(body: Body, content_type: Option<HeaderValue>) -> Self {
        Self {
            body,
            file_name: None,
            content_type,
            headers: HeaderMap::new(),
            unnamed: None,
            mistake: None,
        }
    }

    /// Sets the file name, without directories. Servers take a part with one for an upload.
    pub fn file_name(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.unnamed = encode::has_control(&name)
            .then_some("a file name in the multipart form has control characters in it");
        self.file_name = Some(name);
        self
    }

    /// Sets the content type, such as `text/csv`.
    pub fn content_type(mut self, content_type: impl TryInto<HeaderValue>) -> Self {
        match content_type.try_into() {
            Ok(content_type) => self.content_type = Some(content_type),
            Err(_) => self.note("a content type in the multipart form cannot be put into a header"),
        }
        self
    }

    /// Adds a header field to the part, after the two that have methods of their own: to add one of
    /// those here is a mistake. Servers are free to ignore any other (RFC 7578, section 4.8).
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Self {
        match (name.try_into(), value.try_into()) {
            (Ok(header::CONTENT_DISPOSITION | header::CONTENT_TYPE), Ok(_)) => self.note(
                "content-disposition and content-type of a part of the multipart form are said by \
                 its name, file_name and content_type",
            ),
            (Ok(name), Ok(value)) => {
                if self.headers.try_append(name, value).is_err() {
                    self.note("a part of the multipart form has too many header fields");
                }
            }
            _ => self.note(
                "a header of a part of the multipart form has characters that it cannot hold, \
                 such as a line break (RFC 9110, section 5.5)",
            ),
        }
        self
    }

    /// What is wrong with the part, if anything.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        self.mistake.or(self.unnamed)
    }

    fn unnamed(mut self, why: &'static str) -> Self {
        self.unnamed = Some(why);
        self
    }

    fn note(&mut self, mistake: &'static str) {
        self.mistake.get_or_insert(mistake);
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("body", &self.body)
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type)
            .field("headers", &redact::names(&self.headers))
            .finish_non_exhaustive()
    }
}
