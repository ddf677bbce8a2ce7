//! `RequestConfig` as JSON: the fields of the library's contract, by their names.

use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::{Content, pairs::Pairs};
use crate::{Proxy, RequestConfig};

/// The fields as JSON has them. Only `url` is required.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Fields {
    #[serde(deserialize_with = "required")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// Only read: a request has its parameters in its URL.
    #[serde(skip_serializing)]
    params: Pairs,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    headers: Pairs,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    cookies: Pairs,
    /// A text, or `{"text": …}`, or `{"base64": …}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
    /// Any value. Only read: a request has its JSON as data.
    #[serde(skip_serializing, deserialize_with = "present")]
    json: Option<serde_json::Value>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http2: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_redirects: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_ssl: Option<bool>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Data {
    Text(String),
    Content(Content),
}

fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// `null` is a JSON body too.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

/// Written by the names of the contract. A streamed body cannot be written and is an error, as is
/// a header value that is not UTF-8. Credentials are written in full: the text is as secret as they.
impl Serialize for RequestConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let url = match self.url() {
            Some(url) => url.as_str(),
            None => return Err(ser::Error::custom("the request has no valid URL")),
        };
        let mut headers = Pairs::default();
        for (name, value) in &self.headers {
            let value = std::str::from_utf8(value.as_bytes()).map_err(|_| {
                ser::Error::custom(format_args!("the value of header {name} is not UTF-8"))
            })?;
            headers.0.push((name.to_string(), value.to_owned()));
        }
        if let (Some(value), false) = (&self.content_type, headers.contains("content-type")) {
            headers.0.push((
                "content-type".to_owned(),
                value.to_str().unwrap_or_default().into(),
            ));
        }
        let data = match self.body.as_bytes() {
            None => {
                return Err(ser::Error::custom(
                    "a streamed body cannot be written as JSON",
                ));
            }
            Some(_) if self.body.is_empty() => None,
            Some(bytes) => Some(match Content::of(bytes) {
                Content::Text(text) => Data::Text(text),
                content @ Content::Base64(_) => Data::Content(content),
            }),
        };
        let fields = Fields {
            url: Some(url.to_owned()),
            method: Some(self.method.to_string()),
            headers,
            cookies: Pairs(self.cookies.clone()),
            data,
            timeout: self.timeout.map(|limit| limit.as_secs_f64()),
            proxy: self.proxy.as_ref().map(|proxy| proxy.url().to_string()),
            http2: self.http2,
            stream: self.stream.then_some(true),
            follow_redirects: self.follow_redirects,
            verify_ssl: self.verify_ssl,
            ..Fields::default()
        };
        fields.serialize(serializer)
    }
}

/// Mistakes in form are errors here; a mistake in content, such as text that is no URL, is kept
/// and is that request's outcome, as everywhere.
impl<'de> Deserialize<'de> for RequestConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Fields::deserialize(deserializer)?;
        let url = fields.url.ok_or_else(|| de::Error::missing_field("url"))?;
        let mut request = RequestConfig::from(url).params(fields.params.0);
        if let Some(method) = fields.method {
            request = request.method(method.as_str());
        }
        for (name, value) in fields.headers.0 {
            request = request.header(name, value);
        }
        for (name, value) in fields.cookies.0 {
            request = request.cookie(name, value);
        }
        match (fields.data, fields.json) {
            (Some(_), Some(_)) => {
                return Err(de::Error::custom(
                    "data and json are both given; a body is one of them",
                ));
            }
            (Some(Data::Text(text)), None) => request = request.data(text),
            (Some(Data::Content(content)), None) => request = request.data(content.into_bytes()?),
            (None, Some(value)) => request = request.json(&value),
            (None, None) => {}
        }
        if let Some(seconds) = fields.timeout {
            let limit = Duration::try_from_secs_f64(seconds).map_err(|error| {
                de::Error::custom(format_args!("the timeout of {seconds} s: {error}"))
            })?;
            request = request.timeout(limit);
        }
        if let Some(proxy) = fields.proxy {
            request = request.proxy(Proxy::new(&proxy).map_err(de::Error::custom)?);
        }
        request.http2 = fields.http2;
        request.stream = fields.stream.unwrap_or(false);
        request.follow_redirects = fields.follow_redirects;
        request.verify_ssl = fields.verify_ssl;
        Ok(request)
    }
}

