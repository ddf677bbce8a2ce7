//! Names: who is asked, how often, and what the errors are.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use pr_connect::{Alpn, Connector};
use pr_core::{AddressFilter, DnsFailure, ErrorKind, TimeoutPhase, TransportConfig};
use pr_testkit::{Server, closed_port};

use crate::support::{Table, connect, key, settings};

const HERE: &[[u8; 4]] = &[[127, 0, 0, 1]];

fn asking(table: &Arc<Table>) -> TransportConfig {
    settings().resolver(Arc::clone(table) as _)
}

#[tokio::test]
async fn the_resolver_is_asked_for_names_only() {
    let server = Server::start();
    let table = Arc::new(Table::new([("one.example", HERE)]));
    let settings = asking(&table).resolve("given.example", [server.addr()]);
    for host in ["127.0.0.1", "ONE.example", "Given.example"] {
        let url = server.url_with_host(host, "/");
        let connected = connect(settings.clone(), &url).await.unwrap();
        assert_eq!(connected.info.remote_addr, Some(server.addr()));
    }
    assert_eq!(table.asked(), ["one.example"]);
}

#[tokio::test]
async fn an_override_may_bring_its_port() {
    let (asked, other) = (Server::start(), Server::start());
    let without_port = ([127, 0, 0, 1], 0).into();
    let settings = settings()
        .resolve("here.example", [without_port])
        .resolve("there.example", [other.addr()]);
    for (host, server) in [("here.example", &asked), ("there.example", &other)] {
        let url = asked.url_with_host(host, "/");
        let connected = connect(settings.clone(), &url).await.unwrap();
        assert_eq!(connected.info.remote_addr, Some(server.addr()));
    }
}

#[tokio::test]
async fn a_name_is_looked_up_once_however_many_wait() {
    let server = Server::start();
    let table = Arc::new(Table::new([("one.example", HERE)]));
    table.hold();
    let connector = Connector::new(&asking(&table)).unwrap();
    let key = key(&server.url_with_host("one.example", "/"));
    let mut dialing: Vec<_> = (0..8)
        .map(|_| Box::pin(connector.connect(&key, Alpn::Http1)))
        .collect();
    // All of them have got as far as the look-up, and the first one, who is asking, goes away.
    for dialing in &mut dialing {
        assert!(futures::poll!(dialing).is_pending());
    }
    assert_eq!(table.asked().len(), 1);
    drop(dialing.remove(0));
    for dialing in &mut dialing {
        assert!(futures::poll!(dialing).is_pending());
    }
    assert_eq!(table.asked().len(), 2);
    table.release();
    for outcome in join_all(dialing).await {
        outcome.unwrap();
    }
    assert_eq!(table.asked().len(), 2);
}

#[tokio::test]
async fn a_look_up_that_nobody_polls_any_more_holds_nobody_up() {
    let server = Server::start();
    let table = Arc::new(Table::new([("one.example", HERE)]));
    table.hold();
    let settings = asking(&table).connect_timeout(Duration::from_secs(5));
    let connector = Connector::new(&settings).unwrap();
    let key = key(&server.url_with_host("one.example", "/"));
    let mut first = Box::pin(connector.connect(&key, Alpn::Http1));
    assert!(futures::poll!(&mut first).is_pending());
    assert_eq!(table.asked().len(), 1);
    table.release();
    connector.connect(&key, Alpn::Http1).await.unwrap();
    assert_eq!(table.asked().len(), 2);
    first.await.unwrap();
}

#[tokio::test]
async fn a_name_is_forgotten_when_none_of_its_addresses_answers() {
    let server = Server::start();
    let nobody = closed_port().unwrap();
    let closed = nobody.addr().port();
    let there = [&[[127, 0, 0, 1]][..], &[[127, 0, 0, 1], [127, 0, 0, 1]]];
    for addresses in there {
        let table = Arc::new(Table::new([("one.example", addresses)]));
        let connector = Connector::new(&asking(&table)).unwrap();
        let port = server.addr().port();
        // One that answers is remembered, until one does not.
        for (port, asked) in [(port, 1), (port, 1), (closed, 1), (closed, 2), (port, 3)] {
            let key = key(&format!("http://one.example:{port}/"));
            let outcome = connector.connect(&key, Alpn::Http1).await;
            assert_eq!(outcome.is_err(), port == closed);
            assert_eq!(table.asked().len(), asked);
        }
    }
}

#[tokio::test]
async fn a_name_is_not_forgotten_when_it_was_this_side_that_refused() {
    let table = Arc::new(Table::new([("one.example", HERE)]));
    let settings = asking(&table).address_filter(AddressFilter::new(|_| false));
    let connector = Connector::new(&settings).unwrap();
    let key = key("http://one.example/");
    for _ in 0..2 {
        connector.connect(&key, Alpn::Http1).await.unwrap_err();
    }
    assert_eq!(table.asked().len(), 1);
}

