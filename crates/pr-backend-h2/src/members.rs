//! The HTTP/2 connections of one origin that take new streams, and which of them takes the next.

use std::sync::Arc;

use h2::client::SendRequest;
use pr_core::ConnectionInfo;
use tokio::time::Instant;

use crate::{
    pulse::Pulse,
    settings::{MAX_STREAMS, STREAMS_BEFORE_SETTINGS},
    upload::Chunk,
};

/// After how many streams that we have cut short a connection takes no new ones.
///
/// A peer may take many resets for an attack (CVE-2023-44487), and `h2` ends a connection on which
/// too many frames arrive for streams that it has forgotten. A connection that is replaced in time
/// disturbs nobody: its other streams end in peace.
const MAX_CANCELLED: u32 = 256;

/// How many streams on one connection make it a crowd, for which another connection is dialed if the
/// settings allow one.
///
/// What makes one connection slower than several is not the wire but the lockstep: client and server
/// each handle all that has come in one go and then wait for the other, and the more there is to a
/// go, the longer neither has anything to do. That shows in how much is outstanding, and in nothing
/// else that is cheap to know: small requests never fill a socket. Measured on loopback, a second
/// connection gains nothing with 8 in flight, a little from 16 on, and up to twice the throughput
/// with a hundred. Where requests are outstanding because the peer is slow, it costs one handshake
/// and no more.
pub(crate) const CROWD: usize = 32;

/// The connections that take new streams. One that leaves the set lives on until its streams have
/// ended, and then says GOAWAY and closes by itself, because its last handle is gone.
#[derive(Debug, Default)]
pub(crate) struct Members {
    list: Vec<Member>,
}

/// One connection that takes new streams.
#[derive(Debug)]
pub(crate) struct Member {
    info: ConnectionInfo,
    sender: SendRequest<Chunk>,
    pulse: Arc<Pulse>,
    /// How many streams the peer allows; `None` while it has not said.
    stream_limit: Option<usize>,
    outstanding: usize,
    /// How many streams there have been.
    carried: u64,
    cancelled: u32,
    idle_since: Option<Instant>,
    /// The queue's ticket when the connection came: requests with a smaller one asked before it was
    /// there.
    born: u64,
}

/// The right to open one stream, which occupies a place until it is
/// [given back](Members::give_back).
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) sender: SendRequest<Chunk>,
    pub(crate) info: ConnectionInfo,
    /// The [pulse](Pulse::beats) of the connection before anything was sent.
    pub(crate) beats: u64,
}

/// How a stream has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// On both sides.
    Whole,
    /// Cut short by us; the pulse of the connection had been this when it began.
    CutShort { beats: u64 },
}

/// What follows from the end of a stream.
#[derive(Debug, Default)]
pub(crate) struct Returned {
    /// The connection has had too many streams cut short, and has left the set.
    pub(crate) retired: Option<Member>,
    /// Nothing has come over the connection since the stream began, so that the next request on it
    /// might fare no better: its peer should be asked for a sign of life.
    pub(crate) unheard: Option<Arc<Pulse>>,
    /// The connection has become idle.
    pub(crate) idle: bool,
}

impl Member {
    pub(crate) fn new(
        info: ConnectionInfo,
        sender: SendRequest<Chunk>,
        pulse: Arc<Pulse>,
        born: u64,
    ) -> Self {
        Self {
            info,
            sender,
            pulse,
            stream_limit: None,
            outstanding: 0,
            carried: 0,
            cancelled: 0,
            idle_since: Some(Instant::now()),
            born,
        }
    }

    fn has_room(&self) -> bool {
        let limit = self.stream_limit.unwrap_or(STREAMS_BEFORE_SETTINGS);
        self.outstanding < limit.min(MAX_STREAMS)
    }

    /// Whether the connection is new to a request that asked for a fresh one at that ticket.
    fn is_fresh_to(&self, ticket: u64) -> bool {
        self.carried == 0 || ticket < self.born
    }

    fn grant(&mut self) -> Grant {
        let mut info = self.info;
        info.reused = self.carried > 0;
        self.outstanding += 1;
        self.carried += 1;
        self.idle_since = None;
        Grant {
            sender: self.sender.clone(),
            info,
            beats: self.pulse.beats(),
        }
    }
}

