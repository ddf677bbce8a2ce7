//! A connection while it carries an exchange, and what it takes for it to carry another.

use std::sync::Arc;

use pr_core::{ConnectionInfo, ConnectionKey};

use crate::{connection::Connection, pool::Shared, upload::Fate};

/// A connection on loan from the pool. Dropping the lease closes the connection.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) key: ConnectionKey,
    pub(crate) pool: Arc<Shared>,
    /// What became of the request's body, if it is a stream.
    pub(crate) upload: Option<Arc<Fate>>,
    /// Whether the response leaves the connection open. After an HTTP/1.0 response it might, but
    /// hyper would speak HTTP/1.0 from then on, which cannot carry a body of unknown length.
    pub(crate) reusable: bool,
}

impl Lease {
    pub(crate) fn info(&self) -> ConnectionInfo {
        self.connection.info()
    }

    /// Ends the loan, the response having been read to its end.
    pub(crate) fn end(mut self) {
        let request_was_taken =
            !self.connection.has_backlog() && self.upload.is_none_or(|upload| upload.is_complete());
        if !request_was_taken {
            // The peer answered early. What it has not read of the request would stand before the
            // next one (RFC 9112, section 9.3), so this one is cut off.
            return;
        }
        if self.reusable {
            self.connection.note_use();
            self.pool.give_back(self.key, self.connection);
        } else {
            self.connection.close();
        }
    }
}
