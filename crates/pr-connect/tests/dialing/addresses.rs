//! Addresses: which are tried, in which order, which may not be, and from where.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    time::Duration,
};

use pr_connect::{Alpn, Connector};
use pr_core::{AddressFilter, ErrorKind, FailedHop, TimeoutPhase};
use pr_testkit::{Server, closed_port};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::{Table, connect, connect_through, key, settings};

/// A port of this machine that neither takes connections nor refuses them: its queue is full.
struct SilentPort {
    addr: SocketAddr,
    _sockets: Vec<Socket>,
}

impl SilentPort {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
        listener.bind(&any.into()).unwrap();
        listener.listen(0).unwrap();
        let addr = listener.local_addr().unwrap().as_socket().unwrap();
        let mut sockets = vec![listener];
        // As many as fit, and some more that wait for ever.
        for _ in 0..4 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.connect(&addr.into()).ok();
            sockets.push(socket);
        }
        Self {
            addr,
            _sockets: sockets,
        }
    }
}

#[tokio::test]
async fn an_address_that_fails_or_is_silent_does_not_stand_in_the_way() {
    let server = Server::start();
    let (closed, silent) = (closed_port().unwrap(), SilentPort::new());
    for first in [closed.addr(), silent.addr] {
        let settings = settings().resolve("one.example", [first, server.addr()]);
        let connected = connect(settings, "http://one.example/").await.unwrap();
        assert_eq!(connected.info.remote_addr, Some(server.addr()));
    }
}

#[tokio::test]
async fn silence_is_a_timeout_and_refusal_an_error() {
    let silent = SilentPort::new();
    let limited = settings().connect_timeout(Duration::from_millis(100));
    let error = connect(limited, &format!("http://{}/", silent.addr))
        .await
        .unwrap_err();
    assert_eq!(error.timeout_phase(), Some(TimeoutPhase::Connect));
    assert!(error.message().ends_with("during TCP"), "{error}");

    let (one, two) = (closed_port().unwrap(), closed_port().unwrap());
    let settings = settings().resolve("one.example", [one.addr(), two.addr()]);
    let error = connect(settings, "http://one.example/").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.message().contains("refused"), "{error}");
}

/// A filter that lets pass these addresses, and the notes that it takes of what it was asked.
fn noting(allowed: &'static [IpAddr]) -> (AddressFilter, Arc<Mutex<Vec<IpAddr>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let filter = AddressFilter::new(move |address| {
        notes.lock().unwrap().push(address);
        allowed.contains(&address)
    });
    (filter, asked)
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

#[tokio::test]
async fn the_filter_sees_every_address_right_before_it_is_dialed() {
    let server = Server::start();
    let (filter, asked) = noting(&[HERE]);
    let table = Table::new([("named.example", &[[127, 0, 0, 9], [127, 0, 0, 1]])]);
    let given = [ELSEWHERE, HERE].map(|address| SocketAddr::new(address, 0));
    let settings = settings()
        .resolver(Arc::new(table))
        .resolve("given.example", given)
        .address_filter(filter);
    let connector = Connector::new(&settings).unwrap();
    // The second time, the name's addresses come from the cache.
    for host in ["named.example", "named.example", "given.example"] {
        let key = key(&server.url_with_host(host, "/"));
        let connected = connector.connect(&key, Alpn::Http1).await.unwrap();
        assert_eq!(connected.info.remote_addr, Some(server.addr()));
        let asked = std::mem::take(&mut *asked.lock().unwrap());
        assert_eq!(asked, [ELSEWHERE, HERE], "{host}");
    }
}

#[tokio::test]
async fn no_address_that_may_be_dialed_is_an_error_that_says_so() {
    let server = Server::start();
    let table = Arc::new(Table::new([("named.example", &[[127, 0, 0, 1]])]));
    let settings = settings()
        .resolver(table)
        .resolve("given.example", [server.addr()])
        .address_filter(AddressFilter::public_only());
    let loopback = [
        "127.0.0.1",
        "named.example",
        "given.example",
        "0x7f.1",
        "[::ffff:7f00:1]",
    ];
    for host in loopback {
        let url = format!("http://{host}:{}/", server.addr().port());
        let error = connect(settings.clone(), &url).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.message().contains("public_only"), "{error}");
    }
    assert_eq!(server.ledger().connections().len(), 0);
}

