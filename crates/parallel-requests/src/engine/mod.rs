//! The batch engine: pulls requests while there is room, has them worked on where that costs least,
//! hands over each outcome.
//!
//! A batch has two sides. The *caller's* is a [`Run`]: it pulls the input, keeps the keys, and gives
//! the outcomes out, wherever its caller polls it. The *working* side is one or more [lanes](lane),
//! tasks that drive requests; [`Crew`] says where they run. Between the two is a [`Belt`]. What
//! crosses it does so in handfuls, so that a hop between threads is paid for once in a while and
//! not once for each request.
//!
//! A batch that is *stopped*, by its deadline, its cancellation or too many failures, has its
//! outcomes all the same: what waits on the belt has them from there, what is in flight from its
//! lane, and the rest of the input from the run, which pulls it and sends nothing.
//!
//! Requests that are *held up* ([`Held`](crate::held::Held)) count neither against the window of a
//! run nor against the width of a lane, so that a host that is paused keeps no other waiting. When
//! there are many and they go on all at once, a [`Backlog`](crate::backlog::Backlog) has them wait for
//! the caller, so that no more outcomes pile up than the window holds.
//!
//! What is cut off has an outcome that says what the layers [knew](crate::cut_off) of it.

mod belt;
mod crew;
mod flight;
mod lane;
mod options;
mod order;
mod run;

pub(crate) use self::{
    belt::Belt,
    crew::{Crew, on},
    options::Options,
    run::Run,
};
