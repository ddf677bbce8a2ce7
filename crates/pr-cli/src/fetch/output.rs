//! Writes records to the journal and to standard output, counting as it goes.

use std::io::{self, IsTerminal, Write};

use super::{
    End,
    journal::Journal,
    order::Reorder,
    progress::Bar,
    record::{Record, Style},
    tally::Tally,
    window::Seat,
};

/// When this many bytes are waiting they are written, even if more records are ready.
const FULL: usize = 64 << 10;

/// Standard output with what stands around it.
pub(super) struct Output {
    style: Style,
    journal: Option<Journal>,
    waiting: Vec<u8>,
    order: Option<Reorder<Delivered>>,
    pub(super) tally: Tally,
    bar: Bar,
    /// On one terminal the lines and the progress bar must take turns.
    shares_terminal: bool,
}

/// A record, and the seat that it keeps until it has been written.
struct Delivered {
    record: Record,
    seat: Option<Seat>,
}

impl Output {
    pub(super) fn new(
        style: Style,
        ordered: bool,
        journal: Option<Journal>,
        tally: Tally,
        bar: Bar,
    ) -> Self {
        Self {
            style,
            journal,
            waiting: Vec::with_capacity(FULL),
            order: ordered.then(Reorder::new),
            tally,
            bar,
            shares_terminal: io::stdout().is_terminal(),
        }
    }

    /// Takes a record, which is written when its turn has come and the [buffer](Self::flush) is.
    pub(super) fn put(&mut self, record: Record, turn: u64, seat: Option<Seat>) -> Result<(), End> {
        self.tally.count(&record);
        match &mut self.order {
            None => self.print(&record)?,
            Some(order) => {
                // The journal is in the order of completion: what waits for its turn is not to be
                // lost in a crash.
                if let Some(journal) = &mut self.journal {
                    let written = record.write_to(self.style, journal.waiting());
                    written.map_err(|error| End::Output(error.into()))?;
                }
                order.push(turn, Delivered { record, seat });
                while let Some(delivered) = self.order.as_mut().and_then(Reorder::pop) {
                    self.print(&delivered.record)?;
                    drop(delivered.seat);
                }
            }
        }
        Ok(())
    }

    /// Takes what still waits for its turn: no more will come.
    pub(super) fn release(&mut self) -> Result<(), End> {
        if let Some(order) = &mut self.order {
            for delivered in order.rest() {
                self.print(&delivered.record)?;
            }
        }
        self.flush()
    }

    /// Has the progress bar tell failures that are none to the client.
    pub(super) fn show_failures(&self) {
        self.bar.show_failures(&self.tally);
    }

    /// Takes the progress bar away and gives the counts.
    pub(super) fn finish(self) -> (Tally, Option<Journal>) {
        self.bar.finish();
        (self.tally, self.journal)
    }

    fn print(&mut self, record: &Record) -> Result<(), End> {
        let written = record.write_to(self.style, &mut self.waiting);
        written.map_err(|error| End::Output(error.into()))?;
        if self.waiting.len() >= FULL {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what is waiting: to the journal first, so that whoever has read a line can rely on its
    /// being there.
    pub(super) fn flush(&mut self) -> Result<(), End> {
        if let Some(journal) = &mut self.journal {
            let written = match self.order {
                None => journal.append(&self.waiting),
                Some(_) => journal.write(),
            };
            written.map_err(End::Journal)?;
        }
        if self.waiting.is_empty() {
            return Ok(());
        }
        let write = || {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&self.waiting)?;
            stdout.flush()
        };
        let written = if self.shares_terminal {
            self.bar.suspend(write)
        } else {
            write()
        };
        self.waiting.clear();
        written.map_err(End::Output)
    }
}