/// What tells the test below that it is the process without descriptors.
#[cfg(target_os = "linux")]
const STARVED: &str = "PR_CONNECT_TEST_STARVED";

/// Starts itself once more in a process that may open few files, since the limit is one for all
/// tests of a process.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn without_descriptors_no_name_is_said_not_to_exist() {
    use std::{env, fs::File, process::Command};

    if env::var_os(STARVED).is_none() {
        let name = "names::without_descriptors_no_name_is_said_not_to_exist";
        let output = Command::new("sh")
            .args(["-c", "ulimit -n 64; exec \"$0\" --exact \"$1\" --nocapture"])
            .arg(env::current_exe().unwrap())
            .arg(name)
            .env(STARVED, "1")
            .output()
            .unwrap();
        let shown = String::from_utf8_lossy(&output.stdout);
        let ran = output.status.success() && shown.contains("1 passed");
        assert!(ran, "{shown}{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let server = Server::start();
    let settings = settings().connect_timeout(Duration::from_millis(300));
    let connector = Connector::new(&settings).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
    let key = key(&server.url_with_host("localhost", "/"));
    let error = connector.connect(&key, Alpn::Http1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{}", error.chain());
    let waiting = connector.connect(&key, Alpn::Http1);
    let freeing = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(files);
    };
    let (outcome, ()) = tokio::join!(waiting, freeing);
    outcome.unwrap();
}

#[tokio::test]
async fn a_name_is_remembered_for_a_while_but_no_failure_is() {
    let server = Server::start();
    let table = Arc::new(Table::new([("one.example", HERE), ("two.example", HERE)]));
    let asked_for = async |settings: TransportConfig, hosts: &[&str]| {
        let before = table.asked().len();
        let connector = Connector::new(&settings).unwrap();
        for host in hosts {
            let key = key(&server.url_with_host(host, "/"));
            connector.connect(&key, Alpn::Http1).await.ok();
        }
        table.asked().len() - before
    };
    let hosts = ["one.example", "two.example", "one.example", "two.example"];
    let settings = || asking(&table);
    assert_eq!(asked_for(settings(), &hosts).await, 2);
    assert_eq!(asked_for(settings().dns_cache_size(1), &hosts).await, 4);
    assert_eq!(asked_for(settings().dns_cache_size(0), &hosts).await, 4);
    let without = settings().dns_cache_ttl(Duration::ZERO);
    assert_eq!(asked_for(without, &hosts).await, 4);
    assert_eq!(asked_for(settings(), &["none.example"; 3]).await, 3);
}

#[tokio::test]
async fn names_are_forgotten_on_demand_and_answers_from_before_are_not_kept() {
    let server = Server::start();
    let table = Arc::new(Table::new([("one.example", HERE)]));
    let connector = Connector::new(&asking(&table)).unwrap();
    let key = key(&server.url_with_host("one.example", "/"));
    connector.connect(&key, Alpn::Http1).await.unwrap();
    connector.forget_names();

    table.hold();
    let dialing = tokio::spawn({
        let (connector, key) = (connector.clone(), key.clone());
        async move { connector.connect(&key, Alpn::Http1).await }
    });
    table.has_begun(2).await;
    connector.forget_names();
    table.release();
    dialing.await.unwrap().unwrap();
    connector.connect(&key, Alpn::Http1).await.unwrap();
    assert_eq!(table.asked().len(), 3);
}

#[tokio::test]
async fn the_error_says_whether_asking_again_makes_sense() {
    let table = Arc::new(Table::new([("empty.example", &[])]));
    for (host, failure) in [
        ("none.example", DnsFailure::NotFound),
        ("empty.example", DnsFailure::NotFound),
        ("flaky.example", DnsFailure::Transient),
    ] {
        let error = connect(asking(&table), &format!("http://{host}/"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Dns);
        assert_eq!(error.dns_failure(), Some(failure));
        let has_cause = error.chain().contains("the table says so");
        assert_eq!(has_cause, host != "empty.example");
    }
}

#[tokio::test]
async fn the_systems_resolver_knows_localhost_and_no_impossible_name() {
    let server = Server::start();
    let url = server.url_with_host("localhost", "/");
    connect(settings(), &url).await.unwrap();
    // Longer than a label may be, so that no name server is asked (RFC 1035, section 2.3.4).
    let url = format!("http://{}.invalid/", "a".repeat(64));
    let error = connect(settings(), &url).await.unwrap_err();
    assert!(error.is_dns() && error.is_connect());
    assert!(error.dns_failure().is_some());
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn a_resolver_that_stalls_is_a_timeout() {
    let table = Arc::new(Table::new([]));
    table.hold();
    let settings = asking(&table).connect_timeout(Duration::from_millis(50));
    let error = connect(settings, "http://one.example/").await.unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert!(error.message().ends_with("during DNS"), "{error}");
}
