//! Wrong command lines: exit code 2, a word on what would do, and nothing sent.

use pr_testkit::{Server, TestCa};

use crate::support::{Finished, run, run_with_input};

#[test]
fn wrong_command_lines_are_refused_before_anything_is_sent() {
    let server = Server::start();
    let url = &*server.url("/get");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let empty = empty.path().to_str().unwrap();
    let table: &[(&[&str], &str)] = &[
        (&[], "Usage"),
        (&["fetch"], "required"),
        (&["fetsch", url], "fetsch"),
        (&["fetch", "--colour", url], "--colour"),
        (&["fetch", "--concurrency", "0", url], "1..=1000000"),
        (&["fetch", "--repeat", "0", url], "1.."),
        (&["fetch", "--timeout", "0", url], "more than 0"),
        (&["fetch", "--timeout", "soon", url], "number of seconds"),
        (&["fetch", "-X", "NO SUCH", url], "--method"),
        (&["fetch", "-H", "canary", url], "there is no colon"),
        (&["fetch", "-H", "a b: canary", url], "no header's name"),
        (&["fetch", "-H", "a: canary\r\nb", url], "line break"),
        (
            &["fetch", "-H", "Connection: close", url],
            "not yours to set",
        ),
        (&["fetch", "-X", "TRACE", url], "TRACE"),
        (&["fetch", "-d", "@/no/such/file", url], "/no/such/file"),
        (&["fetch", "--input", "/no/such/file"], "/no/such/file"),
        (
            &["fetch", "--cacert", "/no/such/file", url],
            "/no/such/file",
        ),
        (&["fetch", "--cacert", empty, url], "holds no certificate"),
        (&["fetch", "--input", "-", "-d", "@-"], "standard input"),
        (
            &["fetch", "--backend", "pigeon", url],
            "no backend named \"pigeon\"",
        ),
        (&["fetch", "--rate", "0", url], "more than 0"),
        (&["fetch", "--rate", "fast", url], "not a rate"),
        (&["fetch", "--rate", "1/h", "--burst", "0", url], "--burst"),
        (
            &["fetch", "--rate", "1/h", "--burst", "4000000000", url],
            "a burst of 4000000000",
        ),
        (&["fetch", "--burst", "5", url], "belongs to --rate"),
        (&["fetch", "--per-host", "0", url], "1..=1000000"),
        (
            &["fetch", "--hedge", "1", "--max-retries", "0", url],
            "nothing is ever sent twice",
        ),
        (&["fetch", "--max-retries", "101", url], "0..=100"),
        (&["fetch", "--hedge", "0", url], "more than 0"),
        (&["fetch", "--queue-timeout", "x", url], "number of seconds"),
        (&["fetch", "--deadline", "0", url], "more than 0"),
        (
            &["fetch", "--fail-fast", "--max-failures", "1", url],
            "cannot be used with",
        ),
        (
            &["fetch", "--proxy", "ftp://user:canary@h:1", url],
            "--proxy",
        ),
        (
            &["fetch", "--proxy", "http://h:1", "--proxies", empty, url],
            "cannot be used with",
        ),
        (
            &["fetch", "--proxies", "/no/such/file", url],
            "/no/such/file",
        ),
        (&["fetch", "--proxies", empty, url], "prox"),
        (&["fetch", "--proxy-strategy", "random", url], "--proxies"),
        (
            &["fetch", "--no-http2", "--http2-prior-knowledge", url],
            "cannot be used with",
        ),
    ];
    for (args, hint) in table {
        let finished = run(*args);
        assert_eq!(finished.code, Some(2), "{args:?}: {finished:?}");
        assert!(finished.lines.is_empty(), "{args:?}: {finished:?}");
        assert!(finished.stderr.contains(hint), "{args:?}: {finished:?}");
        assert!(!finished.stderr.contains("canary"), "{finished:?}");
    }
    assert_eq!(server.ledger().counts().connections_accepted, 0);
}

#[cfg(feature = "hyper")]
#[test]
fn what_a_backend_cannot_do_is_refused() {
    let finished = run([
        "fetch",
        "--backend",
        "hyper",
        "--http2-prior-knowledge",
        "http://h.example/",
    ]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(
        finished
            .stderr
            .contains("the hyper backend cannot do this; h2 can")
    );
}

#[test]
fn the_input_is_not_read_when_the_rest_is_wrong() {
    let server = Server::builder().tls(TestCa::shared().localhost()).start();
    let finished = run_with_input(["fetch", "--input", "-", "-H", "x"], "");
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert_eq!(server.ledger().counts().connections_accepted, 0);
}

#[test]
fn help_and_version() {
    let version = run(["--version"]);
    assert_eq!(version.code, Some(0));
    assert_eq!(
        version.lines,
        [format!("preq {}", env!("CARGO_PKG_VERSION"))]
    );

    let text = |finished: Finished| {
        assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
        finished.lines.join("\n")
    };
    let help = text(run(["--help"]));
    for word in ["fetch", "backends", "demo", "Examples:"] {
        assert!(help.contains(word), "{help}");
    }
    let help = text(run(["fetch", "--help"]));
    for word in [
        "--input",
        "--backend",
        "--concurrency",
        "--repeat",
        "-X, --method",
        "-H, --header",
        "-d, --data",
        "--timeout",
        "--http2-prior-knowledge",
        "--no-http2",
        "-k, --insecure",
        "--cacert",
        "--ordered",
        "--body",
        "--rate",
        "--max-retries",
        "--proxies",
        "--deadline",
        "--journal",
        "--resume",
        "Examples:",
        "Exit codes:",
        "elapsed_ms",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
