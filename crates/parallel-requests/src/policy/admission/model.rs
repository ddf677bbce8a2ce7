//! The scheduler against a model that is too simple to be wrong, and what a long queue costs.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    time::Duration,
};

use proptest::prelude::*;
use tokio::time::Instant;

use super::{
    limits::{Limits, Rules},
    scheduler::{Arrival, Effects, Load, MAX_RESTING, Report, Scheduler, Taken, Turn},
};
use crate::RateLimit;

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    /// At a host; perhaps a second later, and before any timer has noticed that.
    Arrive(usize, bool),
    /// One that is in flight ends, and its host perhaps asks for a pause.
    Finish(usize, Option<u64>),
    /// One that waits, or has been granted a place and does not know it yet, is dropped.
    GiveUp(usize),
    /// Those that were woken are polled.
    Run,
    Advance(u64),
}

/// The limits of a run.
#[derive(Clone, Debug)]
struct Setting {
    concurrency: usize,
    per_host: Option<usize>,
    /// Bursts at one per second, for all and for each host.
    burst: Option<u32>,
    host_burst: Option<u32>,
}

const HOSTS: usize = 4;

fn host_name(host: usize) -> String {
    format!("https://h{host}.example")
}

/// A bucket that gains one token each second.
#[derive(Clone, Debug)]
struct NaiveBucket {
    tokens: u32,
    burst: u32,
}

impl NaiveBucket {
    fn new(burst: u32) -> Self {
        Self {
            tokens: burst,
            burst,
        }
    }

    fn second(&mut self) {
        self.tokens = self.burst.min(self.tokens + 1);
    }
}

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// A future that waits, as far as the scheduler sees it.
struct Task {
    host: usize,
    woken: Arc<Flag>,
    armed: Option<Instant>,
}

/// The scheduler with the futures around it, and what should be true of them.
struct World {
    setting: Setting,
    scheduler: Scheduler,
    start: Instant,
    second: u64,
    tasks: BTreeMap<usize, Task>,
    in_flight: Vec<(usize, Taken)>,
    // The model.
    queues: Vec<VecDeque<usize>>,
    paused_until: [u64; HOSTS],
    all: Option<NaiveBucket>,
    buckets: Vec<Option<NaiveBucket>>,
    held: usize,
}

