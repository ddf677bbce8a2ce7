//! The bytes that the server sends and the checksum that it returns, so that a client can verify
//! what arrived without keeping it.

use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;

/// The content repeats after this many bytes. It is prime, so that a chunk lost, doubled or moved
/// by any usual buffer size (a power of two, say) shifts the pattern and is noticed.
const PERIOD: usize = 65_521;

/// Two periods, so that every chunk of up to one period is one contiguous slice.
static TABLE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut table = Vec::with_capacity(2 * PERIOD);
    for _ in 0..PERIOD {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        table.push(state.to_be_bytes()[0]);
    }
    table.extend_from_within(..);
    table.into()
});

/// The first `length` bytes of the content that `/bytes/{n}` and `/stream-bytes/{n}` send.
///
/// ```
/// let body = pr_testkit::content::bytes(1_000_000);
/// assert_eq!(body.len(), 1_000_000);
/// assert_eq!(body[..100], pr_testkit::content::bytes(100)[..]);
/// ```
pub fn bytes(length: usize) -> Bytes {
    if length <= PERIOD {
        return slice(0, length);
    }
    let mut whole = Vec::with_capacity(length);
    while whole.len() < length {
        whole.extend_from_slice(&slice(whole.len() as u64, length - whole.len()));
    }
    whole.into()
}

/// Up to `length` bytes of the content from `offset` on, without copying; at most one period, so
/// the caller goes on from where the slice ends.
pub(crate) fn slice(offset: u64, length: usize) -> Bytes {
    let period = PERIOD as u64;
    let start = usize::try_from(offset % period).unwrap_or(0);
    TABLE.slice(start..start + length.min(PERIOD))
}

/// Compares a body with the content as it arrives, chunk by chunk, at constant memory.
///
/// ```
/// use pr_testkit::content::{self, Check};
///
/// let body = content::bytes(100_000);
/// let mut check = Check::new();
/// for chunk in body.chunks(7_919) {
///     check.feed(chunk).expect("the chunk is the next part of the content");
/// }
/// assert_eq!(check.length(), 100_000);
/// assert!(check.feed(b"something else").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Check {
    offset: u64,
}

impl Check {
    /// Starts at the content's first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many bytes have arrived and were right.
    pub fn length(&self) -> u64 {
        self.offset
    }

    /// Takes the next chunk. After an error the check stays where the chunk began.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<(), Mismatch> {
        let mut offset = self.offset;
        for part in chunk.chunks(PERIOD) {
            let expected = slice(offset, part.len());
            if expected != part {
                let at = expected
                    .iter()
                    .zip(part)
                    .take_while(|(a, b)| a == b)
                    .count();
                return Err(Mismatch {
                    offset: offset + at as u64,
                    expected: expected[at],
                    found: part[at],
                });
            }
            offset += part.len() as u64;
        }
        self.offset = offset;
        Ok(())
    }
}

/// Where a body first differs from the content.
///
/// ```
/// let mismatch = pr_testkit::content::Check::new().feed(&[0; 64]).unwrap_err();
/// assert!(mismatch.to_string().contains("differs at byte"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// Bytes from the start of the body.
    pub offset: u64,
    /// What the server sent there.
    pub expected: u8,
    /// What arrived.
    pub found: u8,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the body differs at byte {}: expected {:#04x}, found {:#04x}",
            self.offset, self.expected, self.found
        )
    }
}

impl std::error::Error for Mismatch {}

/// The 64-bit FNV-1a hash of `bytes`: what `/upload` returns in hexadecimal as `fnv1a64`.
///
/// ```
/// assert_eq!(pr_testkit::content::fnv1a64(b""), 0xcbf2_9ce4_8422_2325);
/// assert_eq!(pr_testkit::content::fnv1a64(b"a"), 0xaf63_dc4c_8601_ec8c);
/// ```
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    let mut hash = Fnv1a64::default();
    hash.update(bytes);
    hash.finish()
}

/// [`fnv1a64`] over bytes that arrive in pieces.
///
/// ```
/// use pr_testkit::content::{Fnv1a64, fnv1a64};
///
/// let mut hash = Fnv1a64::default();
/// hash.update(b"in two ");
/// hash.update(b"pieces");
/// assert_eq!(hash.finish(), fnv1a64(b"in two pieces"));
/// ```
#[derive(Clone, Debug)]
pub struct Fnv1a64(u64);

impl Default for Fnv1a64 {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv1a64 {
    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// The hash of everything so far.
    pub fn finish(&self) -> u64 {
        self.0
    }
}
