//! What becomes a request: texts, URLs and the `http` crate's requests.

use std::sync::Arc;

use url::Url;

use super::{Body, RequestConfig, Target};

impl From<&str> for RequestConfig {
    fn from(url: &str) -> Self {
        match Url::parse(url) {
            Ok(url) => Self::to_target(Target::Url(Arc::new(url))),
            Err(error) => {
                let mut request = Self::to_target(Target::Invalid(url.into()));
                request.note(&format!(
                    "this is not an absolute URL such as https://example.org/path: {error}"
                ));
                request
            }
        }
    }
}

/// What iterating over a list of texts by reference gives.
impl From<&&str> for RequestConfig {
    fn from(url: &&str) -> Self {
        (*url).into()
    }
}

impl From<String> for RequestConfig {
    fn from(url: String) -> Self {
        url.as_str().into()
    }
}

impl From<&String> for RequestConfig {
    fn from(url: &String) -> Self {
        url.as_str().into()
    }
}

impl From<Url> for RequestConfig {
    fn from(url: Url) -> Self {
        Self::to_target(Target::Url(Arc::new(url)))
    }
}

impl From<&Url> for RequestConfig {
    fn from(url: &Url) -> Self {
        url.clone().into()
    }
}

impl From<&RequestConfig> for RequestConfig {
    fn from(request: &RequestConfig) -> Self {
        request.clone()
    }
}

/// Method, URI, header fields and body are taken over. The version is not: it is negotiated.
impl<B: Into<Body>> From<http::Request<B>> for RequestConfig {
    fn from(request: http::Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        Self::from(parts.uri.to_string())
            .method(parts.method)
            .headers(parts.headers)
            .data(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_http_request_is_taken_over_whole() {
        let request = http::Request::put("http://h.example/p?q=1")
            .header("x-a", "1")
            .header("x-a", "2")
            .body("body")
            .unwrap();
        let request = RequestConfig::from(request);
        assert_eq!(request.method_ref(), http::Method::PUT);
        assert_eq!(request.url().unwrap().as_str(), "http://h.example/p?q=1");
        assert_eq!(request.header_map().get_all("x-a").iter().count(), 2);
        assert_eq!(request.body().content_length(), Some(4));
        request.check().unwrap();
    }

    #[test]
    fn text_that_is_no_url_is_refused_with_advice() {
        let error = RequestConfig::from("example.org/path").check().unwrap_err();
        assert!(error.is_input());
        assert!(error.message().contains("absolute URL"), "{error}");
        assert_eq!(error.url(), Some("example.org/path"));
    }
}
