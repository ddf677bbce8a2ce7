//! Pieces of a body put together, without a copy where there is only one.

use bytes::Bytes;

use crate::{BackendError, response::SizeLimit};

/// Collects the pieces of a body up to a limit.
pub(crate) struct Gather {
    first: Bytes,
    rest: Vec<u8>,
    /// What the peer announced: how much room will do, not how much to make.
    announced: Option<usize>,
    limit: SizeLimit,
}

impl Gather {
    /// Fails if the announced length is over the limit already.
    pub(crate) fn new(announced: Option<u64>, limit: SizeLimit) -> Result<Self, BackendError> {
        limit.check(announced.unwrap_or(0))?;
        Ok(Self {
            first: Bytes::new(),
            rest: Vec::new(),
            announced: announced.and_then(|length| usize::try_from(length).ok()),
            limit,
        })
    }

    pub(crate) fn push(&mut self, piece: Bytes) -> Result<(), BackendError> {
        let held = self.first.len().max(self.rest.len());
        let total = held.saturating_add(piece.len());
        self.limit.check(total as u64)?;
        if self.first.is_empty() {
            self.first = piece;
            return Ok(());
        }
        self.make_room(total);
        if self.rest.is_empty() {
            self.rest.extend_from_slice(&self.first);
        }
        self.rest.extend_from_slice(&piece);
        Ok(())
    }

    /// What has come vouches for as much again; what was merely announced does not.
    fn make_room(&mut self, total: usize) {
        if total <= self.rest.capacity() {
            return;
        }
        let doubled = total.saturating_mul(2);
        let room = match self.announced {
            Some(announced) if announced >= total => doubled.min(announced),
            _ => doubled,
        };
        // What is over the limit is never kept.
        let room = self.limit.clamp(room).max(total);
        self.rest.reserve_exact(room - self.rest.len());
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
    use crate::ErrorKind;

    proptest! {
        #[test]
        fn pieces_come_out_as_they_went_in(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..9),
            announced in proptest::option::of(any::<u64>()),
        ) {
            let mut gather = Gather::new(announced, SizeLimit::NONE).unwrap();
            for piece in &pieces {
                gather.push(piece.clone().into()).unwrap();
            }
            prop_assert_eq!(gather.finish(), pieces.concat());
        }

        #[test]
        fn the_limit_is_exact(
            lengths in proptest::collection::vec(0_usize..9, 0..9),
            limit in 0_u64..40,
        ) {
            let mut gather = Gather::new(None, SizeLimit::of(limit)).unwrap();
            let mut total = 0;
            for length in lengths {
                total += length as u64;
                let pushed = gather.push(vec![0; length].into());
                prop_assert_eq!(pushed.is_ok(), total <= limit);
                if total > limit {
                    break;
                }
            }
        }

        #[test]
        fn no_more_room_than_twice_what_has_come(
            pieces in proptest::collection::vec(1_usize..5_000, 2..30),
            announced in proptest::option::of(any::<u64>()),
        ) {
            let mut gather = Gather::new(announced, SizeLimit::NONE).unwrap();
            let mut total = 0;
            for length in pieces {
                total += length;
                gather.push(vec![0; length].into()).unwrap();
                prop_assert!(gather.rest.capacity() <= 2 * total);
            }
        }
    }

    #[test]
    fn a_single_piece_is_not_copied() {
        let piece = Bytes::from(vec![7; 32]);
        let mut gather = Gather::new(Some(32), SizeLimit::NONE).unwrap();
        gather.push(piece.clone()).unwrap();
        assert_eq!(gather.finish().as_ptr(), piece.as_ptr());
    }

    #[test]
    fn a_true_announcement_is_the_room_that_is_made() {
        let mut gather = Gather::new(Some(100), SizeLimit::NONE).unwrap();
        for _ in 0..10 {
            gather.push(vec![0; 10].into()).unwrap();
        }
        assert_eq!(gather.rest.capacity(), 100);
    }

    #[test]
    fn an_announcement_over_the_limit_fails_at_once() {
        let error = Gather::new(Some(11), SizeLimit::of(10)).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert!(error.message().contains("max_body_size"), "{error}");
        assert!(error.message().contains("10 bytes"), "{error}");
    }
}
