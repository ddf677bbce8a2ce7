//! Writes records to standard output, counting as it goes.

use std::io::{self, IsTerminal, Write};

use parallel_requests::ParallelRequests;

use super::{
    dispatch::{Delivered, Plan},
    order::Reorder,
    progress::Progress,
    tally::Tally,
};

/// When this many bytes are waiting they are written, even if more records are ready.
const FULL: usize = 64 << 10;

/// Standard output with what stands around it.
pub(super) struct Output {
    backend: &'static str,
    waiting: Vec<u8>,
    order: Option<Reorder<Delivered>>,
    tally: Tally,
    progress: Progress,
    /// On one terminal the lines and the progress bar must take turns.
    shares_terminal: bool,
}

impl Output {
    pub(super) fn new(
        client: &ParallelRequests,
        plan: &Plan,
        fail: bool,
        progress: Progress,
    ) -> Self {
        Self {
            backend: client.backend().name(),
            waiting: Vec::with_capacity(FULL),
            order: plan.ordered.then(Reorder::new),
            tally: Tally::new(fail),
            progress,
            shares_terminal: io::stdout().is_terminal(),
        }
    }

    /// Takes these records, and writes those whose turn it is.
    pub(super) fn write(&mut self, records: impl Iterator<Item = Delivered>) -> io::Result<()> {
        for delivered in records {
            self.tally.count(&delivered.record);
            match &mut self.order {
                None => self.put(delivered)?,
                Some(order) => {
                    order.push(delivered.record.index, delivered);
                    while let Some(delivered) = self.order.as_mut().and_then(Reorder::pop) {
                        self.put(delivered)?;
                    }
                }
            }
        }
        self.progress
            .update(self.tally.total(), self.tally.failed());
        // Whoever waits for these lines gets them now, not when more have come.
        self.flush()
    }

    /// Writes what still waits for its turn: no more will come.
    pub(super) fn release(&mut self) -> io::Result<()> {
        if let Some(order) = &mut self.order {
            for delivered in order.rest() {
                self.put(delivered)?;
            }
        }
        self.flush()
    }

    /// Takes the progress bar away and gives the counts.
    pub(super) fn finish(self) -> Tally {
        self.progress.finish();
        self.tally
    }

    fn put(&mut self, delivered: Delivered) -> io::Result<()> {
        delivered.record.write_to(self.backend, &mut self.waiting)?;
        drop(delivered.place);
        if self.waiting.len() >= FULL {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&self.waiting)?;
            stdout.flush()
        };
        let written = if self.shares_terminal {
            self.progress.suspend(write)
        } else {
            write()
        };
        self.waiting.clear();
        written
    }
}
