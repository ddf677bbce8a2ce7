//! A socket that one thread uses and another may shut down, over TCP or of Unix.

use std::{
    io::{self, IoSlice, Read, Write},
    sync::Arc,
};

use pr_connect::Place;
use socket2::SockRef;

/// The part of a socket that its user shares with whoever may shut it down.
pub(crate) type Shared = Arc<Open>;

/// An open socket, and its place among the connections that may be open.
pub(crate) struct Open {
    socket: pr_connect::Socket,
    // After it, so that the socket has been closed when the place comes back.
    _place: Option<Place>,
}

/// A socket with blocking reads and writes, which knows whether it has been written to.
pub(crate) struct Socket {
    shared: Shared,
    has_written: bool,
}

/// The same call on whichever socket it is.
macro_rules! each {
    ($shared:expr, $socket:ident => $call:expr) => {
        match $shared {
            pr_connect::Socket::Tcp($socket) => $call,
            #[cfg(unix)]
            pr_connect::Socket::Unix($socket) => $call,
        }
    };
}

/// Its settings, which are the same for all.
pub(crate) fn settings(shared: &Open) -> SockRef<'_> {
    each!(&shared.socket, socket => SockRef::from(socket))
}

impl Socket {
    pub(crate) fn new(socket: pr_connect::Socket, place: Option<Place>) -> Self {
        let open = Open {
            socket,
            _place: place,
        };
        Self {
            shared: Arc::new(open),
            has_written: false,
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn settings(&self) -> SockRef<'_> {
        settings(&self.shared)
    }

    /// Whether the peer has neither said anything that has not been read, nor left. This takes one
    /// system call where the system has a way to say "do not wait" for just that one.
    pub(crate) fn is_silent(&self) -> bool {
        look(&self.shared).is_err_and(|error| is_delay(&error))
    }

    /// Whether anything has been written since this was asked last.
    pub(crate) fn take_has_written(&mut self) -> bool {
        std::mem::take(&mut self.has_written)
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        each!(&self.shared.socket, socket => (&mut &*socket).read(into))
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = each!(&self.shared.socket, socket => (&mut &*socket).write(bytes))?;
        self.has_written |= written > 0;
        Ok(written)
    }

    fn write_vectored(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = each!(&self.shared.socket, socket => (&mut &*socket).write_vectored(bytes))?;
        self.has_written |= written > 0;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Looks for a byte without waiting for it, and leaves it there.
#[cfg(unix)]
fn look(shared: &Open) -> io::Result<usize> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    settings(shared).recv_with_flags(&mut byte, libc::MSG_PEEK | libc::MSG_DONTWAIT)
}

/// Looks for a byte without waiting for it, and leaves it there.
#[cfg(not(unix))]
fn look(shared: &Open) -> io::Result<usize> {
    let mut byte = [std::mem::MaybeUninit::uninit()];
    let socket = settings(shared);
    socket.set_nonblocking(true)?;
    let seen = socket.peek(&mut byte);
    socket.set_nonblocking(false)?;
    seen
}

/// Whether the error says that nothing has happened yet: the socket does not block, or its time
/// limit has passed, which is called one thing or the other on different systems.
pub(crate) fn is_delay(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
