//! What this client tells a peer about itself, and the arithmetic of flow control behind it.

use h2::client::Builder;

use crate::limits::Limits;

/// How much of one response may be on its way or unread, in bytes: the stream's window
/// (RFC 9113, section 6.9). It is what one unread body costs in memory, and what one download can
/// have under way per round trip: 40 MB/s at 100 ms.
///
/// `h2` opens the window again whenever a third of it has been read, so that a peer is never left
/// with less than two thirds. That is as much as TCP itself has under way on a usual system (Linux
/// lets a receive buffer grow to 6 MiB, of which overhead takes its part), so that what binds a
/// download is not HTTP/2. A larger window would gain little, cost memory for every body that
/// nobody reads, and leave room for fewer streams ([`MAX_STREAMS`]): two connections of 511 take a
/// thousand requests at a time, and of 255, with 8 MiB, they would not. A window that grows by
/// need, as some clients have it, is one setting for all streams of a connection in HTTP/2 as `h2`
/// speaks it, so that it would grow for the unread ones too.
pub(crate) const STREAM_WINDOW: u32 = 4 << 20;

/// How much of all responses on one connection may be on its way or unread, in bytes: the
/// connection's window, at the largest that the protocol allows.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How many streams one connection carries at most, whatever the peer would allow.
///
/// A stream that nobody reads holds up to [`STREAM_WINDOW`] bytes of the connection's window. As
/// long as `MAX_STREAMS` of them fit into it, an unread body can never stall its siblings: the
/// window that is left is at least what the remaining streams can use.
pub(crate) const MAX_STREAMS: usize = (CONNECTION_WINDOW / STREAM_WINDOW) as usize;

const _: () = assert!(MAX_STREAMS as u64 * STREAM_WINDOW as u64 <= CONNECTION_WINDOW as u64);

/// How many streams a connection carries before the peer's SETTINGS have arrived.
///
/// The first request need not wait for a round trip. More than one might be refused by a peer that
/// allows only one, and would have to be sent again.
pub(crate) const STREAMS_BEFORE_SETTINGS: usize = 1;

/// What `h2` reports as the peer's limit while the peer has not said any; no SETTINGS frame can
/// say this.
pub(crate) const LIMIT_UNKNOWN: usize = usize::MAX - 1;

/// How large a frame may be that a peer sends, in bytes. With the protocol's 16 KiB a large download
/// is cut into so many frames that it costs half as much again. A frame is held until it is whole,
/// and others wait behind it, so it is not the largest that the protocol allows either.
pub(crate) const MAX_FRAME: u32 = 256 << 10;

/// How many bytes of bookkeeping a peer may cause by DATA frames that are tiny and unread. `h2`
/// would take half of the connection's window, which for ours is a gigabyte.
const TINY_FRAMES_BUDGET: usize = 32 << 20;

/// How many streams that we have reset are remembered, for a second each, so that what is still on
/// its way on them is recognised. `h2` takes each frame on a forgotten stream for the peer's fault
/// and ends the connection when there have been too many.
const REMEMBERED_RESETS: usize = 4_096;

/// How a connection is begun.
pub(crate) fn builder(limits: Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_max_send_streams(LIMIT_UNKNOWN)
        .max_frame_size(MAX_FRAME)
        // Unless it is set, `h2` takes 16 MiB.
        .max_header_list_size(limits.taken_from_the_wire())
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .data_frame_budget(TINY_FRAMES_BUDGET)
        .enable_push(false);
    builder
}

/// The peer's limit on streams from what `h2` reports; `None` while the peer has not said any.
pub(crate) fn stream_limit(reported: usize) -> Option<usize> {
    (reported != LIMIT_UNKNOWN).then(|| reported.min(MAX_STREAMS))
}
