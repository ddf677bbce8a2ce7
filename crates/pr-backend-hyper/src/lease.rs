//! A connection while it carries an exchange, and what it takes for it to carry another.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Version, header, response::Parts};
use pr_core::{BackendError, ConnectionInfo, ConnectionKey};

use crate::{connection::Connection, error, pool::Shared, upload::Fate};

/// A connection on loan from the pool. Dropping the lease closes the connection.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) key: ConnectionKey,
    pub(crate) pool: Arc<Shared>,
    /// What becomes of the request's body, if it is a stream.
    pub(crate) upload: Option<Arc<Fate>>,
    /// What the response's head says of the connection.
    pub(crate) terms: Terms,
}

/// What a response's head says of its connection.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// Whether another request can follow. After an HTTP/1.0 response it might, but hyper would
    /// speak HTTP/1.0 from then on, which cannot carry a body of unknown length.
    reusable: bool,
    /// Whether the peer has no use for what it has not read of the request: it closes the
    /// connection, or answers with an error (RFC 9110, section 7.5; RFC 9112, section 9.3).
    enough: bool,
}

impl Terms {
    pub(crate) fn of(head: &Parts) -> Self {
        let current = head.version == Version::HTTP_11;
        let closes = || {
            let values = head.headers.get_all(header::CONNECTION).iter();
            let mut options = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
            options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
        };
        let error = head.status.is_client_error() || head.status.is_server_error();
        Self {
            reusable: current,
            enough: error || !current || closes(),
        }
    }

    /// The same, for a peer that has answered in place of giving leave to send the body.
    pub(crate) fn without_body(self) -> Self {
        Self {
            enough: true,
            ..self
        }
    }
}

impl Lease {
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.connection.info()
    }

    /// Whether the request is no more on its way, or need not be, so that the lease can end with
    /// the response.
    pub(crate) fn can_end(&self) -> bool {
        self.terms.enough || self.request_was_taken()
    }

    /// Waits for the rest of a request that the peer has answered early, without saying that it
    /// has had enough. A response that came to its end before must not stand for a success.
    pub(crate) fn poll_request(&self, cx: &mut Context<'_>) -> Poll<Result<(), BackendError>> {
        if self.can_end() {
            return Poll::Ready(Ok(()));
        }
        let uploaded = match &self.upload {
            Some(upload) => ready!(upload.poll_complete(cx)),
            None => true,
        };
        if uploaded && ready!(self.connection.poll_flushed(cx)) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(error::after_early_answer(
                self.upload.as_deref(),
                &self.pool,
            )
            .on_reused_connection(self.info().reused)))
        }
    }

    /// Ends the loan, the response having been read to its end.
    pub(crate) fn end(mut self) {
        if !self.request_was_taken() {
            // What the peer has not read would stand before the next request, so it is cut off.
            return;
        }
        if self.terms.reusable {
            self.connection.note_use();
            self.pool.give_back(self.key, self.connection);
        } else {
            self.connection.close();
        }
    }

    fn request_was_taken(&self) -> bool {
        let uploaded = self
            .upload
            .as_ref()
            .is_none_or(|upload| upload.is_complete());
        uploaded && !self.connection.has_backlog()
    }
}
