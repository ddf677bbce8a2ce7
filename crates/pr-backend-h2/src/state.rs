//! The decisions about one origin: who gets a stream, when a connection is missing, who fails.

use std::{sync::Arc, time::Duration};

use pr_connect::Connected;
use pr_core::BackendError;
use tokio::time::Instant;

use crate::{
    error,
    members::{Grant, Member, Members},
    queue::{Queue, Wakers},
    tasks::Stop,
};

/// What is under an origin's lock. Whoever changes it [settles](Self::settle) it afterwards.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) closed: bool,
    pub(crate) members: Members,
    pub(crate) queue: Queue<Decision>,
    dial: Option<Dial>,
    /// How many dials there have been, which is the number of the latest.
    dials: u64,
    no_extra_dial_before: Option<Instant>,
    /// There has been a connection.
    reached: bool,
    max_connections: usize,
}

/// The one dial that is under way.
#[derive(Debug)]
struct Dial {
    number: u64,
    stop: Arc<Stop>,
    /// It goes on even if nobody waits for it.
    lasts: bool,
    /// It waits for a place among the open connections.
    queued: bool,
}

/// What a request that waits is told.
#[derive(Debug)]
pub(crate) enum Decision {
    Stream(Grant),
    Http1(Option<Box<Connected>>),
    Failed(BackendError),
}

/// How long no further connection is tried to an origin that has one, after trying has failed.
const EXTRA_DIAL_PAUSE: Duration = Duration::from_secs(1);

impl State {
    pub(crate) fn new(max_connections: usize) -> Self {
        Self {
            closed: false,
            members: Members::default(),
            queue: Queue::default(),
            dial: None,
            dials: 0,
            no_extra_dial_before: None,
            reached: false,
            max_connections,
        }
    }

    /// A stream for a request that has just come, unless others wait.
    pub(crate) fn grant_at_once(&mut self) -> Option<Grant> {
        if self.closed || self.queue.first_ordinary().is_some() {
            return None;
        }
        self.members.grant()
    }

    /// [Serves](Self::serve) whom it can. If a connection is missing, all who wait are woken, and
    /// the first who runs dials.
    pub(crate) fn settle(&mut self, wakers: &mut Wakers) {
        self.serve(wakers);
        if self.needs_dial() {
            self.queue
                .wakers()
                .for_each(|waker| wakers.add(Some(waker)));
        }
    }

    /// Gives streams to those who wait, as far as there are any.
    pub(crate) fn serve(&mut self, wakers: &mut Wakers) {
        // Requests for a fresh connection come first, because each ordinary one that overtakes them
        // makes a connection less fresh.
        while let Some(ticket) = self.queue.first_fresh() {
            let Some(grant) = self.members.grant_fresh(ticket) else {
                break;
            };
            wakers.add(self.queue.decide(ticket, Decision::Stream(grant)));
        }
        while let Some(ticket) = self.queue.first_ordinary() {
            let Some(grant) = self.members.grant() else {
                break;
            };
            wakers.add(self.queue.decide(ticket, Decision::Stream(grant)));
        }
    }

    /// Whether somebody waits for whom a connection should be dialed now.
    pub(crate) fn needs_dial(&self) -> bool {
        if self.closed || self.dial.is_some() || self.queue.is_empty() {
            return false;
        }
        // What is fresh to the last of them is fresh to all.
        let fresh = self.queue.last_fresh();
        if fresh.is_some_and(|ticket| !self.members.any_fresh_to(ticket)) {
            return true;
        }
        if self.members.is_empty() {
            return true;
        }
        self.may_dial_extra()
    }

    /// Whether a connection should be dialed although nobody waits, because those that there are
    /// carry very many requests.
    pub(crate) fn needs_relief(&self) -> bool {
        !self.closed && self.dial.is_none() && self.members.are_crowded() && self.may_dial_extra()
    }

    fn may_dial_extra(&self) -> bool {
        let may_try = |at| at <= Instant::now();
        self.members.len() < self.max_connections
            && self.members.all_settled()
            && self.no_extra_dial_before.is_none_or(may_try)
    }

    /// The number of the dial that the caller begins after this.
    pub(crate) fn next_dial(&mut self) -> u64 {
        self.dials += 1;
        self.dials
    }

    /// A dial begins, and can be told to end.
    ///
    /// One to an origin that has been reached before lasts until it has come to its own end, whoever
    /// has left meanwhile. Otherwise requests that come and are dropped in quick succession would
    /// begin a dial each and see none to its end.
    pub(crate) fn begin_dial(&mut self, number: u64, stop: Arc<Stop>) {
        let lasts = self.reached;
        self.dial = Some(Dial {
            number,
            stop,
            lasts,
            queued: false,
        });
    }

