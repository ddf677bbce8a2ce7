//! Admission: when an attempt may go. One gate in front of all of them, where each waits until it can
//! have all that it needs at the same instant.
//!
//! # What an attempt needs
//!
//! | What | Setting | Default | Kept back by it, it is |
//! |---|---|---|---|
//! | its host is not paused | [`retry_after`](crate::ClientBuilder::retry_after) | pauses that a host asks for are kept | held |
//! | its host has less in flight than it may have | [`concurrency_per_host`](crate::ClientBuilder::concurrency_per_host), [`concurrency_for_host`](crate::ClientBuilder::concurrency_for_host), [`adaptive`](crate::ClientBuilder::adaptive) | no limit | held |
//! | a token of its host's rate | [`rate_limit_per_host`](crate::ClientBuilder::rate_limit_per_host), [`rate_limit_for_host`](crate::ClientBuilder::rate_limit_for_host), what the host announces | no limit | held |
//! | a token of the rate for all | [`rate_limit`](crate::ClientBuilder::rate_limit) | no limit | waiting |
//! | less in flight in all than may be | [`concurrency`](crate::ClientBuilder::concurrency) | 20 | waiting |
//!
//! A host is an origin: scheme, host and port (RFC 6454). An attempt counts for the origin of its
//! request's URL, and for nothing else while it follows redirects; a pause is that of the origin which
//! asked for it. It is in flight from here until its response has been read and decoded or it has failed
//! or was dropped. A retry is an attempt, and so is the second copy that hedging sends: they take
//! places and tokens as the first did. A token is gone when the attempt goes, not when it gets in line,
//! so that those who wait use up nothing; one that was granted to somebody who is dropped before it
//! goes is lost, so that no limit is ever exceeded.
//!
//! # Who is next
//!
//! What cannot go waits in its host's queue, first in, first out. The hosts whose first could go, but
//! for a place or a token for all, take turns: one each, whoever has a hundred thousand in line and
//! whoever has one. A host that is paused, full or out of tokens is not among them. So it costs others
//! nothing, and what waits for it is counted as [`Held`](crate::held::Held), so that the engine looks further ahead.
//!
//! # Why one layer
//!
//! With one semaphore after another, and a pause and a rate limit besides, an attempt would hold a
//! place while it waits for the next thing: a slow host's would fill up the places for all. And it would
//! go through a pause that began while it waited for something else. Here it gets everything at the same
//! instant, under one lock that is never held for long, or it holds nothing.
//!
//! # Who wakes whom
//!
//! Whatever frees something, an attempt that ends or is dropped, a pause that is over, a token that is
//! due, finds out under the lock who can go, gives each its place, and wakes them when the lock is
//! released. There is no task. The first in the queue of a host that waits for a point in time keeps a
//! timer, on the runtime that it is polled on, and the timer wakes not that future but the gate. So time
//! moves on even if that future is not polled for a while. When the first one leaves, the next is woken to
//! take the timer over. Besides, every arrival and every end looks at what is due.
//!
//! # What is kept
//!
//! A host is known while something waits or is in flight, while it is paused, and while its rate has
//! tokens to regain. A client with limits by host keeps 1,024 others too, those used last, with what
//! adaptive limits have learnt. A client without does not look hosts up at all, unless some are
//! paused or waited for.

mod gate;
mod host;
mod limits;
mod list;
#[cfg(test)]
mod model;
mod queued;
mod scheduler;
mod service;

pub(crate) use self::{
    gate::{Gate, Place},
    limits::Limits,
    queued::QueueTimeout,
    scheduler::Load,
    service::{Admitted, MayQueue, MayReport},
};