impl World {
    fn new(setting: Setting) -> Self {
        let mut limits = Limits::new(setting.concurrency);
        limits.concurrency_per_host = setting.per_host;
        let limit = |burst| RateLimit::per_second(1).burst(burst);
        limits.rate = setting.burst.map(|burst| limit(burst).into());
        limits.rate_per_host = setting.host_burst.map(limit);
        limits.check().unwrap();
        Self {
            scheduler: Scheduler::new(Rules::new(limits)),
            // Later than any bucket was made, so that its seconds are those of the model.
            start: Instant::now() + Duration::from_secs(3_600),
            second: 0,
            tasks: BTreeMap::new(),
            in_flight: Vec::new(),
            queues: vec![VecDeque::new(); HOSTS],
            paused_until: [0; HOSTS],
            all: setting.burst.map(NaiveBucket::new),
            buckets: vec![setting.host_burst.map(NaiveBucket::new); HOSTS],
            held: 0,
            setting,
        }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn with<T>(&mut self, work: impl FnOnce(&mut Scheduler, Instant, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let now = self.now();
        let value = work(&mut self.scheduler, now, &mut effects);
        self.held = self.held + effects.held_more - effects.held_less;
        effects.wake.into_iter().for_each(Waker::wake);
        value
    }

    /// Whether a host lets somebody go.
    fn is_open(&self, host: usize) -> bool {
        let in_flight = self.in_flight_to(host);
        self.paused_until[host] <= self.second
            && self.setting.per_host.is_none_or(|limit| in_flight < limit)
            && self.buckets[host].as_ref().is_none_or(|b| b.tokens > 0)
    }

    /// With and without having noticed it.
    fn in_flight_to(&self, host: usize) -> usize {
        self.in_flight.iter().filter(|(h, _)| *h == host).count() + self.granted(Some(host))
    }

    /// Those that have a place and are still tasks: they are out of the model's queue.
    fn granted(&self, host: Option<usize>) -> usize {
        let tasks = self.tasks.iter();
        tasks
            .filter(|(id, task)| {
                host.is_none_or(|host| host == task.host) && !self.queues[task.host].contains(id)
            })
            .count()
    }

    fn total(&self) -> usize {
        self.in_flight.len() + self.granted(None)
    }

    /// That this one may go, and what it uses up.
    fn goes(&mut self, host: usize) {
        assert!(
            self.is_open(host),
            "somebody went to a host that lets nobody go"
        );
        if let Some(bucket) = &mut self.buckets[host] {
            bucket.tokens -= 1;
        }
        if let Some(bucket) = &mut self.all {
            assert!(bucket.tokens > 0, "somebody went without a token");
            bucket.tokens -= 1;
        }
    }

    /// Finds out who has been granted a place: all of them have been woken or were never polled.
    fn notice(&mut self) {
        loop {
            let granted = (0..HOSTS).find(|host| {
                let first = self.queues[*host].front();
                first.is_some_and(|id| self.scheduler.lacking(*id).is_none())
            });
            let Some(host) = granted else { break };
            self.goes(host);
            let id = self.queues[host].pop_front().unwrap();
            let task = &self.tasks[&id];
            assert!(task.woken.0.load(SeqCst), "a lost wake-up");
            assert!(self.total() <= self.setting.concurrency);
        }
        for queue in &self.queues {
            // Nobody overtakes: only the first can have been granted, and they are gone.
            assert!(queue.iter().all(|id| self.scheduler.lacking(*id).is_some()));
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Arrive(host, late) => {
                if late {
                    self.run();
                    self.second();
                }
                let name = host_name(host);
                match self.with(|scheduler, now, effects| scheduler.arrive(&name, now, effects)) {
                    Arrival::Go(taken) => {
                        // Whoever waited before it went before it.
                        self.notice();
                        let overtaken =
                            |host: usize| !self.queues[host].is_empty() && self.is_open(host);
                        assert!(!(0..HOSTS).any(overtaken), "a newcomer went before others");
                        assert!(self.queues[host].is_empty());
                        self.goes(host);
                        self.in_flight.push((host, taken));
                    }
                    Arrival::Wait(id) => {
                        let woken = Arc::new(Flag::default());
                        // It has yet to be polled for the first time.
                        woken.0.store(true, SeqCst);
                        let armed = None;
                        self.tasks.insert(id, Task { host, woken, armed });
                        self.queues[host].push_back(id);
                    }
                }
            }
            Step::Finish(which, pause) if !self.in_flight.is_empty() => {
                let which = which % self.in_flight.len();
                let (host, taken) = self.in_flight.swap_remove(which);
                let name = host_name(host);
                let report = Report {
                    pause: pause.map(|pause| (&*name, Duration::from_secs(pause))),
                    ..Report::default()
                };
                if let Some(pause) = pause {
                    let until = &mut self.paused_until[host];
                    *until = (*until).max(self.second + pause);
                }
                self.with(|scheduler, now, effects| scheduler.leave(taken, &report, now, effects));
            }
            Step::GiveUp(which) if !self.tasks.is_empty() => {
                let id = *self.tasks.keys().nth(which % self.tasks.len()).unwrap();
                let task = self.tasks.remove(&id).unwrap();
                self.queues[task.host].retain(|waiting| *waiting != id);
                self.with(|scheduler, now, effects| scheduler.give_up(id, now, effects));
            }
            Step::Run => self.run(),
            Step::Advance(seconds) => {
                for _ in 0..seconds {
                    self.run();
                    self.second();
                    let now = self.now();
                    // Nothing but the timers of those who wait tells the scheduler.
                    if self
                        .tasks
                        .values()
                        .any(|task| task.armed.is_some_and(|due| due <= now))
                    {
                        self.with(Scheduler::wake_up_at);
                    }
                    self.notice();
                }
            }
            Step::Finish(..) | Step::GiveUp(_) => {}
        }
        self.notice();
    }

    fn second(&mut self) {
        self.second += 1;
        for bucket in self.buckets.iter_mut().chain([&mut self.all]).flatten() {
            bucket.second();
        }
    }

    /// Polls whoever was woken.
    fn run(&mut self) {
        loop {
            let woken = self.tasks.iter();
            let mut woken = woken.filter(|(_, task)| task.woken.0.swap(false, SeqCst));
            let Some(id) = woken.next().map(|(id, _)| *id) else {
                break;
            };
            drop(woken);
            let mut waker = Some(Waker::from(self.tasks[&id].woken.clone()));
            match self.scheduler.look(id, &mut waker) {
                Turn::Go(taken) => {
                    let task = self.tasks.remove(&id).unwrap();
                    assert!(!self.queues[task.host].contains(&id));
                    self.in_flight.push((task.host, taken));
                }
                Turn::Wait(due) => {
                    self.tasks.get_mut(&id).unwrap().armed = due;
                    // A timer for what has passed goes off as soon as it is set.
                    if due.is_some_and(|due| due <= self.now()) {
                        self.with(Scheduler::wake_up_at);
                    }
                }
            }
        }
    }

    /// What holds when everybody who was woken has been polled.
    fn check(&mut self) {
        self.run();
        self.notice();
        let waiting: usize = self.queues.iter().map(VecDeque::len).sum();
        let closed = (0..HOSTS).filter(|host| !self.is_open(*host));
        let held = closed.map(|host| self.queues[host].len()).sum();
        let room = self.total() < self.setting.concurrency
            && self.all.as_ref().is_none_or(|bucket| bucket.tokens > 0);
        assert!(
            !room || waiting == held,
            "somebody could go and has not gone"
        );
        let paused = self.paused_until.iter();
        let expected = Load {
            in_flight: self.total(),
            waiting,
            held,
            paused_hosts: paused.filter(|until| **until > self.second).count(),
        };
        assert_eq!(self.held, held);
        assert_eq!(self.with(Scheduler::load_at), expected);
    }
}

impl Scheduler {
    fn wake_up_at(&mut self, now: Instant, effects: &mut Effects) {
        while self.wake_up(now, effects) {}
    }

    fn load_at(&mut self, now: Instant, effects: &mut Effects) -> Load {
        self.wake_up_at(now, effects);
        self.load()
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..HOSTS, prop::bool::weighted(0.1)).prop_map(|(host, late)| Step::Arrive(host, late)),
        4 => (any::<usize>(), prop::option::weighted(0.2, 1..5_u64))
            .prop_map(|(which, pause)| Step::Finish(which, pause)),
        2 => any::<usize>().prop_map(Step::GiveUp),
        2 => Just(Step::Run),
        2 => (1..4_u64).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..80)
}

fn settings() -> impl Strategy<Value = Setting> {
    let maybe = || prop::option::of(1..4_u32);
    (1..5_usize, prop::option::of(1..4_usize), maybe(), maybe()).prop_map(
        |(concurrency, per_host, burst, host_burst)| Setting {
            concurrency,
            per_host,
            burst,
            host_burst,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Limits hold, nobody overtakes in a queue, whoever could go has gone, wake-ups and timers are
    /// not lost, and what is counted is right: at every step, and everything is free in the end.
    #[test]
    fn the_scheduler_does_as_the_model_says(setting in settings(), steps in steps()) {
        let mut world = World::new(setting);
        for (number, step) in steps.iter().enumerate() {
            world.take(step);
            if number % 3 == 0 {
                world.check();
            }
        }
        while !world.tasks.is_empty() || !world.in_flight.is_empty() {
            world.check();
            world.take(&Step::Finish(0, None));
            world.take(&Step::Advance(1));
        }
        world.take(&Step::Advance(20));
        world.check();
    }
}

/// A scheduler with a paused host that so many wait for.
fn with_a_paused_host(waiting: usize, concurrency: usize) -> (Scheduler, Instant) {
    let mut limits = Limits::new(concurrency);
    limits.concurrency_per_host = Some(1);
    let mut scheduler = Scheduler::new(Rules::new(limits));
    let (now, mut effects) = (Instant::now(), Effects::default());
    let Arrival::Go(first) = scheduler.arrive("https://paused.example", now, &mut effects) else {
        panic!("there is a place");
    };
    let report = Report {
        pause: Some(("https://paused.example", Duration::from_secs(600))),
        ..Report::default()
    };
    scheduler.leave(first, &report, now, &mut effects);
    for _ in 0..waiting {
        let arrival = scheduler.arrive("https://paused.example", now, &mut effects);
        assert!(matches!(arrival, Arrival::Wait(_)));
    }
    (scheduler, now)
}

/// A thousand attempts to ten other hosts, of which all but one have to wait for their turn.
fn admit_a_thousand(scheduler: &mut Scheduler, now: Instant) -> Duration {
    let origins: Vec<_> = (0..10).map(host_name).collect();
    let began = std::time::Instant::now();
    let mut effects = Effects::default();
    let mut waiting = VecDeque::new();
    let mut in_flight = Vec::new();
    for number in 0..1_000 {
        match scheduler.arrive(&origins[number % 10], now, &mut effects) {
            Arrival::Go(taken) => in_flight.push(taken),
            Arrival::Wait(id) => waiting.push_back(id),
        }
    }
    let mut done = 0;
    while let Some(taken) = in_flight.pop() {
        scheduler.leave(taken, &Report::default(), now, &mut effects);
        done += 1;
        // The turns are those of the arrival.
        if let Some(id) = waiting.pop_front() {
            match scheduler.look(id, &mut None) {
                Turn::Go(taken) => in_flight.push(taken),
                Turn::Wait(_) => panic!("its turn has come"),
            }
        }
    }
    assert_eq!(done, 1_000);
    began.elapsed()
}

#[test]
fn a_hundred_thousand_that_wait_for_a_paused_host_cost_the_others_nothing() {
    let fastest = |waiting| {
        let (mut scheduler, now) = with_a_paused_host(waiting, 1);
        let runs = (0..7).map(|_| admit_a_thousand(&mut scheduler, now));
        let fastest = runs.min().unwrap();
        let load = scheduler.load_at(now, &mut Effects::default());
        assert_eq!(
            (load.waiting, load.held, load.in_flight),
            (waiting, waiting, 0)
        );
        fastest
    };
    let (few, many) = (fastest(10), fastest(100_000));
    println!(
        "per admission: {:?} with 10 waiting, {:?} with 100,000",
        few / 1_000,
        many / 1_000
    );
    // Whatever looked at all of them would take ten thousand times as long.
    assert!(many < few * 20, "{many:?} in place of {few:?}");
}

#[test]
fn hosts_take_turns() {
    let mut limits = Limits::new(1);
    limits.concurrency_per_host = Some(1);
    let mut scheduler = Scheduler::new(Rules::new(limits));
    let (now, mut effects) = (Instant::now(), Effects::default());
    let Arrival::Go(mut taken) = scheduler.arrive("https://first.example", now, &mut effects)
    else {
        panic!("there is a place");
    };
    // Four for the first host, two for the second, one for the third, in that order.
    let mut tickets = Vec::new();
    for host in [0, 0, 0, 0, 1, 1, 2] {
        match scheduler.arrive(&host_name(host), now, &mut effects) {
            Arrival::Go(_) => panic!("there is no place"),
            Arrival::Wait(id) => tickets.push((host, id)),
        }
    }
    let mut turns = Vec::new();
    while !tickets.is_empty() {
        scheduler.leave(taken, &Report::default(), now, &mut effects);
        let granted = tickets
            .iter()
            .position(|(_, id)| scheduler.lacking(*id).is_none());
        let (host, id) = tickets.remove(granted.expect("one has been let go"));
        turns.push(host);
        match scheduler.look(id, &mut None) {
            Turn::Go(next) => taken = next,
            Turn::Wait(_) => panic!("it has been let go"),
        }
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 0, 0]);
}

#[test]
fn hosts_that_pass_through_leave_a_bounded_number_behind() {
    for by_host in [false, true] {
        let mut limits = Limits::new(10);
        limits.concurrency_per_host = by_host.then_some(2);
        let mut scheduler = Scheduler::new(Rules::new(limits));
        let (now, mut effects) = (Instant::now(), Effects::default());
        let mut known = BTreeSet::new();
        for host in 0..100_000 {
            let Arrival::Go(taken) = scheduler.arrive(&host_name(host), now, &mut effects) else {
                panic!("there is a place");
            };
            scheduler.leave(taken, &Report::default(), now, &mut effects);
            known.insert(scheduler.known_hosts());
        }
        let most = known.last().copied();
        assert_eq!(most, Some(if by_host { MAX_RESTING } else { 0 }));
    }
}

#[test]
fn a_host_that_was_paused_is_forgotten_when_the_pause_is_over() {
    let mut scheduler = Scheduler::new(Rules::new(Limits::new(10)));
    let (now, mut effects) = (Instant::now(), Effects::default());
    let pauses = [5, 20, 10];
    for pause in pauses {
        let Arrival::Go(taken) = scheduler.arrive("https://other.example", now, &mut effects)
        else {
            panic!("there is a place");
        };
        let report = Report {
            pause: Some(("https://h.example", Duration::from_secs(pause))),
            ..Report::default()
        };
        scheduler.leave(taken, &report, now, &mut effects);
    }
    for (second, paused) in [(0, 1), (6, 1), (19, 1), (20, 0)] {
        let load = scheduler.load_at(now + Duration::from_secs(second), &mut effects);
        assert_eq!(load.paused_hosts, paused, "after {second} s");
        assert_eq!(scheduler.known_hosts(), paused);
    }
    assert!(scheduler.is_plain());
}

/// More pauses end at the same instant than are looked at in one go.
#[test]
fn a_newcomer_goes_after_those_whose_pause_has_just_ended() {
    let mut scheduler = Scheduler::new(Rules::new(Limits::new(1_000)));
    let (now, mut effects) = (Instant::now(), Effects::default());
    // Nobody waits for the first hundred, so that nobody is in the ring because of them.
    let mut tickets = BTreeMap::new();
    for host in 0..200 {
        let origin = host_name(host);
        let Arrival::Go(taken) = scheduler.arrive(&origin, now, &mut effects) else {
            panic!("there is a place");
        };
        let report = Report {
            pause: Some((&*origin, Duration::from_secs(10))),
            ..Report::default()
        };
        scheduler.leave(taken, &report, now, &mut effects);
        if host >= 100 {
            match scheduler.arrive(&origin, now, &mut effects) {
                Arrival::Go(_) => panic!("it is paused"),
                Arrival::Wait(id) => tickets.insert(host, id),
            };
        }
    }
    let later = now + Duration::from_secs(10);
    for (&host, &ticket) in tickets.iter().rev() {
        let newcomer = scheduler.arrive(&host_name(host), later, &mut effects);
        assert!(
            scheduler.lacking(ticket).is_none(),
            "somebody waits for host {host}, and a newcomer went: {newcomer:?}"
        );
    }
}