impl Members {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// A stream on the connection that has the fewest, if any has room.
    pub(crate) fn grant(&mut self) -> Option<Grant> {
        self.least_busy(|_| true).map(Member::grant)
    }

    /// The same among the connections that are new to a request of that ticket.
    pub(crate) fn grant_fresh(&mut self, ticket: u64) -> Option<Grant> {
        self.least_busy(|member| member.is_fresh_to(ticket))
            .map(Member::grant)
    }

    /// Whether there is a connection that is new to a request of that ticket, busy or not.
    pub(crate) fn any_fresh_to(&self, ticket: u64) -> bool {
        self.list.iter().any(|member| member.is_fresh_to(ticket))
    }

    /// Whether each connection that has room carries so much that another would help.
    pub(crate) fn are_crowded(&self) -> bool {
        self.list
            .iter()
            .all(|member| member.outstanding > CROWD || !member.has_room())
    }

    /// Whether every connection knows its limit, so that a full one is really full.
    pub(crate) fn all_settled(&self) -> bool {
        self.list.iter().all(|member| member.stream_limit.is_some())
    }

    /// The connections on which no stream is open: since when, and which.
    pub(crate) fn idle(&self) -> impl Iterator<Item = (Instant, u64)> {
        self.list
            .iter()
            .filter_map(|member| Some((member.idle_since?, member.info.id)))
    }

    /// Adds a connection.
    pub(crate) fn add(&mut self, member: Member) {
        self.list.push(member);
    }

    /// Takes the connection that is here longest out.
    pub(crate) fn retire_oldest(&mut self) -> Option<Member> {
        let oldest = (0..self.list.len()).min_by_key(|&index| self.list[index].born)?;
        Some(self.list.remove(oldest))
    }

    /// The number of that connection.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let oldest = self.list.iter().min_by_key(|member| member.born)?;
        Some(oldest.info.id)
    }

    /// Takes one connection out.
    pub(crate) fn remove(&mut self, id: u64) -> Option<Member> {
        let index = self.list.iter().position(|member| member.info.id == id)?;
        Some(self.list.remove(index))
    }

    /// Takes all connections out.
    pub(crate) fn clear(&mut self) -> Vec<Member> {
        std::mem::take(&mut self.list)
    }

    /// Gives back the place of a stream that has ended. The connection may have left the set; one
    /// that has had too many streams cut short does so now.
    pub(crate) fn give_back(&mut self, id: u64, end: End) -> Returned {
        let mut returned = Returned::default();
        let Some(member) = self.find(id) else {
            return returned;
        };
        member.outstanding -= 1;
        if member.outstanding == 0 {
            returned.idle = true;
            member.idle_since = Some(Instant::now());
        }
        if let End::CutShort { beats } = end {
            if member.pulse.beats() == beats {
                returned.unheard = Some(member.pulse.clone());
            }
            member.cancelled += 1;
            if member.cancelled >= MAX_CANCELLED {
                returned.retired = self.remove(id);
            }
        }
        returned
    }

    /// Gives back a grant of which no use was made.
    pub(crate) fn return_unused(&mut self, id: u64) {
        if let Some(member) = self.find(id) {
            member.carried -= 1;
        }
        // No stream was cut short: there was none.
        let returned = self.give_back(id, End::Whole);
        debug_assert!(returned.retired.is_none());
    }

    pub(crate) fn find(&mut self, id: u64) -> Option<&mut Member> {
        self.list.iter_mut().find(|member| member.info.id == id)
    }

    fn least_busy(&mut self, suits: impl Fn(&Member) -> bool) -> Option<&mut Member> {
        self.list
            .iter_mut()
            .filter(|member| member.has_room() && suits(member))
            .min_by_key(|member| member.outstanding)
    }
}

impl Member {
    /// The handle that asks the connection whether it still takes streams.
    pub(crate) fn sender(&mut self) -> &mut SendRequest<Chunk> {
        &mut self.sender
    }

    /// Takes note of the peer's limit on streams. Whether it has changed.
    pub(crate) fn set_stream_limit(&mut self, limit: Option<usize>) -> bool {
        let changed = self.stream_limit != limit;
        self.stream_limit = limit;
        changed
    }

    /// Since when no stream is open; `None` if one is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.idle_since
    }
}