#[tokio::test]
async fn the_filter_is_asked_about_proxies_and_about_what_they_dial() {
    let server = Server::start();
    let proxy = server.authority();
    let (local, public) = ("10.0.0.1", "93.184.215.14");
    let table = || {
        Arc::new(Table::new([
            ("private.example", &[[10, 0, 0, 1]]),
            ("proxy.example", &[[127, 0, 0, 1]]),
        ]))
    };
    let guarded = || {
        settings()
            .resolver(table())
            .address_filter(AddressFilter::public_only())
    };
    // The proxy itself.
    for scheme in ["http", "https", "socks5", "socks5h"] {
        for host in ["127.0.0.1", "proxy.example"] {
            let proxy = format!("{scheme}://{host}:{}", server.addr().port());
            let url = format!("https://{public}/");
            let error = connect_through(guarded(), &url, &proxy).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{proxy}");
            assert_eq!(error.failed_hop(), Some(FailedHop::Proxy), "{proxy}");
            assert!(error.message().contains("public_only"), "{error}");
            assert!(error.message().contains("of the proxy"), "{error}");
        }
    }
    // What the proxy, which is let pass, is asked to dial.
    let guarded = || {
        let filter = AddressFilter::public_only().or(|address| address == HERE);
        settings().resolver(table()).address_filter(filter)
    };
    for (scheme, host) in [
        ("http", local),
        ("https", local),
        ("socks5", local),
        ("socks5h", local),
        ("socks5", "private.example"),
    ] {
        for origin in ["http", "https"] {
            let url = format!("{origin}://{host}/");
            let error = connect_through(guarded(), &url, &format!("{scheme}://{proxy}"))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Input, "{scheme} {host}");
            assert!(error.message().contains("of the host"), "{error}");
        }
    }
    assert_eq!(server.ledger().connections().len(), 0);
}

#[tokio::test]
async fn connections_are_opened_from_the_local_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let here = IpAddr::from([127, 0, 0, 1]);
    let _connected = connect(settings().local_address(here), &url).await.unwrap();
    assert_eq!(listener.accept().unwrap().1.ip(), here);

    // The other family is passed over.
    let closed = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 1);
    let mixed = settings()
        .local_address(here)
        .resolve("mixed.example", [closed, listener.local_addr().unwrap()]);
    connect(mixed, "http://mixed.example/").await.unwrap();

    let other = settings().local_address(IpAddr::from(Ipv6Addr::LOCALHOST));
    let error = connect(other, &url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.message().contains("local address ::1"), "{error}");

    // TEST-NET-1 is nobody's (RFC 5737).
    let not_mine = settings().local_address(IpAddr::from([192, 0, 2, 1]));
    let error = connect(not_mine, &url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.message().contains("no local address"), "{error}");
}

#[tokio::test]
async fn sockets_send_at_once_and_are_kept_alive() {
    let server = Server::start();
    let minute = Duration::from_secs(60);
    let day = 24 * 60 * minute;
    for (set, expected) in [
        (Some(minute), Some(minute)),
        (Some(Duration::from_millis(1)), Some(Duration::from_secs(1))),
        // As long as Linux can wait.
        (Some(day), Some(Duration::from_secs(32_767))),
        (None, None),
    ] {
        let connected = connect(settings().tcp_keep_alive(set), &server.url("/"))
            .await
            .unwrap();
        let parts = connected.io.into_parts().unwrap();
        let pr_connect::Socket::Tcp(socket) = parts.socket else {
            panic!("not TCP");
        };
        assert!(socket.nodelay().unwrap());
        let socket = SockRef::from(&socket);
        assert_eq!(socket.keepalive().unwrap(), expected.is_some());
        #[cfg(target_os = "linux")]
        if let Some(expected) = expected {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), expected);
            assert_eq!(
                socket.tcp_keepalive_interval().unwrap(),
                Duration::from_secs(15)
            );
        }
    }
}

/// Set for the second process of the next test.
#[cfg(unix)]
const IN_CHILD: &str = "PR_CONNECT_TEST_WITHOUT_DESCRIPTORS";

#[cfg(unix)]
#[test]
fn running_out_of_file_descriptors_is_a_connect_error_and_passes() {
    use std::{env, process::Command};

    if env::var_os(IN_CHILD).is_some() {
        without_descriptors();
        return;
    }
    // The limit is the process's, and its siblings need theirs.
    let name = "addresses::running_out_of_file_descriptors_is_a_connect_error_and_passes";
    let child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
        .arg(env::current_exe().unwrap())
        .arg(name)
        .env(IN_CHILD, "1")
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[cfg(unix)]
fn without_descriptors() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let key = key(&format!("http://{}/", listener.local_addr().unwrap()));
    let settings = settings().connect_timeout(Duration::from_millis(300));
    let connector = Connector::new(&settings).unwrap();
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    let dialing = connector.connect(&key, Alpn::Http1);
    let error = runtime.block_on(dialing).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.chain().contains("os error 24"), "{}", error.chain());
    // Whoever waits is served when there are some again.
    let waiting = async {
        let dialing = connector.connect(&key, Alpn::Http1);
        let freeing = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            drop(files);
        };
        futures::join!(dialing, freeing).0
    };
    runtime.block_on(waiting).unwrap();
}
