//! Counts distinct connections without keeping each of their numbers.

use std::collections::BTreeMap;

/// A set of connection numbers, kept as ranges. Backends number their connections one after
/// another, so there are few ranges however many connections there are.
#[derive(Default)]
pub(super) struct Connections {
    /// First and last of each range; ranges neither overlap nor touch.
    ranges: BTreeMap<u64, u64>,
    count: u64,
}

impl Connections {
    /// Adds a connection; 0 stands for none.
    pub(super) fn insert(&mut self, id: u64) {
        if id == 0 {
            return;
        }
        let below = self.ranges.range(..=id).next_back();
        let below = below.map(|(&first, &last)| (first, last));
        if below.is_some_and(|(_, last)| last >= id) {
            return;
        }
        self.count += 1;
        let first = match below {
            Some((first, last)) if last + 1 == id => first,
            _ => id,
        };
        let above = id.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, above.unwrap_or(id));
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_counts_once_and_neighbours_share_a_range() {
        let mut connections = Connections::default();
        for id in [5, 0, 1, 3, 3, 2, 5, 4, 1, u64::MAX, u64::MAX - 1, 8] {
            connections.insert(id);
        }
        assert_eq!(connections.count(), 8);
        let ranges: Vec<_> = connections.ranges.into_iter().collect();
        assert_eq!(ranges, [(1, 5), (8, 8), (u64::MAX - 1, u64::MAX)]);
    }
}
