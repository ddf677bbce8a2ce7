//! The batch engine: pulls requests while there is room, has them worked on where that costs least,
//! hands over each outcome.
//!
//! A batch has two sides. The *caller's* is a [`Run`]: it pulls the input, keeps the keys, and gives
//! the outcomes out, wherever its caller polls it. The *working* side is one or more [lanes](lane),
//! tasks that drive requests; [`Crew`] says where they run. Between the two is a [`Belt`]. What
//! crosses it does so in handfuls, so that a hop between threads is paid for once in a while and
//! not once for each request.

mod belt;
mod crew;
mod flight;
mod lane;
mod run;

pub(crate) use self::{
    crew::{Crew, on},
    run::Run,
};
