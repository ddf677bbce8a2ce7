//! Pieces of a body put together, without a copy where there is only one.

use bytes::Bytes;

/// Collects the pieces of a body.
pub(crate) struct Gather {
    first: Bytes,
    rest: Vec<u8>,
    expected: usize,
}

impl Gather {
    /// How much room a peer's mere announcement of a length may reserve.
    const LARGEST_RESERVATION: u64 = 1 << 20;

    pub(crate) fn expecting(length: Option<u64>) -> Self {
        let expected = length.unwrap_or(0).min(Self::LARGEST_RESERVATION);
        Self {
            first: Bytes::new(),
            rest: Vec::new(),
            expected: usize::try_from(expected).unwrap_or(0),
        }
    }

    pub(crate) fn push(&mut self, piece: Bytes) {
        if self.first.is_empty() {
            self.first = piece;
            return;
        }
        if self.rest.is_empty() {
            self.rest
                .reserve(self.expected.max(self.first.len() + piece.len()));
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&piece);
    }

    pub(crate) fn finish(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_come_out_as_they_went_in(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            announced in proptest::option::of(any::<u64>()),
        ) {
            let mut gather = Gather::expecting(announced);
            for piece in &pieces {
                gather.push(piece.clone().into());
            }
            prop_assert_eq!(gather.finish(), pieces.concat());
        }
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 32]);
        let mut gather = Gather::expecting(Some(32));
        gather.push(piece.clone());
        assert_eq!(gather.finish().as_ptr(), piece.as_ptr());
    }
}
