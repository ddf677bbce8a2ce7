//! Outcomes that wait for an earlier one.

use std::collections::VecDeque;

use crate::Outcome;

/// Puts outcomes in the order of the input.
pub(super) struct Order<K, T> {
    /// How many may wait before no more input is pulled.
    most: usize,
    /// The place in the input of the outcome whose turn it is.
    next: usize,
    /// From there on; what is missing is not done.
    waiting: VecDeque<Option<Outcome<K, T>>>,
    count: usize,
}

impl<K, T> Order<K, T> {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            next: 0,
            waiting: VecDeque::new(),
            count: 0,
        }
    }

    /// Whether as many wait as may.
    pub(super) fn is_full(&self) -> bool {
        self.count >= self.most
    }

    /// Keeps an outcome until its turn.
    pub(super) fn put(&mut self, outcome: Outcome<K, T>) {
        // Each has a place of its own, and none before the one whose turn it is.
        let place = outcome.index - self.next;
        if self.waiting.len() <= place {
            self.waiting.resize_with(place + 1, || None);
        }
        self.waiting[place] = Some(outcome);
        self.count += 1;
    }

    /// The outcome whose turn it is, if it is there.
    pub(super) fn take(&mut self) -> Option<Outcome<K, T>> {
        let outcome = self.waiting.front_mut()?.take()?;
        self.waiting.pop_front();
        self.next += 1;
        self.count -= 1;
        Some(outcome)
    }
}
