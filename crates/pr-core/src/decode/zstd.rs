//! The coding `zstd` (RFC 8878), with the window that RFC 9659 allows.

use std::io;

use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::stack::{Corrupt, Decoder};

/// Takes every frame. What does not begin like another one is no part of the data.
pub(super) struct Zstd {
    state: State,
    /// Made with the first byte, because its making can fail.
    codec: Option<Codec>,
}

#[derive(Clone, Copy)]
enum State {
    Frame,
    /// After a frame: the first bytes of what may be another one, and how many have come.
    Between([u8; 4], usize),
    Ended,
}

type Codec = zstd::stream::raw::Decoder<'static>;

impl Zstd {
    /// 8 MiB as a power of two (RFC 9659, section 3).
    const LARGEST_WINDOW: u32 = 23;

    pub(super) fn new() -> Self {
        Self {
            state: State::Frame,
            codec: None,
        }
    }

    fn run(&mut self, input: &[u8], output: &mut Vec<u8>) -> io::Result<usize> {
        let codec = match &mut self.codec {
            Some(codec) => codec,
            empty => {
                let mut codec = Codec::new()?;
                codec.set_parameter(DParameter::WindowLogMax(Self::LARGEST_WINDOW))?;
                empty.insert(codec)
            }
        };
        let mut input = InBuffer::around(input);
        let written = output.len();
        let mut output = OutBuffer::around_pos(output, written);
        // 0 says that a frame is complete and all of it given out.
        if codec.run(&mut input, &mut output)? == 0 {
            self.state = State::Between([0; 4], 0);
        }
        Ok(input.pos())
    }
}

impl Decoder for Zstd {
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt> {
        let mut taken = 0;
        while let State::Between(mut start, filled) = self.state {
            let Some(&byte) = input.get(taken) else {
                return Ok(taken);
            };
            taken += 1;
            start[filled] = byte;
            let start_so_far = &start[..=filled];
            if !begins_a_frame(start_so_far) {
                self.state = State::Ended;
            } else if start_so_far.len() < start.len() {
                self.state = State::Between(start, filled + 1);
            } else {
                self.state = State::Frame;
                // A magic number says nothing yet, so that it is taken whole and gives nothing.
                if self.run(&start, output).map_err(corrupt)? != start.len() {
                    return Err(Corrupt::default());
                }
            }
        }
        match self.state {
            State::Ended => Ok(taken),
            _ => Ok(taken + self.run(&input[taken..], output).map_err(corrupt)?),
        }
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Between(_, 0) | State::Ended)
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// Whether a frame, or one to be skipped, can begin so (RFC 8878, sections 3.1.1 and 3.1.2).
fn begins_a_frame(start: &[u8]) -> bool {
    let skippable = |(at, &byte): (usize, &u8)| match at {
        0 => byte & 0xf0 == 0x50,
        _ => byte == [0x50, 0x2a, 0x4d, 0x18][at],
    };
    [0x28, 0xb5, 0x2f, 0xfd].starts_with(start) || start.iter().enumerate().all(skippable)
}

fn corrupt(error: io::Error) -> Corrupt {
    Corrupt {
        cause: Some(error.into()),
    }
}
