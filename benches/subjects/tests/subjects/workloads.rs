//! Each subject does each workload that it claims, against servers that keep count: a figure of
//! `cargo xtask bench` rests on requests that were sent and answered.

use pr_testkit::{Server, TestCa};

use crate::support::{Case, list, subject};

/// One test for each subject, so that they run side by side.
macro_rules! subjects {
    ($($test:ident $name:literal;)*) => {
        const TESTED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                does_all_that_it_claims($name);
            }
        )*
    };
}

subjects! {
    raw_h2 "raw-h2";
    hyper_conn_http1 "hyper-conn-http1";
    hyper_util "hyper-util";
    reqwest "reqwest";
    ureq "ureq";
    backend_h2 "backend-h2";
    backend_hyper "backend-hyper";
    backend_blocking "backend-blocking";
    facade_h2 "facade-h2";
    facade_h2_4conn "facade-h2-4conn";
    facade_hyper "facade-hyper";
    facade_blocking "facade-blocking";
}

#[test]
fn every_subject_is_tested() {
    let listed: Vec<String> = list().into_iter().map(|one| one.name).collect();
    assert_eq!(listed, TESTED);
}

fn does_all_that_it_claims(name: &str) {
    let subject = subject(name);
    let plain = Server::start();
    for workload in &subject.workloads {
        match workload.as_str() {
            "small" => small(name, &plain),
            "latency" => latency(name, &plain),
            "million" => million(name, &plain),
            "download" => download(name, &plain),
            "upload" => upload(name),
            "origins" => origins(name),
            "cold" => cold(name, &plain),
            other => panic!("no test for the workload {other}"),
        }
    }
}

fn small(name: &str, plain: &Server) {
    let tls = Server::builder().tls(TestCa::shared().localhost()).start();
    for server in [plain, &tls] {
        for runtime in ["current", "multi"] {
            Case::new(name, "small")
                .url(server, "/bytes/1024")
                .option("--runtime", runtime)
                .requests(100)
                .warm_up(10)
                .run()
                .succeeded(&[server])
                .body_bytes(100 * 1024);
        }
    }
}

fn latency(name: &str, server: &Server) {
    Case::new(name, "latency")
        .url(server, "/delay/0.01")
        .requests(100)
        .concurrency(50)
        .run()
        .succeeded(&[server]);
}

fn million(name: &str, server: &Server) {
    Case::new(name, "million")
        .url(server, "/bytes/1024")
        .requests(100)
        .run()
        .succeeded(&[server])
        .body_bytes(100 * 1024);
}

fn download(name: &str, server: &Server) {
    Case::new(name, "download")
        .url(server, "/bytes/3000000")
        .requests(2)
        .concurrency(1)
        .run()
        .succeeded(&[server])
        .body_bytes(6_000_000);
}

fn upload(name: &str) {
    let server = Server::start();
    Case::new(name, "upload")
        .url(&server, "/upload")
        .option("--upload-bytes", "1000000")
        .requests(2)
        .concurrency(1)
        .run()
        .succeeded(&[&server])
        .body_bytes(2_000_000);
    assert!(server.ledger().counts().bytes_received > 2_000_000);
}

fn origins(name: &str) {
    let start = || Server::builder().tls(TestCa::shared().localhost()).start();
    let servers = [start(), start(), start()];
    let mut case = Case::new(name, "origins");
    for server in &servers {
        case = case.url(server, "/bytes/1024");
    }
    case.requests(99)
        .run()
        .succeeded(&[&servers[0], &servers[1], &servers[2]]);
    for server in &servers {
        assert_eq!(server.ledger().counts().requests_answered, 33);
    }
}

fn cold(name: &str, server: &Server) {
    let before = server.ledger().counts().connections_accepted;
    Case::new(name, "cold")
        .url(server, "/bytes/1024")
        .requests(3)
        .concurrency(1)
        .run()
        .succeeded(&[server]);
    let after = server.ledger().counts().connections_accepted;
    assert_eq!(after - before, 3, "a cold client has no connection yet");
}
