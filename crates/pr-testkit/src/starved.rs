//! Tests of what happens when file descriptors run out: in a process of their own, because the limit
//! is the process's and its other tests need theirs.

use std::{
    env,
    fs::File,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, stream};
use pr_core::{Backend, BackendExt, TransportConfig};
use url::Url;

use crate::Server;

/// Tells the second process that it is one, and where the server is.
const URL: &str = "PR_TESTKIT_STARVED_URL";

/// Runs the test of this name once more, in a process that may open so few descriptors. In that
/// process this gives the URL of a server, which runs in the first one; there it gives `None`.
///
/// ```no_run
/// #[test]
/// fn few_descriptors_are_enough() {
///     let Some(url) = pr_testkit::starved::rerun("few_descriptors_are_enough", 64, "/get") else {
///         return;
///     };
///     // Requests to `url`.
/// }
/// ```
///
/// # Panics
///
/// If the test fails in the second process.
pub fn rerun(test: &str, descriptors: u32, path: &str) -> Option<String> {
    rerun_with(test, descriptors, path, Server::start)
}

/// The same with a server of another kind.
///
/// # Panics
///
/// If the test fails in the second process.
pub fn rerun_with(
    test: &str,
    descriptors: u32,
    path: &str,
    server: impl FnOnce() -> Server,
) -> Option<String> {
    if let Ok(url) = env::var(URL) {
        return Some(url);
    }
    let server = server();
    let executable = env::current_exe().expect("a test knows its executable");
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -n \"$2\"; exec \"$0\" --exact \"$1\" --nocapture",
        ])
        .arg(executable)
        .arg(test)
        .arg(descriptors.to_string())
        .env(URL, server.url(path))
        .output()
        .expect("a shell can be started");
    let shown = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && shown.contains("1 passed");
    assert!(passed, "{shown}{complaints}");
    // A panic of a thread that nobody waits for does not fail a test.
    assert!(!complaints.contains("panicked"), "{complaints}");
    None
}

/// All descriptors of the process, taken by somebody who has nothing to do with connections.
///
/// ```
/// # fn never_called() {
/// let hog = pr_testkit::starved::Hog::takes_all();
/// hog.lets_go();
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Hog(Arc<Mutex<Vec<File>>>);

impl Hog {
    /// Takes what there is.
    pub fn takes_all() -> Self {
        let hog = Self::default();
        hog.takes_more();
        hog
    }

    /// Takes what there is by now.
    pub fn takes_more(&self) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Ok(file) = File::open("/dev/null") {
            files.push(file);
        }
    }

    /// Gives everything back.
    pub fn lets_go(&self) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.clear();
    }
}

/// So many requests, 200 of them at a time, to so many origins that all are the server of this URL.
#[derive(Clone, Debug)]
pub struct Burst {
    url: Url,
    origins: usize,
}

impl Burst {
    /// To the server of this URL, which is `http`.
    ///
    /// # Panics
    ///
    /// If it is not a URL of a [`Server`].
    pub fn to(url: &str, origins: usize) -> Self {
        let url = Url::parse(url).expect("a server's URL can be parsed");
        Self { url, origins }
    }

    /// Settings with which all origins are reached.
    ///
    /// # Panics
    ///
    /// If the URL was not that of a [`Server`].
    pub fn settings(&self) -> TransportConfig {
        let addresses = self.url.socket_addrs(|| None);
        let addresses = addresses.expect("a server's URL has an address");
        (0..self.origins).fold(TransportConfig::default(), |settings, origin| {
            settings.resolve(host(origin), addresses.clone())
        })
    }

    /// Sends so many requests.
    ///
    /// # Panics
    ///
    /// If one of them fails.
    pub async fn run(&self, backend: &Arc<dyn Backend>, requests: usize) {
        let send = |index| {
            let mut url = self.url.clone();
            let host = host(index % self.origins);
            let named = url.set_host(Some(&host));
            async move {
                named.expect("the name can be that of a host");
                backend.request(url.as_str()).await
            }
        };
        let mut outcomes = stream::iter(0..requests).map(send).buffer_unordered(200);
        let mut done = 0;
        while let Some(outcome) = outcomes.next().await {
            match outcome {
                Ok(response) => assert_eq!(response.status_code(), 200),
                Err(error) => panic!("after {done} of {requests}: {}", error.chain()),
            }
            done += 1;
        }
        assert_eq!(done, requests);
    }
}

fn host(origin: usize) -> String {
    format!("h{origin}.example")
}
