//! Queues of slab entries that any of them can leave at once: doubly linked, so that a hundred
//! thousand futures that are dropped cost a hundred thousand steps and leave nothing behind.

use slab::Slab;

/// An entry's neighbours in the list that it is in.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    previous: Option<usize>,
    next: Option<usize>,
}

/// What can be in a list, in one at a time.
pub(super) trait Linked {
    fn links(&mut self) -> &mut Links;
}

impl<T: Linked> Linked for Box<T> {
    fn links(&mut self) -> &mut Links {
        (**self).links()
    }
}

/// Entries of a slab, first in, first out.
#[derive(Debug, Default)]
pub(super) struct List {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

impl List {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn first(&self) -> Option<usize> {
        self.first
    }

    /// Adds an entry that is in no list.
    pub(super) fn push_back(&mut self, slab: &mut Slab<impl Linked>, key: usize) {
        *slab[key].links() = Links {
            previous: self.last,
            next: None,
        };
        match self.last {
            Some(last) => slab[last].links().next = Some(key),
            None => self.first = Some(key),
        }
        self.last = Some(key);
        self.len += 1;
    }

    /// Takes out an entry that is in this list, wherever it stands.
    pub(super) fn remove(&mut self, slab: &mut Slab<impl Linked>, key: usize) {
        let Links { previous, next } = std::mem::take(slab[key].links());
        match previous {
            Some(previous) => slab[previous].links().next = next,
            None => self.first = next,
        }
        match next {
            Some(next) => slab[next].links().previous = previous,
            None => self.last = previous,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    struct Entry(Links);

    impl Linked for Entry {
        fn links(&mut self) -> &mut Links {
            &mut self.0
        }
    }

    proptest! {
        /// It is a queue, whoever leaves it and when.
        #[test]
        fn a_list_is_a_queue(steps in prop::collection::vec(any::<(bool, usize)>(), 0..200)) {
            let (mut slab, mut list, mut model) = (Slab::new(), List::default(), VecDeque::new());
            for (arrives, which) in steps {
                if arrives {
                    let key = slab.insert(Entry(Links::default()));
                    list.push_back(&mut slab, key);
                    model.push_back(key);
                } else if !model.is_empty() {
                    let key = model.remove(which % model.len()).unwrap();
                    list.remove(&mut slab, key);
                    slab.remove(key);
                }
                prop_assert_eq!(list.len(), model.len());
                let mut walked = Vec::new();
                let mut next = list.first();
                while let Some(key) = next {
                    walked.push(key);
                    next = slab[key].0.next;
                }
                prop_assert_eq!(walked, Vec::from(model.clone()));
            }
        }
    }
}
