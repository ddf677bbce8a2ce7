//! The bytes between ureq and a connection.

use ureq::unversioned::transport::Buffers;

use crate::{chunks::Chunks, exchange::Part};

/// What has been read and not yet understood, and what is about to be written.
///
/// There is one pair to a thread and not to a connection, so that idle connections take no memory
/// for it.
#[derive(Default)]
pub(crate) struct MessageBuffers {
    input: Vec<u8>,
    consumed: usize,
    filled: usize,
    /// Whether what was last looked at could be used, so that what is left may be complete.
    progress: bool,
    output: Vec<u8>,
    part: Part,
    chunks: Option<Chunks>,
    max_trailers: usize,
}

/// What is read at a time, in bytes.
const INPUT: usize = 128 << 10;
/// What is written at a time, in bytes. A longer head gets as much as it needs.
const OUTPUT: usize = 64 << 10;
/// The least room in which ureq prepares a piece of the request's body, in bytes.
const SCRATCH: usize = 16 << 10;

impl MessageBuffers {
    /// Empties them and makes them fit for a request of whose head ureq writes this much, in one go,
    /// and a response with so many trailer fields at most.
    pub(crate) fn prepare(&mut self, draft: usize, max_trailers: usize) {
        self.consumed = 0;
        self.filled = 0;
        self.progress = false;
        self.part = Part::Head;
        self.chunks = None;
        self.max_trailers = max_trailers;
        resize(&mut self.input, INPUT);
        resize(&mut self.output, OUTPUT.max(draft));
    }

    /// Says what is read from now on.
    pub(crate) fn turn_to(&mut self, part: Part) {
        if self.part == part {
            return;
        }
        self.part = part;
        if part == Part::Chunks {
            self.chunks = Some(Chunks::new(self.max_trailers));
            // Some of the body has come along with the head.
            let count = std::mem::replace(&mut self.filled, self.consumed) - self.consumed;
            self.input_appended(count);
        }
    }

    /// Takes what is about to be written out, to be [put back](Self::put_back).
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    pub(crate) fn put_back(&mut self, output: Vec<u8>) {
        self.output = output;
    }

    /// What has been found out about a chunked body by now.
    pub(crate) fn chunks(&mut self) -> &mut Option<Chunks> {
        &mut self.chunks
    }

    /// Where the rest of a head goes that may be as long as this; nowhere if it is already.
    pub(crate) fn head_append_buf(&mut self, limit: usize) -> &mut [u8] {
        let held = self.input().len();
        self.make_room();
        if self.filled == self.input.len() {
            let longer = self.input.len().saturating_mul(2).min(limit);
            self.input.resize(longer.max(self.filled), 0);
        }
        let free = &mut self.input[self.filled..];
        let most = free.len().min(limit.saturating_sub(held));
        &mut free[..most]
    }

    /// Puts something shorter in the place of the first so many bytes.
    pub(crate) fn replace(&mut self, length: usize, by: &[u8]) {
        if let Some(rest) = length.checked_sub(by.len()) {
            self.input_consume(rest);
            let start = self.consumed;
            self.input[start..start + by.len()].copy_from_slice(by);
        }
    }

    fn make_room(&mut self) {
        if self.consumed == self.filled {
            self.consumed = 0;
            self.filled = 0;
        } else if self.filled > self.input.len() / 2 {
            self.input.copy_within(self.consumed..self.filled, 0);
            self.filled -= self.consumed;
            self.consumed = 0;
        }
    }
}

/// What is in it does not matter, so it is not copied.
fn resize(buffer: &mut Vec<u8>, length: usize) {
    if buffer.len() != length {
        *buffer = vec![0; length];
    }
}

impl Buffers for MessageBuffers {
    fn output(&mut self) -> &mut [u8] {
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        &self.input[self.consumed..self.filled]
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.make_room();
        &mut self.input[self.filled..]
    }

    fn input_appended(&mut self, amount: usize) {
        let end = self.input.len().min(self.filled + amount);
        self.filled = match &mut self.chunks {
            Some(chunks) => self.filled + chunks.take_in(&mut self.input[self.filled..end]),
            None => end,
        };
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed = self.filled.min(self.consumed + amount);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.make_room();
        // Without room, ureq would take the body for ended.
        if self.input.len() - self.filled < SCRATCH {
            self.input.resize(self.filled + SCRATCH, 0);
        }
        (&mut self.input[self.filled..], &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        // Of a head, ureq sees only what has been looked at before.
        self.part != Part::Head && self.progress && self.consumed < self.filled
    }
}
