//! Which hosts a certificate can be valid for.

#![expect(
    clippy::unwrap_used,
    reason = "tests state what they expect by unwrapping it"
)]

use pr_core::{ConnectionKey, ErrorKind, ProtocolChoice};
use pr_tls::{rustls::pki_types::ServerName, server_name};
use url::Url;

fn key(url: &str) -> ConnectionKey {
    let url = Url::parse(url).unwrap();
    ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap()
}

#[test]
fn names_and_addresses_are_told_apart() {
    let name = |url| server_name(&key(url)).unwrap();
    assert_eq!(
        name("https://Example.ORG/"),
        ServerName::try_from("example.org").unwrap()
    );
    assert_eq!(
        name("https://bücher.example/"),
        ServerName::try_from("xn--bcher-kva.example").unwrap()
    );
    assert_eq!(
        name("https://127.0.0.1:8443/"),
        ServerName::try_from("127.0.0.1").unwrap()
    );
    assert_eq!(name("https://[::1]/"), ServerName::try_from("::1").unwrap());
}

#[test]
fn a_host_that_is_neither_is_refused() {
    let error = server_name(&key("https://a..b/")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
}
