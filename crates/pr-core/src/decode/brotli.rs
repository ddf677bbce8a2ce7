//! The coding `br` (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::stack::{Corrupt, Decoder};

/// Windows are at most 16 MiB: the larger ones that some encoders know are no part of the RFC.
pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    ended: bool,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            ended: false,
        }
    }
}

impl Decoder for Brotli {
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt> {
        let start = output.len();
        output.resize(output.capacity(), 0);
        let (mut taken, mut written, mut total) = (0, 0, 0);
        let result = BrotliDecompressStream(
            &mut input.len(),
            &mut taken,
            input,
            &mut (output.len() - start),
            &mut written,
            &mut output[start..],
            &mut total,
            &mut self.state,
        );
        output.truncate(start + written);
        match result {
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess => self.ended = true,
            // Its error codes say nothing to a person.
            BrotliResult::ResultFailure => return Err(Corrupt::default()),
        }
        Ok(taken)
    }

    fn is_complete(&self) -> bool {
        self.ended
    }

    fn has_ended(&self) -> bool {
        self.ended
    }
}
