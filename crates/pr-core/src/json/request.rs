//! `RequestConfig` as JSON: the fields of the library's contract, by their names.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::{Content, pairs::Pairs};
use crate::{
    Proxy, RequestConfig,
    request::{Defect, Options, Route},
};

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
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Content>,
    /// Any value. Only read: a request has its JSON as data.
    #[serde(skip_serializing, deserialize_with = "present")]
    json: Option<serde_json::Value>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<f64>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_byte_timeout: Option<f64>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_timeout: Option<f64>,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    write_timeout: Option<f64>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_body_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decode: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expect_continue: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    https_only: Option<bool>,
    /// A path.
    #[serde(skip_serializing_if = "Option::is_none")]
    unix_socket: Option<PathBuf>,
    /// `null` says that there shall be none, whatever the defaults.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    #[expect(
        clippy::option_option,
        reason = "absence, null and an address are three different things in the JSON"
    )]
    proxy: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http2: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    discard_body: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resend: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    follow_redirects: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verify_ssl: Option<bool>,
}

fn required<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

/// For fields where `null` says something that absence does not.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The longest timeout, in seconds, which a `Duration` of that many would just overflow.
const LONGEST: f64 = 18_446_744_073_709_551_615.0;

/// Written by the names of the contract. A request with a mistake in it, or with a streamed body,
/// cannot be written and is an error. Credentials are written in full: the text is as secret as
/// they are.
impl Serialize for RequestConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let own = self.fields();
        let refuse = |why: &str| Err(ser::Error::custom(why));
        let url = match (self.url(), own.defect()) {
            (Some(url), None) => url.as_str(),
            (_, Some(Defect(mistake))) => return refuse(mistake),
            (None, None) => return refuse("the request has no valid URL"),
        };
        let mut headers = Pairs::of_headers(&own.headers);
        if let (Some(value), false) = (&own.content_type, headers.contains("content-type")) {
            headers.push("content-type", value.as_bytes());
        }
        let data = match own.body.as_bytes() {
            None => return refuse("a streamed body cannot be written as JSON"),
            Some(_) if own.body.is_empty() => None,
            Some(bytes) => Some(Content::of(bytes)),
        };
        let mut cookies = Pairs::default();
        for (name, value) in self.cookies() {
            cookies.push(name, value.as_bytes());
        }
        let proxy = match &own.route {
            Route::Chosen(_) => {
                return refuse("a proxy that is chosen under way cannot be written as JSON");
            }
            Route::Default | Route::By(_) => None,
            Route::Direct => Some(None),
            Route::Via(proxy) => Some(Some(proxy.url().to_string())),
        };
        let options = own.options.as_deref().cloned().unwrap_or_default();
        if options.tls.is_some() || options.redirect_policy.is_some() {
            return refuse("TLS settings and a redirect policy cannot be written as JSON");
        }
        let seconds = |limit: Option<Duration>| limit.map(|limit| limit.as_secs_f64());
        let fields = Fields {
            url: Some(url.to_owned()),
            method: Some(own.method.to_string()),
            headers,
            cookies,
            data,
            timeout: seconds(own.timeout),
            first_byte_timeout: seconds(options.first_byte_timeout),
            read_timeout: seconds(options.read_timeout),
            write_timeout: seconds(options.write_timeout),
            max_body_size: options.max_body_size,
            decode: options.decode,
            expect_continue: options.expect_continue.then_some(true),
            https_only: options.https_only,
            unix_socket: options.unix_socket.map(|path| path.to_path_buf()),
            proxy,
            http2: own.http2,
            stream: own.stream.then_some(true),
            discard_body: own.discard_body,
            resend: own.resend,
            follow_redirects: own.follow_redirects,
            verify_ssl: own.verify_ssl,
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
        let mut request = RequestConfig::from(url).params(fields.params.into_text()?);
        if let Some(method) = fields.method {
            request = request.method(method.as_str());
        }
        for (name, value) in fields.headers.into_bytes() {
            request = request.header(name, value);
        }
        for (name, value) in fields.cookies.into_text()? {
            request = request.cookie(name, value);
        }
        match (fields.data, fields.json) {
            (Some(_), Some(_)) => {
                let why = "data and json are both given; a body is one of them";
                return Err(de::Error::custom(why));
            }
            (Some(content), None) => request = request.data(content.into_bytes()?),
            (None, Some(value)) => request = request.json(&value),
            (None, None) => {}
        }
        let own = request.fields_mut();
        own.timeout = duration("timeout", fields.timeout)?;
        let options = Options {
            first_byte_timeout: duration("first_byte_timeout", fields.first_byte_timeout)?,
            read_timeout: duration("read_timeout", fields.read_timeout)?,
            write_timeout: duration("write_timeout", fields.write_timeout)?,
            max_body_size: fields.max_body_size,
            decode: fields.decode,
            expect_continue: fields.expect_continue.unwrap_or(false),
            https_only: fields.https_only,
            unix_socket: fields.unix_socket.map(Into::into),
            ..Options::default()
        };
        if options.is_set() {
            own.options = Some(Box::new(options));
        }
        own.route = match fields.proxy {
            Some(Some(proxy)) => Route::Via(Proxy::new(&proxy).map_err(de::Error::custom)?),
            Some(None) => Route::Direct,
            None => Route::Default,
        };
        own.http2 = fields.http2;
        own.stream = fields.stream.unwrap_or(false);
        own.discard_body = fields.discard_body;
        own.resend = fields.resend;
        own.follow_redirects = fields.follow_redirects;
        own.verify_ssl = fields.verify_ssl;
        Ok(request)
    }
}

