//! Addresses of names that were looked up a short while ago.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::Instant;

/// A bounded number of names, each for a while. What could not be found is not remembered.
pub(super) struct Cache {
    entries: HashMap<Box<str>, Entry>,
    ttl: Duration,
    capacity: usize,
}

struct Entry {
    addresses: Arc<[IpAddr]>,
    /// `None` for a time that is too far away to be represented.
    expires: Option<Instant>,
}

impl Entry {
    fn has_expired(&self) -> bool {
        self.expires
            .is_some_and(|expires| expires <= Instant::now())
    }
}

impl Cache {
    pub(super) fn new(ttl: Duration, capacity: usize) -> Self {
        Self {
            entries: HashMap::new(),
            ttl,
            capacity,
        }
    }

    pub(super) fn get(&mut self, host: &str) -> Option<Arc<[IpAddr]>> {
        let entry = self.entries.get(host)?;
        if entry.has_expired() {
            self.entries.remove(host);
            return None;
        }
        Some(Arc::clone(&entry.addresses))
    }

    pub(super) fn put(&mut self, host: &str, addresses: &Arc<[IpAddr]>) {
        if self.ttl.is_zero() || self.capacity == 0 {
            return;
        }
        if self.entries.len() >= self.capacity && !self.entries.contains_key(host) {
            self.make_room();
        }
        let entry = Entry {
            addresses: Arc::clone(addresses),
            expires: Instant::now().checked_add(self.ttl),
        };
        self.entries.insert(host.into(), entry);
    }

    /// Forgets a name if these are still its addresses.
    pub(super) fn remove(&mut self, host: &str, addresses: &Arc<[IpAddr]>) {
        let entry = self.entries.get(host);
        if entry.is_some_and(|entry| Arc::ptr_eq(&entry.addresses, addresses)) {
            self.entries.remove(host);
        }
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Drops the name that expires first. All are looked at, which is cheap beside the look-up
    /// that has just been made.
    fn make_room(&mut self) {
        let first = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.expires)
            .map(|(host, _)| host.clone());
        if let Some(host) = first {
            self.entries.remove(&host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn names_are_kept_for_a_while_and_the_oldest_makes_room() {
        let addresses: Arc<[IpAddr]> = [IpAddr::from([127, 0, 0, 1])].into();
        let second = Duration::from_secs(1);
        let mut cache = Cache::new(10 * second, 2);
        cache.put("a", &addresses);
        tokio::time::advance(second).await;
        cache.put("b", &addresses);
        // What is there already takes no other name's place.
        cache.put("b", &addresses);
        assert!(cache.get("a").is_some() && cache.get("b").is_some());
        cache.put("c", &addresses);
        assert!(cache.get("a").is_none() && cache.get("b").is_some());
        tokio::time::advance(9 * second).await;
        assert!(cache.get("c").is_some());
        tokio::time::advance(second).await;
        assert!(cache.get("b").is_none() && cache.get("c").is_none());

        for mut none in [Cache::new(Duration::ZERO, 2), Cache::new(second, 0)] {
            none.put("a", &addresses);
            assert!(none.get("a").is_none());
        }
        let mut endless = Cache::new(Duration::MAX, 1);
        endless.put("a", &addresses);
        assert!(endless.get("a").is_some());
    }
}
