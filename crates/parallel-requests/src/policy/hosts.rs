//! What a policy remembers of each host, without growing with the number of hosts.

use std::collections::HashMap;

use super::origin::Origin;

/// A value for each of the hosts that were asked for last.
///
/// When there are too many, an eighth of them is forgotten at once: those that have not been asked for
/// the longest, but for those that are worth more. So forgetting costs each new host a few comparisons
/// and needs no list.
#[derive(Debug)]
pub(crate) struct Hosts<T> {
    entries: HashMap<Origin, Entry<T>>,
    most: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry<T> {
    used: u64,
    value: T,
}

impl<T> Hosts<T> {
    /// For no more hosts than this, which is at least 1.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            entries: HashMap::new(),
            most: most.max(1),
            clock: 0,
        }
    }

    /// The value of the host with this [key](Origin::key), if it is known.
    pub(crate) fn get(&mut self, key: &str) -> Option<&mut T> {
        self.clock += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.clock;
        Some(&mut entry.value)
    }

    /// The value of this host, made if there is none. `worth` says what it means to forget a value:
    /// those that are worth 0 go first.
    pub(crate) fn get_or_insert(
        &mut self,
        origin: &Origin,
        make: impl FnOnce() -> T,
        worth: impl Fn(&T) -> u8,
    ) -> &mut T {
        if self.entries.len() >= self.most && !self.entries.contains_key(origin) {
            self.forget(worth);
        }
        self.clock += 1;
        let used = self.clock;
        let entry = self.entries.entry(origin.clone());
        let entry = entry.or_insert_with(|| Entry {
            used,
            value: make(),
        });
        entry.used = used;
        &mut entry.value
    }

    /// All that are known, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Origin, &T)> {
        self.entries
            .iter()
            .map(|(origin, entry)| (origin, &entry.value))
    }

    fn forget(&mut self, worth: impl Fn(&T) -> u8) {
        let rank = |entry: &Entry<T>| (worth(&entry.value), entry.used);
        let mut ranks: Vec<_> = self.entries.values().map(rank).collect();
        let last = (self.most / 8).min(ranks.len().saturating_sub(1));
        let (_, &mut bar, _) = ranks.select_nth_unstable(last);
        self.entries.retain(|_, entry| rank(entry) > bar);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: usize) -> Origin {
        Origin::from_key(&format!("https://{number}.example"))
    }

    #[test]
    fn what_was_asked_for_last_or_is_worth_more_is_kept() {
        let mut hosts = Hosts::new(80);
        for number in 0..1_000 {
            // Number 0 is worth more, number 1 is asked for again and again.
            hosts.get_or_insert(&origin(number), || number, |value| u8::from(*value == 0));
            assert!(hosts.iter().count() <= 80);
            if number > 0 {
                assert_eq!(hosts.get(origin(1).as_str()), Some(&mut 1));
            }
        }
        assert!(hosts.get(origin(0).as_str()).is_some());
        assert!(hosts.get(origin(2).as_str()).is_none());
        assert!((990..1_000).all(|number| hosts.get(origin(number).as_str()).is_some()));
    }

    #[test]
    fn one_host_is_enough() {
        let mut hosts = Hosts::new(0);
        for number in 0..10 {
            hosts.get_or_insert(&origin(number), || number, |_| 1);
            assert_eq!(hosts.iter().count(), 1);
        }
    }
}
