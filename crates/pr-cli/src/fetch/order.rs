//! Puts records into the order of the input.

use std::collections::BTreeMap;

/// Holds what came early until everything before it has come.
///
/// Its size is what came early, which the [window](mod@super::window) bounds: a seat there is free again
/// only when its record has been written.
pub(super) struct Reorder<T> {
    next: u64,
    early: BTreeMap<u64, T>,
}

impl<T> Reorder<T> {
    pub(super) fn new() -> Self {
        Self {
            next: 0,
            early: BTreeMap::new(),
        }
    }

    /// Takes an item with its place in the order.
    pub(super) fn push(&mut self, index: u64, item: T) {
        self.early.insert(index, item);
    }

    /// The next item, if its turn has come.
    pub(super) fn pop(&mut self) -> Option<T> {
        let item = self.early.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }

    /// What is left when no more will come: in order, with gaps.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = T> + use<T> {
        std::mem::take(&mut self.early).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_in_order_as_soon_as_they_can() {
        let mut reorder = Reorder::new();
        let mut out = Vec::new();
        for index in [2, 0, 3, 1, 6, 5] {
            reorder.push(index, index);
            out.push(std::iter::from_fn(|| reorder.pop()).collect::<Vec<_>>());
        }
        assert_eq!(
            out,
            [vec![], vec![0], vec![], vec![1, 2, 3], vec![], vec![]]
        );
        assert_eq!(reorder.rest().collect::<Vec<_>>(), [5, 6]);
        assert_eq!(reorder.rest().count(), 0);
    }
}
