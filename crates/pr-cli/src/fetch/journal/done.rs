//! Which requests have an outcome already, for tens of millions of them at a few megabytes.

use std::collections::BTreeMap;

/// The requests that the journal has an outcome of.
#[derive(Debug, Default)]
pub(in crate::fetch) struct Done {
    succeeded: Indices,
    failed: Indices,
    /// Whether those that failed are sent again.
    pub(super) retry_failed: bool,
}

impl Done {
    /// Notes an outcome, in place of an earlier one of the same request.
    pub(super) fn note(&mut self, index: u64, failed: bool) {
        let (into, out_of) = if failed {
            (&mut self.failed, &mut self.succeeded)
        } else {
            (&mut self.succeeded, &mut self.failed)
        };
        into.insert(index);
        out_of.remove(index);
    }

    /// Whether this request is not to be sent.
    pub(in crate::fetch) fn contains(&self, index: u64) -> bool {
        self.succeeded.contains(index) || (!self.retry_failed && self.failed.contains(index))
    }

    /// How many are not to be sent.
    pub(in crate::fetch) fn count(&self) -> u64 {
        self.succeeded.count + self.failures()
    }

    /// How many of those have failed.
    pub(in crate::fetch) fn failures(&self) -> u64 {
        if self.retry_failed {
            0
        } else {
            self.failed.count
        }
    }
}

/// A set of numbers as bits, in blocks. Numbers come nearly one after another, so that blocks are
/// full.
#[derive(Debug, Default)]
struct Indices {
    blocks: BTreeMap<u64, Box<Block>>,
    count: u64,
}

type Block = [u64; WORDS];

const WORDS: usize = 64;

/// How many numbers are in a word, and in a block, as powers of two.
const WORD: u32 = u64::BITS.ilog2();
const BLOCK: u32 = WORD + WORDS.ilog2();

impl Indices {
    fn insert(&mut self, index: u64) {
        let block = self
            .blocks
            .entry(index >> BLOCK)
            .or_insert_with(|| Box::new([0; WORDS]));
        let (word, bit) = place(index);
        self.count += u64::from(block[word] & bit == 0);
        block[word] |= bit;
    }

    fn remove(&mut self, index: u64) {
        let Some(block) = self.blocks.get_mut(&(index >> BLOCK)) else {
            return;
        };
        let (word, bit) = place(index);
        self.count -= u64::from(block[word] & bit != 0);
        block[word] &= !bit;
    }

    fn contains(&self, index: u64) -> bool {
        let (word, bit) = place(index);
        let block = self.blocks.get(&(index >> BLOCK));
        block.is_some_and(|block| block[word] & bit != 0)
    }
}

/// The word within its block, and the bit within the word.
fn place(index: u64) -> (usize, u64) {
    let word = (index >> WORD) % WORDS as u64;
    let bit = 1 << (index % u64::from(u64::BITS));
    (word as usize, bit)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set() {
        let edges = [0, 1, 63, 64, 4095, 4096, 4097, u64::MAX - 1, u64::MAX];
        let mut indices = Indices::default();
        let mut model = BTreeSet::new();
        let mut step = 1_u64;
        for _ in 0..2000 {
            step = step
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let index = match step >> 62 {
                0 => edges[(step >> 32) as usize % edges.len()],
                _ => (step >> 32) % 10_000,
            };
            if step & (1 << 40) == 0 {
                indices.remove(index);
                model.remove(&index);
            } else {
                indices.insert(index);
                model.insert(index);
            }
            assert_eq!(indices.count, model.len() as u64);
        }
        for index in (0..10_000).chain(edges) {
            assert_eq!(indices.contains(index), model.contains(&index), "{index}");
        }
    }

    #[test]
    fn the_last_outcome_of_a_request_counts() {
        let mut done = Done::default();
        for (index, failed) in [
            (0, false),
            (1, true),
            (2, true),
            (2, false),
            (3, false),
            (3, true),
        ] {
            done.note(index, failed);
        }
        assert_eq!((done.count(), done.failures()), (4, 2));
        assert!((0..4).all(|index| done.contains(index)));
        done.retry_failed = true;
        assert_eq!((done.count(), done.failures()), (2, 0));
        let contained: Vec<_> = (0..5).filter(|&index| done.contains(index)).collect();
        assert_eq!(contained, [0, 2]);
    }

    #[test]
    fn ten_million_take_a_few_megabytes() {
        let mut indices = Indices::default();
        (0..10_000_000).for_each(|index| indices.insert(index));
        assert!(indices.blocks.len() * size_of::<Block>() < 2 << 20);
    }
}
