//! What reaches the server for what was typed.

use std::fs;

use http::Method;
use pr_testkit::{RequestRecord, Server, TestCa};

use crate::support::{run, run_with_input};

/// The one request that these arguments, and the server's URL, lead to.
fn sent(args: &[&str]) -> RequestRecord {
    let server = Server::start();
    let url = server.url("/anything");
    let finished = run(["fetch"].iter().chain(args).chain([&&*url]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    only(&server)
}

fn only(server: &Server) -> RequestRecord {
    let mut requests = server.ledger().requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    requests.remove(0)
}

#[test]
fn a_plain_url_is_a_get() {
    let request = sent(&[]);
    assert_eq!(request.method, Method::GET);
    assert_eq!(request.body_bytes, 0);
}

#[test]
fn method_headers_and_data_arrive() {
    let request = sent(&[
        "-X", "PATCH", "-H", "X-One: 1", "-H", "x-one:2", "-H", "X-Empty:", "-d", "a=b",
    ]);
    assert_eq!(request.method, Method::PATCH);
    assert_eq!(request.header_values("x-one"), ["1", "2"]);
    assert_eq!(request.header("x-empty"), Some(""));
    assert_eq!(&request.body[..], b"a=b");
}

#[test]
fn data_implies_post_and_may_be_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, [0, 159, 146, 150]).unwrap();
    let request = sent(&["-d", &format!("@{}", file.path().display())]);
    assert_eq!(request.method, Method::POST);
    assert_eq!(&request.body[..], [0, 159, 146, 150]);
}

#[test]
fn data_may_be_standard_input() {
    let server = Server::start();
    let args = ["fetch", "--data", "@-", &server.url("/anything")];
    assert_eq!(run_with_input(args, "typed\n").code, Some(0));
    assert_eq!(&only(&server).body[..], b"typed\n");
}

#[test]
fn a_line_of_json_says_it_all_and_wins() {
    let server = Server::start();
    let line = serde_json::json!({
        "url": server.url("/anything"), "method": "PUT", "params": {"q": "1"},
        "headers": {"x-one": "line"}, "cookies": {"c": "d"}, "json": {"k": [1]},
    });
    let args = [
        "fetch",
        "--input",
        "-",
        "-X",
        "DELETE",
        "-d",
        "x",
        "-H",
        "x-one: args",
        "-H",
        "x-two: args",
    ];
    let finished = run_with_input(args, &line.to_string());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let request = only(&server);
    assert_eq!(request.method, Method::PUT);
    assert_eq!(request.query(), Some("q=1"));
    assert_eq!(request.header_values("x-one"), ["line"]);
    assert_eq!(request.header_values("x-two"), ["args"]);
    assert_eq!(request.header("cookie"), Some("c=d"));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(&request.body[..], br#"{"k":[1]}"#);
}

#[cfg(feature = "h2")]
#[test]
fn prior_knowledge_speaks_http2_in_the_clear() {
    let server = Server::builder().http2_only().start();
    let args = [
        "fetch",
        "--http2-prior-knowledge",
        "--backend",
        "h2",
        "--repeat",
        "50",
        &server.url("/get"),
    ];
    let finished = run(args);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished
            .outcomes()
            .iter()
            .all(|outcome| outcome["http_version"] == "HTTP/2")
    );
    assert!(server.ledger().counts().connections_accepted <= 2);
}

#[cfg(feature = "h2")]
#[test]
fn http2_is_spoken_over_tls_unless_refused() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let ca = ca_file();
    let ca = ca.path().to_str().unwrap();
    let url = server.url("/get");
    for (flags, version) in [
        (&[][..], http::Version::HTTP_2),
        (&["--no-http2"], http::Version::HTTP_11),
    ] {
        let args = ["fetch", "--backend", "h2", "--cacert", ca, &url];
        let finished = run(args.iter().chain(flags));
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let requests = server.ledger().requests();
        assert_eq!(requests.last().unwrap().version, version);
    }
}

#[test]
fn certificates_are_verified_unless_told_otherwise() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let url = server.url("/get");
    let ca = ca_file();
    let ca = ca.path().to_str().unwrap();
    let other = tempfile::NamedTempFile::new().unwrap();
    fs::write(&other, TestCa::generate().pem()).unwrap();

    assert_eq!(run(["fetch", "--cacert", ca, &url]).code, Some(0));
    assert_eq!(run(["fetch", "--insecure", &url]).code, Some(0));
    let refused = run(["fetch", "--cacert", other.path().to_str().unwrap(), &url]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.outcomes()[0]["error"]["kind"], "tls");
}

fn ca_file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, TestCa::shared().pem()).unwrap();
    file
}
