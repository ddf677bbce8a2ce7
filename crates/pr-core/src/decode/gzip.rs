//! The coding `gzip` (RFC 1952): members, one after the other, each with a header and a checksum.

use flate2::{Crc, Decompress};

use super::{
    inflate::inflate,
    stack::{Corrupt, Decoder},
};

/// Takes every member. What does not begin like another one is no part of the data: padding for
/// instance.
pub(super) struct Gzip {
    state: State,
    inflate: Decompress,
    checksum: Crc,
}

enum State {
    Header(Header),
    Inflating,
    /// The checksum and the length, as far as they have come.
    Trailer([u8; 8], usize),
    /// After a member; whether the first byte of another one's magic number has come.
    Between(bool),
    Ended,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header(Header::default()),
            inflate: Decompress::new(false),
            checksum: Crc::new(),
        }
    }
}

impl Decoder for Gzip {
    fn step(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Corrupt> {
        if let State::Inflating = self.state {
            let before = output.len();
            let (taken, ended) = inflate(&mut self.inflate, input, output)?;
            self.checksum.update(&output[before..]);
            if ended {
                self.state = State::Trailer([0; 8], 0);
            }
            return Ok(taken);
        }
        // What is around the data is a few bytes, and is read as such.
        for (taken, &byte) in input.iter().enumerate() {
            match &mut self.state {
                State::Header(header) => {
                    if header.take(byte)? {
                        self.state = State::Inflating;
                    }
                }
                State::Inflating | State::Ended => return Ok(taken),
                State::Trailer(trailer, filled) => {
                    trailer[*filled] = byte;
                    *filled += 1;
                    if *filled == trailer.len() {
                        let sum = self.checksum.sum().to_le_bytes();
                        let length = self.checksum.amount().to_le_bytes();
                        if trailer[..4] != sum || trailer[4..] != length {
                            return Err(Corrupt {
                                cause: Some("the checksum is wrong".into()),
                            });
                        }
                        self.state = State::Between(false);
                        return Ok(taken + 1);
                    }
                }
                State::Between(begun) => match (*begun, byte) {
                    (false, Header::MAGIC_1) => *begun = true,
                    (true, Header::MAGIC_2) => {
                        self.inflate.reset(false);
                        self.checksum.reset();
                        self.state = State::Header(Header::after_magic());
                    }
                    _ => self.state = State::Ended,
                },
            }
        }
        Ok(input.len())
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, State::Between(false) | State::Ended)
    }

    fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }
}

/// A member's header (RFC 1952, section 2.3), of which nothing matters but where it ends.
#[derive(Default)]
struct Header {
    part: Part,
    flags: u8,
    checksum: Crc,
}

#[derive(Clone, Copy)]
enum Part {
    /// The ten bytes that every header has; how many have come.
    Fixed(u8),
    ExtraLength,
    ExtraLengthEnd(u8),
    Extra(u16),
    Name,
    Comment,
    Checksum,
    ChecksumEnd(u8),
}

impl Default for Part {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Header {
    const MAGIC_1: u8 = 0x1f;
    const MAGIC_2: u8 = 0x8b;
    const DEFLATE: u8 = 8;

    const HAS_CHECKSUM: u8 = 1 << 1;
    const HAS_EXTRA: u8 = 1 << 2;
    const HAS_NAME: u8 = 1 << 3;
    const HAS_COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;

    /// One whose magic number has been read.
    fn after_magic() -> Self {
        let mut header = Self {
            part: Part::Fixed(2),
            ..Self::default()
        };
        header.checksum.update(&[Self::MAGIC_1, Self::MAGIC_2]);
        header
    }

    /// Takes a byte, and tells whether it was the last one.
    fn take(&mut self, byte: u8) -> Result<bool, Corrupt> {
        let wrong = |cause: &str| {
            Err(Corrupt {
                cause: Some(cause.into()),
            })
        };
        let sum = self.checksum.sum().to_le_bytes();
        self.checksum.update(&[byte]);
        let next = match self.part {
            Part::Fixed(0) if byte != Self::MAGIC_1 => return wrong("the magic number is wrong"),
            Part::Fixed(1) if byte != Self::MAGIC_2 => return wrong("the magic number is wrong"),
            Part::Fixed(2) if byte != Self::DEFLATE => return wrong("the method is not deflate"),
            Part::Fixed(3) if byte & Self::RESERVED != 0 => return wrong("a reserved flag is set"),
            Part::Fixed(at) => {
                if at == 3 {
                    self.flags = byte;
                }
                if at < 9 {
                    Some(Part::Fixed(at + 1))
                } else {
                    self.after(0)
                }
            }
            Part::ExtraLength => Some(Part::ExtraLengthEnd(byte)),
            Part::ExtraLengthEnd(low) => match u16::from_le_bytes([low, byte]) {
                0 => self.after(Self::HAS_EXTRA),
                length => Some(Part::Extra(length)),
            },
            Part::Extra(1) => self.after(Self::HAS_EXTRA),
            Part::Extra(left) => Some(Part::Extra(left - 1)),
            Part::Name if byte == 0 => self.after(Self::HAS_NAME),
            Part::Comment if byte == 0 => self.after(Self::HAS_COMMENT),
            part @ (Part::Name | Part::Comment) => Some(part),
            Part::Checksum if byte == sum[0] => Some(Part::ChecksumEnd(sum[1])),
            Part::ChecksumEnd(expected) if byte == expected => None,
            Part::Checksum | Part::ChecksumEnd(_) => {
                return wrong("the header's checksum is wrong");
            }
        };
        match next {
            Some(part) => self.part = part,
            None => return Ok(true),
        }
        Ok(false)
    }

    /// The part after the one with this flag, 0 for the fixed one.
    fn after(&self, flag: u8) -> Option<Part> {
        let parts = [
            (Self::HAS_EXTRA, Part::ExtraLength),
            (Self::HAS_NAME, Part::Name),
            (Self::HAS_COMMENT, Part::Comment),
            // Has the lowest of these bits, but comes last.
            (Self::HAS_CHECKSUM, Part::Checksum),
        ];
        let start = parts
            .iter()
            .position(|(of, _)| *of == flag)
            .map_or(0, |at| at + 1);
        parts[start..]
            .iter()
            .find(|(of, _)| self.flags & of != 0)
            .map(|(_, part)| *part)
    }
}
