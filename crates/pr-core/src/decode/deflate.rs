//! The coding `deflate`: by RFC 9110, section 8.4.1.2, it is wrapped as RFC 1950 says, and some servers
//! send it without the wrapping.

use flate2::Decompress;

use super::{
    inflate::inflate,
    stack::{Corrupt, Decoder},
};

/// Takes both kinds.
pub(super) struct Deflate(State);

enum State {
    /// Not decided; the first byte, if there has been one.
    Undecided(Option<u8>),
    Inflating(Box<Decompress>),
    Ended,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self(State::Undecided(None))
    }
}

impl Decoder for Deflate {
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt> {
        if let State::Undecided(held) = self.0 {
            match (held, input) {
                (_, []) => return Ok(0),
                (None, [first]) => {
                    self.0 = State::Undecided(Some(*first));
                    return Ok(1);
                }
                (None, [first, second, ..]) => {
                    self.0 = State::Inflating(Box::new(Decompress::new(wrapped(*first, *second))));
                }
                (Some(first), [second, ..]) => {
                    let mut state = Decompress::new(wrapped(first, *second));
                    // Neither kind says anything in its first byte, so there is no output yet.
                    let (1, false) = inflate(&mut state, &[first], output)? else {
                        return Err(Corrupt::default());
                    };
                    self.0 = State::Inflating(Box::new(state));
                }
            }
        }
        let State::Inflating(state) = &mut self.0 else {
            return Ok(0);
        };
        let (taken, ended) = inflate(state, input, output)?;
        if ended {
            self.0 = State::Ended;
        }
        Ok(taken)
    }

    fn is_complete(&self) -> bool {
        matches!(self.0, State::Ended)
    }

    fn has_ended(&self) -> bool {
        self.is_complete()
    }
}

/// Whether data that begins so has a header of RFC 1950, section 2.2: the method is deflate, the
/// window at most 32 KiB, the check bits are right, and there is no preset dictionary. Data without
/// one would have to begin with a stored block whose padding is not zero to look like this.
fn wrapped(first: u8, second: u8) -> bool {
    first & 0x0f == 8
        && first >> 4 <= 7
        && u16::from_be_bytes([first, second]).is_multiple_of(31)
        && second & 0x20 == 0
}