impl Pairs {
    fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == name)
    }

    /// Header fields, or the first that is none.
    pub(super) fn into_headers<E: de::Error>(self) -> Result<HeaderMap, E> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.0 {
            let name: http::HeaderName = name.parse().map_err(E::custom)?;
            let value = http::HeaderValue::try_from(value).map_err(E::custom)?;
            headers.try_append(name, value).map_err(E::custom)?;
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> RequestConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn every_field_is_read() {
        let request = read(json!({
            "url": "http://h.example/?z=0", "method": "PUT",
            "params": {"a": "1", "b": ["2", 3]},
            "headers": [["x-a", "1"], ["x-a", "2"]],
            "cookies": {"c": "d"}, "json": {"k": null}, "timeout": 1.5,
            "proxy": "http://p.example:3128", "http2": true, "stream": true,
            "follow_redirects": false, "verify_ssl": false,
        }));
        request.check().unwrap();
        assert_eq!(
            request.url().unwrap().as_str(),
            "http://h.example/?z=0&a=1&b=2&b=3"
        );
        assert_eq!(request.method_ref(), http::Method::PUT);
        assert_eq!(request.header_map().get_all("x-a").iter().count(), 2);
        assert_eq!(request.body().as_bytes(), Some(&br#"{"k":null}"#[..]));
        assert_eq!(request.timeout_setting(), Some(Duration::from_millis(1500)));
        assert_eq!((request.http2, request.stream), (Some(true), true));
        assert_eq!(
            (request.follow_redirects, request.verify_ssl),
            (Some(false), Some(false))
        );
        assert_eq!(request.proxy.unwrap().port(), 3128);
    }

    #[test]
    fn writing_and_reading_gives_the_same_request() {
        let request = RequestConfig::post("http://h.example/p?q=1")
            .header("x-a", "1")
            .cookie("c", "d")
            .data(vec![0xff, 0x00])
            .verify_ssl(false);
        let written = serde_json::to_value(&request).unwrap();
        assert_eq!(written["data"], json!({"base64": "/wA="}));
        let again = serde_json::to_value(read(written.clone())).unwrap();
        assert_eq!(again, written);

        let request = RequestConfig::post("http://h.example/").json(&[1]);
        let written = serde_json::to_value(&request).unwrap();
        assert_eq!(
            written["headers"],
            json!([["content-type", "application/json"]])
        );
        assert_eq!(
            serde_json::to_value(read(written.clone())).unwrap(),
            written
        );
    }

    #[test]
    fn mistakes_in_form_are_errors_that_say_what_is_wrong() {
        for (value, hint) in [
            (json!({"method": "GET"}), "url"),
            (
                json!({"url": "http://h.example/", "body": "x"}),
                "unknown field `body`",
            ),
            (
                json!({"url": "http://h.example/", "data": "x", "json": 1}),
                "data and json",
            ),
            (
                json!({"url": "http://h.example/", "timeout": -1.0}),
                "timeout",
            ),
            (
                json!({"url": "http://h.example/", "proxy": "ftp://p"}),
                "proxies of scheme",
            ),
        ] {
            let error = serde_json::from_value::<RequestConfig>(value)
                .unwrap_err()
                .to_string();
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_streamed_body_cannot_be_written() {
        let body = crate::Body::one_shot(None, futures::stream::empty());
        let error = serde_json::to_string(&RequestConfig::post("http://h.example/").data(body));
        assert!(error.unwrap_err().to_string().contains("streamed body"));
    }
}
