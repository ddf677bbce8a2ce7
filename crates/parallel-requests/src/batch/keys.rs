//! Where in a batch a key is.

use std::hash::{BuildHasher, Hash, RandomState};

/// The places of keys, found by their hashes: 16 bytes for each.
pub(super) struct Keys {
    state: RandomState,
    /// By hash, and those of one hash by place.
    places: Box<[(u64, usize)]>,
}

impl Keys {
    pub(super) fn of<'k, K: Hash + 'k>(keys: impl Iterator<Item = &'k K>) -> Self {
        let state = RandomState::new();
        let mut places: Box<[_]> = keys
            .enumerate()
            .map(|(place, key)| (state.hash_one(key), place))
            .collect();
        places.sort_unstable();
        Self { state, places }
    }

    /// The places where the key may be, in order.
    pub(super) fn candidates<Q: Hash + ?Sized>(&self, key: &Q) -> impl Iterator<Item = usize> {
        let hash = self.state.hash_one(key);
        let first = self.places.partition_point(|&(other, _)| other < hash);
        self.places[first..]
            .iter()
            .take_while(move |&&(other, _)| other == hash)
            .map(|&(_, place)| place)
    }
}
