//! Whatever happens in whatever order, no place is lost, given twice, or left empty while somebody
//! waits for it.

use std::{
    any::TypeId,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use pr_core::{ConnectionKey, ProtocolChoice};
use proptest::{collection::vec, option, prelude::*};
use url::Url;

use super::{
    Reuse,
    line::{Granted, Line, Offered, Wakers},
};

/// What may happen; numbers choose among the origins, or among those who wait or have a place.
#[derive(Clone, Debug)]
enum Event {
    Comes(usize, bool),
    Looks(usize),
    Leaves(usize),
    Closes(usize),
    IsDone(usize),
    HasNoDescriptor(usize),
    Opened,
    Pause,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..4usize, any::<bool>()).prop_map(|(origin, reuses)| Event::Comes(origin, reuses)),
        3 => any::<usize>().prop_map(Event::Looks),
        1 => any::<usize>().prop_map(Event::Leaves),
        2 => any::<usize>().prop_map(Event::Closes),
        2 => any::<usize>().prop_map(Event::IsDone),
        1 => any::<usize>().prop_map(Event::HasNoDescriptor),
        1 => Just(Event::Opened),
        1 => Just(Event::Pause),
    ]
}

fn key(origin: usize) -> ConnectionKey {
    let url = Url::parse(&format!("http://h{origin}.example/")).unwrap();
    ConnectionKey::new(&url, None, true, ProtocolChoice::Negotiate).unwrap()
}

/// Whoever takes part, beside the line itself.
struct World {
    line: Line,
    now: Instant,
    /// The origins of those who wait.
    waiting: Vec<(u64, usize)>,
    /// The origins of the connections that there are.
    open: Vec<usize>,
}

impl World {
    fn happens(&mut self, event: &Event) {
        let mut wakers = Wakers::default();
        match *event {
            Event::Comes(origin, reuses) => {
                if self.line.take(&key(origin), self.now).is_some() {
                    self.open.push(origin);
                } else {
                    self.waits(origin, reuses, &mut wakers);
                }
            }
            Event::Looks(index) if !self.waiting.is_empty() => {
                let index = index % self.waiting.len();
                self.looks(index);
            }
            Event::Leaves(index) if !self.waiting.is_empty() => {
                let index = index % self.waiting.len();
                let (ticket, origin) = self.waiting.swap_remove(index);
                if let Some(Granted::Connection(_)) = self.line.leave(ticket, &mut wakers) {
                    self.line.release(&key(origin), &mut wakers);
                }
            }
            Event::Closes(index) if !self.open.is_empty() => {
                let index = index % self.open.len();
                let origin = self.open.swap_remove(index);
                self.line.release(&key(origin), &mut wakers);
            }
            Event::IsDone(index) if !self.open.is_empty() => {
                let index = index % self.open.len();
                self.is_done(index, &mut wakers);
            }
            Event::HasNoDescriptor(index) if !self.open.is_empty() => {
                let index = index % self.open.len();
                let origin = self.open.swap_remove(index);
                self.line.note_shortage(self.now);
                self.line.release(&key(origin), &mut wakers);
                self.waits(origin, true, &mut wakers);
            }
            Event::Opened => self.line.note_success(&mut wakers),
            Event::Pause => {
                self.now += Duration::from_millis(60);
                self.line.probe(self.now, &mut wakers);
            }
            _ => {}
        }
    }

    fn waits(&mut self, origin: usize, reuses: bool, wakers: &mut Wakers) {
        let reuse = if reuses {
            Reuse::Anywhere
        } else {
            Reuse::Never
        };
        let ticket = self
            .line
            .enter(&key(origin), (TypeId::of::<()>(), reuse), None, wakers);
        self.waiting.push((ticket, origin));
    }

