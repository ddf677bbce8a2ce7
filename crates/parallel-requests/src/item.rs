//! What a batch is made of: requests, with or without keys.

use pr_core::RequestConfig;
use url::Url;

/// One item of a batch: anything that becomes a [`RequestConfig`], or a pair of a key and one.
///
/// Texts, URLs, `http::Request`s and [`RequestConfig`]s have the key `()`; a pair has its first
/// half.
///
/// ```
/// use parallel_requests::{BatchItem, RequestConfig};
///
/// let ((), request) = "https://example.org/".into_parts();
/// assert_eq!(request.url().unwrap().path(), "/");
///
/// let (key, _) = ("rust", "https://www.rust-lang.org/").into_parts();
/// assert_eq!(key, "rust");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no request",
    note = "a batch takes &str, String, Url, http::Request and RequestConfig, or pairs of a key and \
            one of these; turn anything else into a RequestConfig first"
)]
pub trait BatchItem {
    /// What the outcome is known by, besides its index.
    type Key;

    /// The key and the request.
    fn into_parts(self) -> (Self::Key, RequestConfig);
}

impl<K, R: Into<RequestConfig>> BatchItem for (K, R) {
    type Key = K;

    fn into_parts(self) -> (K, RequestConfig) {
        (self.0, self.1.into())
    }
}

impl<B: Into<pr_core::Body>> BatchItem for http::Request<B> {
    type Key = ();

    fn into_parts(self) -> ((), RequestConfig) {
        ((), self.into())
    }
}

macro_rules! without_key {
    ($($type:ty),*) => {$(
        impl BatchItem for $type {
            type Key = ();

            fn into_parts(self) -> ((), RequestConfig) {
                ((), self.into())
            }
        }
    )*};
}

without_key!(
    &str,
    &&str,
    String,
    &String,
    Url,
    &Url,
    RequestConfig,
    &RequestConfig
);