    /// Notes whether the dial of this number waits for a place. Whether it is the one under way.
    pub(crate) fn set_dial_queued(&mut self, number: u64, queued: bool) -> bool {
        let dial = self.dial.as_mut().filter(|dial| dial.number == number);
        dial.map(|dial| dial.queued = queued).is_some()
    }

    /// Whether the dial under way waits for a place.
    pub(crate) fn is_dial_queued(&self) -> bool {
        self.dial.as_ref().is_some_and(|dial| dial.queued)
    }

    /// Whether a dial that begins now would be for a connection that nobody needs: those who wait
    /// can do with what there is.
    pub(crate) fn can_do_without(&self) -> bool {
        let fresh = self.queue.last_fresh();
        !self.members.is_empty() && fresh.is_none_or(|ticket| self.members.any_fresh_to(ticket))
    }

    /// Tries no further connection to an origin that has one for a while.
    pub(crate) fn put_off_extra_dials(&mut self) {
        self.no_extra_dial_before = Some(Instant::now() + EXTRA_DIAL_PAUSE);
    }

    /// The dial of this number is over. Whether it was still under way, as far as this side knows.
    pub(crate) fn end_dial(&mut self, number: u64) -> bool {
        self.dial.take_if(|dial| dial.number == number).is_some()
    }

    /// Gives up the dial under way if nobody waits for it any more, unless it is to last.
    pub(crate) fn abandon_unwanted_dial(&mut self) -> Option<Arc<Stop>> {
        if !self.queue.is_empty() {
            return None;
        }
        let unwanted = self.dial.take_if(|dial| !dial.lasts);
        unwanted.map(|dial| dial.stop)
    }

    /// Lets go of everything that was learnt of the origin and of its connections, which are
    /// returned, with what tells the dial under way to end.
    pub(crate) fn reset(&mut self) -> (Vec<Member>, Option<Arc<Stop>>) {
        self.no_extra_dial_before = None;
        self.reached = false;
        (self.members.clear(), self.abandon_dial())
    }

    /// Gives up the dial under way; the result is what tells it to end.
    pub(crate) fn abandon_dial(&mut self) -> Option<Arc<Stop>> {
        self.dial.take().map(|dial| dial.stop)
    }

    /// Adds a connection. If that is one too many, it takes the place of the oldest, which is
    /// returned.
    pub(crate) fn add(&mut self, member: impl FnOnce(u64) -> Member) -> Option<Member> {
        self.reached = true;
        let born = self.queue.ticket();
        self.members.add(member(born));
        if self.members.len() > self.max_connections {
            return self.members.retire_oldest();
        }
        None
    }

    /// A dial has found that the peer speaks HTTP/1.1: the first who waited gets the connection,
    /// the others are told. Whether this holds for whoever comes later, too.
    pub(crate) fn peer_speaks_http1(&mut self, connected: Connected, wakers: &mut Wakers) -> bool {
        let mut connected = Some(Box::new(connected));
        while let Some(ticket) = self.queue.first_fresh() {
            wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
        }
        if self.members.is_empty() {
            while let Some(ticket) = self.queue.first_ordinary() {
                wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
            }
            return true;
        }
        // Some machines behind the name speak HTTP/2 and some do not. Those who wait for the
        // connections that do go on waiting, but for one of them, who takes what is there.
        self.put_off_extra_dials();
        if let (Some(ticket), true) = (self.queue.first_ordinary(), connected.is_some()) {
            wakers.add(self.queue.decide(ticket, Decision::Http1(connected.take())));
        }
        false
    }

    /// A dial has failed: everybody who has nothing else to wait for fails with it.
    pub(crate) fn dial_failed(&mut self, failed: BackendError, wakers: &mut Wakers) {
        let mut each = error::for_each_waiter(failed);
        if self.members.is_empty() {
            self.fail_all(each, wakers);
            return;
        }
        self.put_off_extra_dials();
        while let Some(ticket) = self.queue.first_fresh() {
            wakers.add(self.queue.decide(ticket, Decision::Failed(each())));
        }
    }

    /// Everybody who waits gets an error of his own.
    pub(crate) fn fail_all(
        &mut self,
        mut error: impl FnMut() -> BackendError,
        wakers: &mut Wakers,
    ) {
        let first = |queue: &Queue<_>| queue.first_fresh().or_else(|| queue.first_ordinary());
        while let Some(ticket) = first(&self.queue) {
            wakers.add(self.queue.decide(ticket, Decision::Failed(error())));
        }
    }
}
