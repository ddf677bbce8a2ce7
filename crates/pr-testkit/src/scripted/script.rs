//! What a scripted server does on one connection, step by step.

use std::time::Duration;

use bytes::Bytes;

use crate::latch::Latch;

/// The steps of one connection of a [`ScriptedServer`](crate::ScriptedServer), in order.
///
/// After the last step the connection is closed as by [`close`](Self::close), unless the script
/// says otherwise or [repeats](Self::repeat).
///
/// Sending to a client that has gone away ends the script and is no failure: whether a client reads
/// on is for the test to judge. Expecting something from a client that has gone away is a failure.
///
/// ```
/// use pr_testkit::{Latch, Script, ScriptedServer};
///
/// // A keep-alive server that answers every request, but only once the test says so.
/// let go = Latch::new();
/// let script = Script::new()
///     .expect_head()
///     .wait_for(&go)
///     .send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
///     .repeat();
/// let server = ScriptedServer::always(script);
/// go.open();
/// # drop(server);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a script does nothing until a server plays it"]
pub struct Script {
    pub(super) steps: Vec<Step>,
    pub(super) repeat: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    ExpectHead,
    ExpectBytes(usize),
    Expect(Bytes),
    ExpectSilence(Duration),
    ExpectEnd,
    Send(Bytes),
    Pause(Duration),
    Open(Latch),
    WaitFor(Latch),
    Stall,
    StopReading,
    ShutDownWrite,
    Close,
    CloseWithoutNotify,
    Reset,
}

impl Script {
    /// A script without steps: it closes the connection at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the head of an HTTP/1.1 request: up to and with the empty line.
    pub fn expect_head(self) -> Self {
        self.then(Step::ExpectHead)
    }

    /// Reads this many bytes, whatever they are: a request's body, say.
    pub fn expect_bytes(self, count: usize) -> Self {
        self.then(Step::ExpectBytes(count))
    }

    /// Reads just these bytes: the preface of HTTP/2 (RFC 9113 section 3.4), say.
    pub fn expect(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Expect(bytes.into()))
    }

    /// Takes anything that the client sends within this time for a failure, its end included: does
    /// it wait for `100 Continue` (RFC 9110 section 10.1.1), say? On a slow machine this can only
    /// miss a failure, not make one up.
    pub fn expect_silence(self, duration: Duration) -> Self {
        self.then(Step::ExpectSilence(duration))
    }

    /// Waits until the client closes its side, and takes any byte before that for a failure. A
    /// reset by the client counts as closing.
    pub fn expect_end(self) -> Self {
        self.then(Step::ExpectEnd)
    }

    /// Sends these bytes as they are.
    pub fn send(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Sends so many informational responses (RFC 9110 section 15.2) with this status, such as 100 or
    /// 103, and without fields.
    pub fn send_informational(self, status: u16, count: usize) -> Self {
        self.send(format!("HTTP/1.1 {status} Wait\r\n\r\n").repeat(count))
    }

    /// Does nothing for a while. Prefer [`wait_for`](Self::wait_for), which depends on an event and
    /// not on how fast the machine is.
    pub fn pause(self, duration: Duration) -> Self {
        self.then(Step::Pause(duration))
    }

    /// Opens the latch, which tells the test that the script got this far.
    pub fn open(self, latch: &Latch) -> Self {
        self.then(Step::Open(latch.clone()))
    }

    /// Waits until the test opens the latch.
    pub fn wait_for(self, latch: &Latch) -> Self {
        self.then(Step::WaitFor(latch.clone()))
    }

    /// Sends nothing more, and reads on until the client closes or the server is dropped.
    pub fn stall(self) -> Self {
        self.then(Step::Stall)
    }

    /// Neither sends nor reads any more, until the server is dropped, so that a client that goes on
    /// sending is held back by TCP's flow control.
    pub fn stop_reading(self) -> Self {
        self.then(Step::StopReading)
    }

    /// Closes the sending side only, over TLS with `close_notify`, and goes on.
    pub fn shut_down_write(self) -> Self {
        self.then(Step::ShutDownWrite)
    }

    /// Closes the connection in good order: over TLS with `close_notify` (RFC 8446 section 6.1),
    /// then with TCP's FIN. What was sent before arrives.
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    /// Closes with TCP's FIN alone, which over TLS looks like a truncation attack. Without TLS it
    /// is the same as [`close`](Self::close).
    pub fn close_without_notify(self) -> Self {
        self.then(Step::CloseWithoutNotify)
    }

    /// Aborts the connection with TCP's RST, which also discards what the client has not read yet.
    pub fn reset(self) -> Self {
        self.then(Step::Reset)
    }

    /// Begins again after the last step, until the client closes the connection between two rounds.
    pub fn repeat(mut self) -> Self {
        self.repeat = true;
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}
