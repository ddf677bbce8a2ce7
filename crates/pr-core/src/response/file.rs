//! A body written to a file, which is there whole or not at all.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures::{Stream, StreamExt};
use tempfile::NamedTempFile;
use tokio::{
    runtime::Handle,
    task::{JoinError, spawn_blocking},
};

use crate::{BackendError, ErrorKind};

/// How much is handed to the thread that writes at a time. Handing over costs as much as writing a
/// few kilobytes does.
const BATCH: usize = 256 << 10;

/// Writes what comes into a temporary file beside the target, and then renames it to the target.
pub(super) async fn save<S>(pieces: &mut S, path: PathBuf) -> Result<u64, BackendError>
where
    S: Stream<Item = Result<Bytes, BackendError>> + Unpin,
{
    if Handle::try_current().is_err() {
        return Err(BackendError::no_runtime());
    }
    let shown = path.display().to_string();
    let failed = |error| about(&shown, error);
    let (target, mut file) = on_a_thread(move || create(&path)).await.map_err(failed)?;
    let (mut written, mut ended) = (0, false);
    while !ended {
        let (mut batch, mut size) = (Vec::new(), 0);
        while size < BATCH && !ended {
            match pieces.next().await.transpose()? {
                Some(piece) => {
                    size += piece.len();
                    batch.push(piece);
                }
                None => ended = true,
            }
        }
        written += size as u64;
        // The file goes along: if this is dropped meanwhile, it is removed when the write is over.
        file = on_a_thread(move || {
            for piece in batch {
                file.write_all(&piece)?;
            }
            Ok(file)
        })
        .await
        .map_err(failed)?;
    }
    let persisted = on_a_thread(move || file.persist(target).map_err(|error| error.error));
    persisted.await.map_err(failed)?;
    Ok(written)
}

/// The error of writing this file, which was meant to become so.
fn about(path: &str, error: Unwritten) -> BackendError {
    match error {
        Unwritten::Io(error) => {
            let why = format!("{path} could not be written");
            BackendError::new(ErrorKind::Other, why).with_source(error)
        }
        Unwritten::ShutDown(error) => {
            let why = format!("the runtime shut down before {path} was written");
            BackendError::new(ErrorKind::Cancelled, why).with_source(error)
        }
    }
}

/// Why a step of writing was not done.
enum Unwritten {
    Io(io::Error),
    ShutDown(JoinError),
}

/// Makes the temporary file, and says what it is to become.
fn create(path: &Path) -> io::Result<(PathBuf, NamedTempFile)> {
    // The working directory may be another one at the end.
    let target = std::path::absolute(path)?;
    let (Some(directory), Some(_)) = (target.parent(), target.file_name()) else {
        let why = "this path names no file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    if target.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    let file = permitted(&target, directory)?;
    Ok((target, file))
}

/// A file that may be read and written by whom the one that it replaces may be, or else by whom any
/// new file may be.
#[cfg(unix)]
fn permitted(target: &Path, directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt as _;

    let mut builder = temporary();
    match fs::symlink_metadata(target) {
        Ok(replaced) if replaced.is_file() => {
            // Made private and opened up afterwards, so that it is never open to more.
            let file = builder.tempfile_in(directory)?;
            file.as_file().set_permissions(replaced.permissions())?;
            Ok(file)
        }
        _ => builder
            .permissions(fs::Permissions::from_mode(0o666))
            .tempfile_in(directory),
    }
}

/// A file with the permissions that its directory hands down.
#[cfg(not(unix))]
fn permitted(_target: &Path, directory: &Path) -> io::Result<NamedTempFile> {
    temporary().tempfile_in(directory)
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    builder
}

async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Unwritten> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(Unwritten::Io),
        Err(error) => Err(Unwritten::ShutDown(error)),
    }
}
