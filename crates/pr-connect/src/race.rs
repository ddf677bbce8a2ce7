//! TCP connections to the addresses of one host, tried side by side (Happy Eyeballs, RFC 8305).

use std::{io, net::SocketAddr, pin::pin, time::Duration};

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::timeout;

use crate::budget::is_shortage_itself;

/// How long an address is waited for before the next one is tried as well (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// Gives the first connection that stands, or the error of the attempt that got furthest; nothing
/// if there is no address. The next address is taken, and tried, when one has failed or has had its
/// head start. Attempts that did not win are dropped.
pub(crate) async fn connect<T, F>(
    addresses: impl Iterator<Item = SocketAddr>,
    dial: impl Fn(SocketAddr) -> F,
) -> Option<io::Result<T>>
where
    F: Future<Output = io::Result<T>>,
{
    let mut running = pin!(FuturesUnordered::new());
    let mut error_to_tell = None;
    for address in addresses {
        running.push(dial(address));
        match timeout(HEAD_START, running.next()).await {
            Ok(Some(Ok(connection))) => return Some(Ok(connection)),
            Ok(Some(Err(error))) => keep_the_telling(&mut error_to_tell, error),
            // Still on their way, all of them.
            Ok(None) | Err(_) => {}
        }
    }
    while let Some(outcome) = running.next().await {
        match outcome {
            Ok(connection) => return Some(Ok(connection)),
            Err(error) => keep_the_telling(&mut error_to_tell, error),
        }
    }
    error_to_tell.map(Err)
}

/// Of several errors, that of an attempt which got to a peer says the most: where a family does not
/// work at all, its errors are to be expected. Of equals, the last one stays.
fn keep_the_telling(kept: &mut Option<io::Error>, new: io::Error) {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    let got_nowhere = |error: &io::Error| {
        matches!(
            error.kind(),
            AddrNotAvailable | HostUnreachable | NetworkUnreachable
        )
    };
    // Without descriptors nothing has been learnt of the address, and it will be tried again.
    if kept.as_ref().is_some_and(is_shortage_itself) {
        return;
    }
    if is_shortage_itself(&new) || kept.as_ref().is_none_or(got_nowhere) || !got_nowhere(&new) {
        *kept = Some(new);
    }
}

/// The addresses in their order, but the families in turn (RFC 8305, section 4): where one family
/// does not work, the second attempt is of the other one.
pub(crate) fn alternating(addresses: Vec<SocketAddr>) -> impl Iterator<Item = SocketAddr> {
    let first_is_ipv6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_ipv6);
    let rounds = preferred.len().max(others.len());
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    (0..rounds).flat_map(move |_| [preferred.next(), others.next()].into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Mutex};

    use tokio::time::Instant;

    use super::*;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_choice() {
        for (given, order) in [
            (
                &["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"][..],
                &["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"][..],
            ),
            (
                &["127.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"],
                &["127.0.0.1:1", "[::1]:1", "[::2]:1", "[::3]:1"],
            ),
            (
                &["127.0.0.2:1", "127.0.0.1:1"],
                &["127.0.0.2:1", "127.0.0.1:1"],
            ),
            (&[], &[]),
        ] {
            let ordered: Vec<_> = alternating(addresses(given)).collect();
            assert_eq!(ordered, addresses(order));
        }
    }

    #[tokio::test]
    async fn the_error_is_that_of_the_attempt_that_got_furthest() {
        use io::ErrorKind::{AddrNotAvailable, ConnectionRefused, NetworkUnreachable, TimedOut};
        for (errors, told) in [
            (
                &[AddrNotAvailable, ConnectionRefused][..],
                ConnectionRefused,
            ),
            (&[ConnectionRefused, AddrNotAvailable], ConnectionRefused),
            (&[ConnectionRefused, NetworkUnreachable, TimedOut], TimedOut),
            (&[AddrNotAvailable, NetworkUnreachable], NetworkUnreachable),
        ] {
            let candidates = (0u16..).zip(errors);
            let candidates = candidates.map(|(port, _)| SocketAddr::from(([127, 0, 0, 1], port)));
            let outcome = connect(candidates, async |address| {
                Err::<(), _>(errors[usize::from(address.port())].into())
            });
            let error = outcome.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), told, "{errors:?}");
        }
    }

    /// What an address does in [`race`].
    #[derive(Clone, Copy, PartialEq)]
    enum Peer {
        Silent,
        Refuses,
        Accepts(Duration),
    }

    /// What the addresses do; who wins, after how many milliseconds, and when each attempt begins.
    type Row<'a> = (&'a [Peer], Option<Option<u16>>, u64, &'a [u64]);

    /// Who won, after how long, and when each attempt began.
    async fn race(peers: &[Peer]) -> (Option<Option<u16>>, Duration, Vec<Duration>) {
        let begin = Instant::now();
        let started = Mutex::new(Vec::new());
        let candidates = (0u16..).zip(peers);
        let candidates = candidates.map(|(port, _)| SocketAddr::from(([127, 0, 0, 1], port)));
        let winner = connect(candidates, |address| {
            started.lock().unwrap().push(begin.elapsed());
            let peer = peers[usize::from(address.port())];
            async move {
                match peer {
                    Peer::Silent => pending().await,
                    Peer::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
                    Peer::Accepts(after) => {
                        tokio::time::sleep(after).await;
                        Ok(address.port())
                    }
                }
            }
        })
        .await;
        let winner = winner.map(Result::ok);
        (winner, begin.elapsed(), started.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_attempt_begins_after_a_failure_or_the_head_start() {
        use Peer::{Accepts, Refuses, Silent};
        let ms = Duration::from_millis;
        let at_once = Accepts(ms(0));
        let table: [Row<'_>; 7] = [
            (&[], None, 0, &[]),
            (&[Refuses], Some(None), 0, &[0]),
            (&[Refuses, Refuses, at_once], Some(Some(2)), 0, &[0, 0, 0]),
            (&[Silent, at_once], Some(Some(1)), 250, &[0, 250]),
            (&[Accepts(ms(249)), at_once], Some(Some(0)), 249, &[0]),
            // The first one may still win once the second has begun.
            (&[Accepts(ms(300)), Silent], Some(Some(0)), 300, &[0, 250]),
            (
                &[Silent, Refuses, Silent, Accepts(ms(100))],
                Some(Some(3)),
                600,
                &[0, 250, 250, 500],
            ),
        ];
        for (index, (peers, winner, took, started)) in table.into_iter().enumerate() {
            let seen = race(peers).await;
            let started = started.iter().copied().map(ms).collect();
            assert_eq!(seen, (winner, ms(took), started), "row {index}");
        }
    }
}
