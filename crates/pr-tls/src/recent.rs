//! A small store that forgets what has not been used for the longest time.

/// The values that were used last, at most so many.
pub(crate) struct Recent<K, V> {
    /// The one that was used last stands last.
    entries: Vec<(K, V)>,
    capacity: usize,
}

impl<K, V> Recent<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            entries: Vec::new(),
            capacity,
        }
    }

    /// The value whose key is the one.
    pub(crate) fn get(&mut self, is_it: impl Fn(&K) -> bool) -> Option<&V> {
        // Mostly it is the last one, and there are few.
        let index = self.entries.iter().rposition(|(key, _)| is_it(key))?;
        self.entries[index..].rotate_left(1);
        self.entries.last().map(|(_, value)| value)
    }

    /// Adds a value whose key is not there.
    pub(crate) fn put(&mut self, key: K, value: V) {
        if self.entries.len() >= self.capacity {
            self.entries.remove(0);
        }
        self.entries.push((key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let mut recent = Recent::new(2);
        recent.put("a", 1);
        recent.put("b", 2);
        assert_eq!(recent.get(|key| *key == "a"), Some(&1));
        recent.put("c", 3);
        assert_eq!(recent.get(|key| *key == "b"), None);
        assert_eq!(recent.get(|key| *key == "a"), Some(&1));
        assert_eq!(recent.get(|key| *key == "c"), Some(&3));
    }
}
