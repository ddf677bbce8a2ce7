//! How a request may travel, and the right to open a stream, which is given back by dropping it.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use futures::task::noop_waker_ref;
use h2::client::SendRequest;
use pr_connect::Connected;
use pr_core::ConnectionInfo;

use crate::{
    members::{End, Grant},
    origin::Origin,
    upload::Chunk,
};

/// How a request may travel.
pub(crate) enum Lease {
    /// By this stream of an HTTP/2 connection.
    Stream(StreamLease),
    /// By HTTP/1.1, and over this connection if there is one.
    Http1(Option<Box<Connected>>),
}

/// The right to open one stream on one connection.
pub(crate) struct StreamLease {
    pub(crate) sender: SendRequest<Chunk>,
    pub(crate) info: ConnectionInfo,
    pub(crate) place: Place,
}

/// A stream's place among those that its connection may have open; free again when this is dropped.
pub(crate) struct Place {
    origin: Arc<Origin>,
    connection: u64,
    end: End,
}

impl StreamLease {
    /// Takes over a grant from this origin.
    pub(crate) fn new(origin: Arc<Origin>, grant: Grant) -> Self {
        let place = Place {
            origin,
            connection: grant.info.id,
            end: End::CutShort { beats: grant.beats },
        };
        Self {
            sender: grant.sender,
            info: grant.info,
            place,
        }
    }

    /// Whether the connection still takes the stream. If not, it is struck off, and another lease
    /// has to be had.
    pub(crate) fn is_usable(&mut self) -> bool {
        // Never pending, because no stream of this handle waits to be opened.
        let mut cx = Context::from_waker(noop_waker_ref());
        let usable = !matches!(self.sender.poll_ready(&mut cx), Poll::Ready(Err(_)));
        if !usable {
            self.place.origin.forget(self.place.connection);
        }
        usable
    }
}

impl Place {
    /// Says that the stream has ended on both sides, so that it was not we who cut it short.
    pub(crate) fn ended(&mut self) {
        self.end = End::Whole;
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.origin.give_back(self.connection, self.end);
    }
}
