//! Which proxy of a pool comes next.

/// Which proxy comes next, of those that are not having a rest.
///
/// ```
/// use parallel_requests::{ProxyPool, RotationStrategy};
///
/// let pool = ProxyPool::parse(["192.0.2.1:3128", "192.0.2.2:3128"])?
///     .strategy(RotationStrategy::Random);
/// # Ok::<(), parallel_requests::ProxyListError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotationStrategy {
    /// One after the other, in the order of the list; a retry takes another than the attempt before.
    #[default]
    RoundRobin,
    /// Any, each as likely as the others; a retry takes another than the attempt before.
    Random,
    /// The same for each origin (scheme, host and port) for as long as it works; others share the load
    /// of one that does not, and only its origins move (rendezvous hashing). Choosing takes time in
    /// proportion to the number of proxies.
    StickyByHost,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    next: usize,
}

impl Turn {
    /// The place of the proxy to use among `ids`, for an origin of this number: one that `may`
    /// be used, and not `last`'s if there is another.
    pub(super) fn choose(
        &mut self,
        strategy: RotationStrategy,
        ids: &[u64],
        origin: u64,
        last: Option<u64>,
        may: impl Fn(u64) -> bool,
    ) -> Option<usize> {
        if strategy == RotationStrategy::StickyByHost {
            let usable = ids.iter().enumerate().filter(|(_, id)| may(**id));
            let best = usable.max_by_key(|(_, id)| mix(**id ^ mix(origin)));
            return best.map(|(place, _)| place);
        }
        let count = ids.len();
        let other = |place: &usize| Some(ids[*place]) != last && may(ids[*place]);
        if strategy == RotationStrategy::Random {
            let place = any(count)?;
            if other(&place) {
                return Some(place);
            }
            let mut usable: Vec<_> = (0..count).filter(other).collect();
            if usable.is_empty() {
                usable = (0..count).filter(|place| may(ids[*place])).collect();
            }
            return any(usable.len()).map(|at| usable[at]);
        }
        let from_here = || (0..count).map(|ahead| (self.next + ahead) % count);
        let place = from_here()
            .find(other)
            .or_else(|| from_here().find(|place| may(ids[*place])))?;
        // Not wrapped around, for the list may have grown until then.
        self.next = place + 1;
        Some(place)
    }
}

/// Any place below `count`, if there is one.
fn any(count: usize) -> Option<usize> {
    (count > 0).then(|| fastrand::usize(..count))
}

/// The finalizer of `SplitMix64` (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014): each bit of what it is given changes each bit of what it gives.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const IDS: [u64; 5] = [11, 22, 33, 44, 55];

    #[test]
    fn one_after_the_other_without_those_that_rest() {
        let mut turn = Turn::default();
        let mut next = |rests: &[u64], last| {
            let may = |id| !rests.contains(&id);
            let place = turn.choose(RotationStrategy::RoundRobin, &IDS, 0, last, may);
            place.map(|place| IDS[place])
        };
        let all: Vec<_> = (0..7).filter_map(|_| next(&[], None)).collect();
        assert_eq!(all, [11, 22, 33, 44, 55, 11, 22]);
        assert_eq!(next(&[33, 44], None), Some(55));
        assert_eq!(next(&[], Some(11)), Some(22));
        assert_eq!(next(&[11, 22, 44, 55], Some(33)), Some(33));
        assert_eq!(next(&IDS, None), None);
    }

    #[test]
    fn random_ones_are_as_likely_as_each_other() {
        let mut turn = Turn::default();
        let mut counts: HashMap<u64, u32> = HashMap::new();
        for _ in 0..8_000 {
            let strategy = RotationStrategy::Random;
            let place = turn.choose(strategy, &IDS, 0, Some(22), |id| id != 11);
            *counts.entry(IDS[place.unwrap()]).or_default() += 1;
        }
        assert_eq!(counts.len(), 3);
        for count in counts.values() {
            assert!((2_300..3_100).contains(count), "{counts:?}");
        }
    }

    #[test]
    fn the_loss_of_a_proxy_moves_only_its_origins() {
        let mut turn = Turn::default();
        let mut sticky = |origin, lost: Option<u64>| {
            let strategy = RotationStrategy::StickyByHost;
            let place = turn.choose(strategy, &IDS, origin, Some(11), |id| Some(id) != lost);
            IDS[place.unwrap()]
        };
        let mut shares: HashMap<u64, u32> = HashMap::new();
        for origin in 0..5_000 {
            let home = sticky(origin, None);
            assert_eq!(sticky(origin, None), home);
            let refuge = sticky(origin, Some(33));
            assert_ne!(refuge, 33);
            assert!(home == 33 || refuge == home);
            *shares.entry(home).or_default() += 1;
        }
        for share in shares.values() {
            assert!((800..1_200).contains(share), "{shares:?}");
        }
    }
}
