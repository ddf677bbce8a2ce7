//! What a scripted server received, for the test to read.

use std::sync::{Mutex, PoisonError};

use crate::bell::Bell;

/// What happened on one connection of a [`ScriptedServer`](crate::ScriptedServer).
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
/// use pr_testkit::{Script, ScriptedServer};
///
/// let server = ScriptedServer::once(Script::new().expect_bytes(5).close());
/// std::net::TcpStream::connect(server.addr())?.write_all(b"hello")?;
/// let connections = server
///     .wait_until_blocking(|all| all.iter().any(|one| one.finished), Duration::from_secs(10))
///     .expect("five bytes were sent");
/// assert_eq!(connections[0].received, b"hello");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptedConnection {
    /// Every byte that was read, in plain text over TLS.
    pub received: Vec<u8>,
    /// The request heads among them, one for each [`Script::expect_head`](crate::Script::expect_head).
    pub heads: Vec<RequestHead>,
    /// Whether the script was played to its end.
    pub finished: bool,
    /// Whether the client was seen to close the connection or its sending side.
    pub client_closed: bool,
}

/// The head of an HTTP/1.1 request as it was sent, with the letter case of its field names.
///
/// ```
/// let head = pr_testkit::RequestHead::new("GET /x HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\n\r\n");
/// assert_eq!(head.request_line(), "GET /x HTTP/1.1");
/// assert_eq!(head.header("host"), Some("a"));
/// assert_eq!(head.header_values("X-TWO"), ["1", "2"]);
/// assert_eq!(head.field_lines().nth(1), Some("X-Two: 1"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    text: String,
}

impl RequestHead {
    /// A head from its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// All of it, with the empty line at its end.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first line, without its end.
    pub fn request_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The field lines in order, without their ends.
    pub fn field_lines(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .skip(1)
            .take_while(|line| !line.is_empty())
    }

    /// The first value of a field; letter case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_values(name).into_iter().next()
    }

    /// All values of a field, in order; letter case does not matter.
    pub fn header_values(&self, name: &str) -> Vec<&str> {
        self.field_lines()
            .filter_map(|line| line.split_once(':'))
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
            .collect()
    }
}

/// The records of all connections of a server, and who waits for them to change.
#[derive(Debug, Default)]
pub(super) struct Records {
    connections: Mutex<Vec<ScriptedConnection>>,
    bell: Bell,
}

impl Records {
    pub(super) fn all(&self) -> Vec<ScriptedConnection> {
        self.lock().clone()
    }

    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Adds a connection and returns its index.
    pub(super) fn add(&self) -> usize {
        let mut connections = self.lock();
        connections.push(ScriptedConnection::default());
        let index = connections.len() - 1;
        drop(connections);
        self.bell.ring();
        index
    }

    pub(super) fn change(&self, index: usize, change: impl FnOnce(&mut ScriptedConnection)) {
        change(&mut self.lock()[index]);
        self.bell.ring();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ScriptedConnection>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