    fn looks(&mut self, index: usize) {
        let (ticket, origin) = self.waiting[index];
        let cx = Context::from_waker(Waker::noop());
        if self.line.poll(ticket, &cx).is_ready() {
            // A place, or a connection that has one already.
            self.open.push(origin);
            self.waiting.swap_remove(index);
        }
    }

    fn is_done(&mut self, index: usize, wakers: &mut Wakers) {
        let origin = self.open[index];
        let offered = self
            .line
            .offer(&key(origin), TypeId::of::<()>(), None, wakers);
        match offered {
            Offered::To(ticket) => {
                self.open.swap_remove(index);
                self.line.deliver(ticket, Box::new(()), wakers);
            }
            Offered::ToNobody { close: true } => {
                self.open.swap_remove(index);
                self.line.release(&key(origin), wakers);
            }
            Offered::ToNobody { close: false } => {}
        }
    }
}

proptest! {
    #[test]
    fn no_place_is_lost(
        max in 1..6usize,
        max_per_origin in option::of(1..4usize),
        events in vec(event(), 1..200),
    ) {
        let mut world = World {
            line: Line::new(max, max_per_origin),
            now: Instant::now(),
            waiting: Vec::new(),
            open: Vec::new(),
        };
        for event in &events {
            world.happens(event);
            prop_assert!(world.line.is_sound(), "after {event:?}");
        }
        // When all who have something give it back, all who wait get something.
        let longest = events.len() * 60;
        for _ in 0..longest {
            for index in (0..world.waiting.len()).rev() {
                world.looks(index);
            }
            while !world.open.is_empty() {
                world.happens(&Event::Closes(0));
            }
            if world.waiting.is_empty() {
                break;
            }
            world.happens(&Event::Pause);
        }
        prop_assert!(world.waiting.is_empty(), "{:?} wait for ever", world.waiting);
        prop_assert_eq!(world.line.open(), 0);
        prop_assert_eq!(world.line.waiting(), 0);
        prop_assert!(world.line.is_sound());
    }
}

#[test]
fn whoever_is_first_is_passed_over_a_few_times_only() {
    let mut wakers = Wakers::default();
    let mut line = Line::new(1, None);
    let (busy, other) = (key(0), key(1));
    let takes = (TypeId::of::<()>(), Reuse::Anywhere);
    assert!(line.take(&busy, Instant::now()).is_some());
    let first = line.enter(&other, takes, None, &mut wakers);
    let mut passed = 0;
    loop {
        let again = line.enter(&busy, takes, None, &mut wakers);
        match line.offer(&busy, TypeId::of::<()>(), None, &mut wakers) {
            Offered::To(ticket) => {
                assert_eq!(ticket, again);
                line.deliver(ticket, Box::new(()), &mut wakers);
                let cx = Context::from_waker(Waker::noop());
                assert!(line.poll(ticket, &cx).is_ready());
                passed += 1;
            }
            Offered::ToNobody { close } => {
                assert!(close);
                break;
            }
        }
    }
    assert_eq!(passed, 32);
    line.release(&busy, &mut wakers);
    let cx = Context::from_waker(Waker::noop());
    assert!(matches!(line.poll(first, &cx), Poll::Ready(Granted::Place)));
}

#[test]
fn only_those_of_the_same_kind_get_a_connection() {
    let mut wakers = Wakers::default();
    let mut line = Line::new(1, None);
    let origin = key(0);
    assert!(line.take(&origin, Instant::now()).is_some());
    line.enter(
        &origin,
        (TypeId::of::<u8>(), Reuse::Anywhere),
        None,
        &mut wakers,
    );
    line.enter(
        &origin,
        (TypeId::of::<()>(), Reuse::Never),
        None,
        &mut wakers,
    );
    let offered = line.offer(&origin, TypeId::of::<()>(), None, &mut wakers);
    assert!(matches!(offered, Offered::ToNobody { close: true }));
    let offered = line.offer(&origin, TypeId::of::<u8>(), None, &mut wakers);
    assert!(matches!(offered, Offered::To(_)));
}
