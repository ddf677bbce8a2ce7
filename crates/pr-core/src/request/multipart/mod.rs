//! `multipart/form-data` (RFC 7578): a form as a user describes it.

mod encode;
mod part;

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use http::HeaderValue;

pub use self::part::Part;
use super::Body;

/// A form with files: fields in the order in which they are added, each with a content of its own
/// (RFC 7578).
///
/// [`RequestConfig::multipart`](crate::RequestConfig::multipart) sends it. Files are read from disk
/// while they are sent, never whole. The length of the whole is announced if the lengths of all
/// parts are known, and the body is [reopenable](Body::is_reopenable) if those of all parts are.
/// Parts that are all in memory are joined, once, into one body in memory.
///
/// Names, file names and text are sent as UTF-8 and as browsers send them: a quotation mark in a
/// name becomes `%22`, nothing else is escaped, and line breaks in text stay as they are. Names with
/// control characters in them, such as a line break, are a mistake, which the request yields as an
/// error of kind [`Input`](crate::ErrorKind::Input) instead of being sent.
///
/// The boundary between the parts is random (128 bits), so that no content can hold it but by
/// knowing it.
///
/// ```
/// use pr_core::{Multipart, Part, RequestConfig};
///
/// let form = Multipart::new()
///     .text("title", "Holiday")
///     .file("photo", "/tmp/beach.jpg")
///     .part("notes", Part::bytes("# Day 1").file_name("notes.md").content_type("text/markdown"));
/// let request = RequestConfig::post("https://photos.example/upload").multipart(form);
/// request.check()?;
///
/// let wrong = RequestConfig::post("https://photos.example/")
///     .multipart(Multipart::new().text("a\r\nb", ""));
/// assert!(wrong.check().unwrap_err().is_input());
/// # Ok::<(), pr_core::BackendError>(())
/// ```
#[derive(Clone)]
pub struct Multipart {
    boundary: String,
    fields: Vec<Field>,
    /// The first mistake that was made in describing the form.
    mistake: Option<&'static str>,
}

/// A part under its name.
#[derive(Clone)]
struct Field {
    name: String,
    part: Part,
}

impl Multipart {
    /// A form without fields.
    pub fn new() -> Self {
        Self {
            boundary: encode::boundary(),
            fields: Vec::new(),
            mistake: None,
        }
    }

    /// Adds a text field; see [`Part::text`].
    pub fn text(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.part(name, Part::text(value))
    }

    /// Adds a field of bytes; see [`Part::bytes`].
    pub fn bytes(self, name: impl Into<String>, content: impl Into<Bytes>) -> Self {
        self.part(name, Part::bytes(content))
    }

    /// Adds a file, to be read from disk while it is sent; see [`Part::file`].
    pub fn file(self, name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        self.part(name, Part::file(path))
    }

    /// Adds a part. Repeated names are kept.
    pub fn part(mut self, name: impl Into<String>, part: Part) -> Self {
        let name = name.into();
        if encode::has_control(&name) {
            self.note("a field's name in the multipart form has control characters in it");
        }
        if let Some(mistake) = part.mistake() {
            self.note(mistake);
        }
        self.fields.push(Field { name, part });
        self
    }

    /// What stands between the parts.
    pub fn boundary(&self) -> &str {
        &self.boundary
    }

    /// The body and its `content-type`, or what is wrong with the form.
    pub(super) fn into_body(self) -> Result<(Body, HeaderValue), &'static str> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        let content_type = format!("multipart/form-data; boundary={}", self.boundary);
        let content_type = HeaderValue::try_from(content_type)
            .map_err(|_| "the multipart form's boundary cannot be put into a header")?;
        Ok((encode::body(&self.boundary, self.fields), content_type))
    }

    fn note(&mut self, mistake: &'static str) {
        self.mistake.get_or_insert(mistake);
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields.iter().map(|field| (&field.name, &field.part));
        f.debug_map().entries(fields).finish()
    }
}