fn duration<E: de::Error>(name: &str, seconds: Option<f64>) -> Result<Option<Duration>, E> {
    match seconds {
        Some(LONGEST..) => Ok(Some(Duration::MAX)),
        Some(seconds) => match Duration::try_from_secs_f64(seconds) {
            Ok(limit) => Ok(Some(limit)),
            Err(error) => {
                let why = format_args!("the {name} of {seconds} s: {error}").to_string();
                Err(E::custom(why))
            }
        },
        None => Ok(None),
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
            "proxy": "http://p.example:3128", "http2": true, "stream": true, "discard_body": true,
            "resend": false,
            "follow_redirects": false, "verify_ssl": false,
            "first_byte_timeout": 2, "read_timeout": 3, "write_timeout": 4, "max_body_size": 5,
            "decode": false, "expect_continue": true, "https_only": false,
            "unix_socket": "/run/s",
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
        let own = request.fields();
        assert_eq!((own.http2, own.stream), (Some(true), true));
        assert_eq!(own.discard_body, Some(true));
        assert_eq!(
            (own.follow_redirects, own.verify_ssl),
            (Some(false), Some(false))
        );
        assert_eq!(request.proxy_setting().unwrap().port(), 3128);
        let written = serde_json::to_value(&request).unwrap();
        for (name, value) in [
            ("first_byte_timeout", json!(2.0)),
            ("read_timeout", json!(3.0)),
            ("write_timeout", json!(4.0)),
            ("max_body_size", json!(5)),
            ("decode", json!(false)),
            ("discard_body", json!(true)),
            ("resend", json!(false)),
            ("expect_continue", json!(true)),
            ("https_only", json!(false)),
            ("unix_socket", json!("/run/s")),
        ] {
            assert_eq!(written[name], value, "{name}");
        }
    }

    #[test]
    fn writing_and_reading_gives_the_same_request() {
        let request = RequestConfig::post("http://h.example/p?q=1")
            .header("x-a", "1")
            .cookie("c", "d")
            .header("x-bytes", b"\xff".as_slice())
            .timeout(Duration::MAX)
            .no_proxy()
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
    fn a_request_with_a_mistake_cannot_be_written() {
        let request = RequestConfig::get("http://h.example/").header("x-tenant", "a\r\nb");
        let error = serde_json::to_string(&request).unwrap_err().to_string();
        assert!(error.contains("x-tenant"), "{error}");
    }

    #[test]
    fn a_streamed_body_cannot_be_written() {
        let body = crate::Body::one_shot(None, futures::stream::empty());
        let error = serde_json::to_string(&RequestConfig::post("http://h.example/").data(body));
        assert!(error.unwrap_err().to_string().contains("streamed body"));
    }
}
