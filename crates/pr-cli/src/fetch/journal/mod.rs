//! The journal: outcomes on file as they happen, so that a run that was ended, in whatever way, can
//! go on where it was.
//!
//! A line that says what run it is, then one for each outcome. An outcome is written in one go and
//! before it is printed, so that all that a crash can leave behind is a last line without its end,
//! and that is cut off when the run is resumed.

mod done;
mod identity;
mod replay;

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use fs4::{FileExt, TryLockError};

use self::replay::{Refusal, Replay, replay};
pub(super) use self::{done::Done, identity::Identity};
use crate::{args::JournalArgs, exit::CommandError};

/// A journal that is locked, complete to its last line, and open at its end.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// How long it is without what is being written.
    length: u64,
    fsync: bool,
    /// The buffer that outcomes are gathered in.
    waiting: Vec<u8>,
}

/// Opens the journal, if there is to be one, and reads what is in it. What is wrong here is wrong
/// with the command line: nothing has been sent yet.
pub(super) fn open(
    args: &JournalArgs,
    identity: &Identity,
    fail: bool,
) -> Result<(Option<Journal>, Done), CommandError> {
    let Some(path) = &args.journal else {
        return Ok((None, Done::default()));
    };
    let opened = Journal::open(path, args, identity, fail);
    let (journal, done) = opened
        .map_err(|why| CommandError::Usage(format!("--journal {}: {why}", path.display())))?;
    Ok((Some(journal), done))
}

impl Journal {
    fn open(
        path: &Path,
        args: &JournalArgs,
        identity: &Identity,
        fail: bool,
    ) -> Result<(Self, Done), Refusal> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err("it is no regular file".into());
        }
        // By its trait, since the standard library has a method of this name from Rust 1.89 on.
        FileExt::try_lock(&file).map_err(|error| match error {
            TryLockError::WouldBlock => "another process is writing it".into(),
            TryLockError::Error(error) => Refusal::from(format!("it cannot be locked: {error}")),
        })?;
        let header = identity.to_line();
        let mut replayed = Replay::default();
        // Asked again, now that nobody else writes.
        let length = file.metadata()?.len();
        if length > 0 {
            if !args.resume {
                let why = "there is something in it already; --resume goes on with it";
                return Err(why.into());
            }
            replayed = replay(BufReader::new(&file), &header, fail)?;
        }
        if replayed.keep < length {
            file.set_len(replayed.keep)?;
        }
        file.seek(SeekFrom::Start(replayed.keep))?;
        if replayed.keep == 0 {
            file.write_all(&header)?;
        } else if replayed.lacks_line_end {
            file.write_all(b"\n")?;
        }
        if args.fsync {
            file.sync_all()?;
            sync_directory(path)?;
        }
        let journal = Self {
            length: file.stream_position()?,
            file,
            path: path.to_owned(),
            fsync: args.fsync,
            waiting: Vec::new(),
        };
        let mut done = replayed.done;
        done.retry_failed = args.retry_failed;
        Ok((journal, done))
    }

    /// Where lines are gathered before [`write`](Self::write) writes them.
    pub(super) fn waiting(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Writes what was gathered; see [`append`](Self::append).
    pub(super) fn write(&mut self) -> io::Result<()> {
        let lines = std::mem::take(&mut self.waiting);
        let written = self.append(&lines);
        self.waiting = lines;
        self.waiting.clear();
        written
    }

    /// Writes these lines. If that fails, none of them is there: what was written of them is taken
    /// back, as far as possible, and cut off when the run is resumed, as far as it is torn.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut written = self.file.write_all(lines);
        if written.is_ok() && self.fsync {
            written = self.file.sync_data();
        }
        match written {
            Ok(()) => self.length += lines.len() as u64,
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a file's name as durable as its content.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Elsewhere directories cannot be opened, and the system sees to it.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
