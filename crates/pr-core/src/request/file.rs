//! A file as a request's body: opened when it is sent, and read in pieces, off the runtime's threads.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use bytes::Bytes;
use futures::stream;
use tokio::{runtime::Handle, task};

use crate::{BackendError, BoxError, ErrorKind, OutgoingBody};

/// The most that is read at a time: enough that handing over to another thread and back costs
/// little beside it.
const PIECE: u64 = 128 << 10;

/// Opens the file for sending as much as it holds now.
pub(super) fn open(path: &Path) -> Result<OutgoingBody, BackendError> {
    let shown = path.to_string_lossy();
    let refuse = |error: io::Error| {
        let why = format!("the file {shown:?} cannot be opened for sending");
        BackendError::new(ErrorKind::Input, why).with_source(error)
    };
    // Asked before opening, because to open a named pipe waits for who writes to it.
    let found = fs::metadata(path).map_err(refuse)?;
    if !found.is_file() {
        let why = format!(
            "{shown:?} is no regular file; what has no length of its own is sent by Body::reader"
        );
        return Err(BackendError::new(ErrorKind::Input, why));
    }
    let file = File::open(path).map_err(refuse)?;
    let length = file.metadata().map_err(refuse)?.len();
    let reading = (length > 0).then_some(Reading { file, left: length });
    Ok(OutgoingBody::Stream {
        stream: Box::pin(stream::unfold(reading, |reading| async {
            let step = read_aside(reading?).await;
            Some(match step {
                Ok((piece, rest)) => (Ok(piece), rest),
                Err(error) => (Err(BoxError::from(error)), None),
            })
        })),
        length: Some(length),
    })
}

/// A file of which something is left to be sent.
struct Reading {
    file: File,
    left: u64,
}

/// A piece, and what is left after it.
type Step = (Bytes, Option<Reading>);

impl Reading {
    /// Reads the next piece.
    fn step(mut self) -> io::Result<Step> {
        let wanted = self.left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        let count = (&mut self.file).take(wanted).read_to_end(&mut piece)? as u64;
        if count < wanted {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was sent",
            ));
        }
        self.left -= count;
        let rest = (self.left > 0).then_some(self);
        Ok((piece.into(), rest))
    }
}

/// Reads on a thread that may block. Without a runtime there is nobody else to hold up.
async fn read_aside(reading: Reading) -> io::Result<Step> {
    if Handle::try_current().is_err() {
        return reading.step();
    }
    task::spawn_blocking(|| reading.step())
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
}
