//! TCP connections to the addresses of one host, tried side by side.

use std::{
    collections::VecDeque,
    io,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use crate::exchange::{Exchange, Stop};

/// Connects to whichever address answers first (Happy Eyeballs, RFC 8305): the next one is tried
/// when one has failed, or has not answered in [`HEAD_START`].
///
/// The sockets connect without blocking, so that a stopped exchange is noticed in [`LOOK_UP`] and
/// several can be waited for at a time. The one that is returned blocks.
pub(crate) fn connect(
    addresses: Vec<SocketAddr>,
    deadline: Option<Instant>,
    exchange: &Exchange,
) -> Result<TcpStream, Failure> {
    let mut race = Race {
        poll: Poll::new().map_err(Failure::Refused)?,
        waiting: alternating(addresses),
        running: Vec::new(),
        started: 0,
        last_error: None,
    };
    let mut events = Events::with_capacity(16);
    let mut next_start = Instant::now();
    loop {
        if let Some(why) = exchange.stopped() {
            return Err(Failure::Stopped(why));
        }
        let now = Instant::now();
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Failure::TooLate(race.last_error));
        }
        if race.running.is_empty() || next_start <= now {
            race.start_next();
            next_start = now + HEAD_START;
        }
        if race.running.is_empty() {
            if race.waiting.is_empty() {
                return Err(Failure::Refused(race.into_error()));
            }
            next_start = now;
            continue;
        }
        let mut pause = LOOK_UP;
        if !race.waiting.is_empty() {
            pause = pause.min(next_start.saturating_duration_since(now));
        }
        if let Some(deadline) = deadline {
            pause = pause.min(deadline.saturating_duration_since(now));
        }
        match race.poll.poll(&mut events, Some(pause)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(Failure::Refused(error));
            }
            _ => {}
        }
        for event in &events {
            match race.settle(event.token()) {
                Standing::Connected(winner) => return winner.map_err(Failure::Refused),
                Standing::Failed => next_start = now,
                Standing::Running => {}
            }
        }
    }
}

/// How long an address is waited for before the next one is tried as well (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);
/// How often a stopped exchange is looked for.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Why there is no connection.
pub(crate) enum Failure {
    /// The exchange was stopped.
    Stopped(Stop),
    /// Time ran out; this is what one of the addresses had answered, if any did.
    TooLate(Option<io::Error>),
    /// No address can be connected to; this is what the last one answered.
    Refused(io::Error),
}

enum Standing {
    Running,
    Connected(io::Result<TcpStream>),
    Failed,
}

struct Race {
    poll: Poll,
    waiting: VecDeque<SocketAddr>,
    running: Vec<(Token, mio::net::TcpStream)>,
    started: usize,
    last_error: Option<io::Error>,
}

impl Race {
    fn start_next(&mut self) {
        let Some(address) = self.waiting.pop_front() else {
            return;
        };
        let token = Token(self.started);
        self.started += 1;
        let started = mio::net::TcpStream::connect(address).and_then(|mut socket| {
            self.poll
                .registry()
                .register(&mut socket, token, Interest::WRITABLE)?;
            Ok(socket)
        });
        match started {
            Ok(socket) => self.running.push((token, socket)),
            Err(error) => self.last_error = Some(error),
        }
    }

    /// Looks at the socket of this token, which something has happened to.
    fn settle(&mut self, token: Token) -> Standing {
        let Some(index) = self
            .running
            .iter()
            .position(|(running, _)| *running == token)
        else {
            return Standing::Running;
        };
        let socket = &self.running[index].1;
        match socket.take_error() {
            Ok(None) if socket.peer_addr().is_ok() => {
                let (_, socket) = self.running.swap_remove(index);
                Standing::Connected(self.blocking(socket))
            }
            Ok(None) => Standing::Running,
            Ok(Some(error)) | Err(error) => {
                self.running.swap_remove(index);
                self.last_error = Some(error);
                Standing::Failed
            }
        }
    }

    fn blocking(&self, mut socket: mio::net::TcpStream) -> io::Result<TcpStream> {
        self.poll.registry().deregister(&mut socket)?;
        let socket = TcpStream::from(socket);
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    fn into_error(self) -> io::Error {
        self.last_error
            .unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

/// The addresses in their order, but the families in turn (RFC 8305, section 4): where one family
/// does not work, the second attempt is of the other one.
fn alternating(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_ipv6);
    let mut others = others.into_iter();
    let mut order = VecDeque::new();
    for address in preferred {
        order.push_back(address);
        order.extend(others.next());
    }
    order.extend(others);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_choice() {
        let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
        let mixed = ["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"].map(parse);
        let order = alternating(mixed.to_vec());
        assert_eq!(
            order,
            ["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"].map(parse)
        );
    }
}
