//! The algorithm against servers in a discrete-event simulation: whether it finds the knee.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use super::{AdaptiveConcurrency, AdaptiveLimit, Sample, SampleOutcome};

/// A server that works on so many requests at a time, and what it does with more.
#[derive(Clone, Copy, Debug)]
struct Server {
    knee: usize,
    /// The mean.
    service_time: Duration,
    times: Times,
    beyond: Beyond,
}

#[derive(Clone, Copy, Debug)]
enum Times {
    Same,
    /// Between this part less than the mean and as much more.
    Within(f64),
    /// As if by chance at every moment.
    Exponential,
}

#[derive(Clone, Copy, Debug)]
enum Beyond {
    Queues,
    Refuses,
}

/// How long it takes to say no.
const REFUSAL: Duration = Duration::from_millis(2);

impl Server {
    fn queueing(knee: usize, millis: u64, times: Times) -> Self {
        Self {
            knee,
            service_time: Duration::from_millis(millis),
            times,
            beyond: Beyond::Queues,
        }
    }

    fn refusing(knee: usize, millis: u64, times: Times) -> Self {
        Self {
            beyond: Beyond::Refuses,
            ..Self::queueing(knee, millis, times)
        }
    }

    fn time(&self, chance: &mut fastrand::Rng) -> Duration {
        match self.times {
            Times::Same => self.service_time,
            Times::Within(part) => self
                .service_time
                .mul_f64(1.0 + part * (2.0 * chance.f64() - 1.0)),
            Times::Exponential => self
                .service_time
                .mul_f64(-chance.f64().max(f64::MIN_POSITIVE).ln()),
        }
    }
}

/// A client that always has as many requests as the limit lets go, or as many as it has.
struct World {
    now: Instant,
    limit: AdaptiveLimit,
    demand: usize,
    in_flight: usize,
    server: Server,
    working: usize,
    /// When those began that wait at the server.
    queue: VecDeque<Instant>,
    /// Ends: when, in which order, begun when, refused.
    ends: BinaryHeap<Reverse<(Instant, u64, Instant, bool)>>,
    order: u64,
    chance: fastrand::Rng,
}

/// How the limit was in a stretch of time.
#[derive(Debug)]
struct Seen {
    mean: f64,
    lowest: usize,
    highest: usize,
    refused: usize,
    done: usize,
}

impl World {
    fn new(settings: &AdaptiveConcurrency, server: Server, seed: u64) -> Self {
        settings.check().unwrap();
        Self {
            now: Instant::now(),
            limit: settings.start(),
            demand: usize::MAX,
            in_flight: 0,
            server,
            working: 0,
            queue: VecDeque::new(),
            ends: BinaryHeap::new(),
            order: 0,
            chance: fastrand::Rng::with_seed(seed),
        }
    }

    fn run(&mut self, time: Duration) -> Seen {
        let (begun, until) = (self.now, self.now + time);
        let mut seen = Seen {
            mean: 0.0,
            lowest: usize::MAX,
            highest: 0,
            refused: 0,
            done: 0,
        };
        while self.now < until {
            while self.in_flight < self.limit.limit().min(self.demand) {
                self.send();
            }
            let Reverse((end, _, sent, refused)) = self.ends.pop().unwrap();
            let limit = self.limit.limit();
            seen.mean += to_f64(limit) * (end - self.now).as_secs_f64();
            seen.lowest = seen.lowest.min(limit);
            seen.highest = seen.highest.max(limit);
            self.now = end;
            if refused {
                seen.refused += 1;
            } else {
                seen.done += 1;
                self.working -= 1;
                self.work();
            }
            let outcome = if refused {
                SampleOutcome::Overloaded
            } else {
                SampleOutcome::Done
            };
            let sample = Sample {
                latency: end - sent,
                in_flight: self.in_flight,
                outcome,
            };
            self.in_flight -= 1;
            self.limit.finished(sample, end);
        }
        seen.mean /= (self.now - begun).as_secs_f64();
        seen
    }

    fn send(&mut self) {
        self.in_flight += 1;
        let full = self.working + self.queue.len() >= self.server.knee;
        if full && matches!(self.server.beyond, Beyond::Refuses) {
            self.end(REFUSAL, self.now, true);
        } else {
            self.queue.push_back(self.now);
            self.work();
        }
    }

    fn work(&mut self) {
        while self.working < self.server.knee {
            let Some(sent) = self.queue.pop_front() else {
                return;
            };
            self.working += 1;
            let time = self.server.time(&mut self.chance);
            self.end(time, sent, false);
        }
    }

    fn end(&mut self, after: Duration, sent: Instant, refused: bool) {
        self.order += 1;
        self.ends
            .push(Reverse((self.now + after, self.order, sent, refused)));
    }
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[track_caller]
fn assert_at(knee: usize, seen: &Seen, what: &str) {
    let ratio = seen.mean / to_f64(knee);
    assert!((0.8..=1.2).contains(&ratio), "{what}: {ratio:.2}, {seen:?}");
}

/// With the service times that the limit may take to settle.
const TIMES: [(Times, u32); 4] = [
    (Times::Same, 400),
    (Times::Within(0.3), 400),
    (Times::Within(0.9), 800),
    (Times::Exponential, 3_000),
];

#[test]
fn finds_the_knee_from_below_and_from_above() {
    for knee in [5, 20, 60] {
        for (number, (times, settling)) in TIMES.into_iter().enumerate() {
            if knee == 5 && matches!(times, Times::Exponential) {
                // One place more or less is a fifth, and drowns in times like these.
                continue;
            }
            for initial in [1, 4, knee * 4] {
                let settings = AdaptiveConcurrency::default().initial(initial);
                let millis = [5, 50, 400][(knee + number) % 3];
                for server in [
                    Server::queueing(knee, millis, times),
                    Server::refusing(knee, millis, times),
                ] {
                    let mut world = World::new(&settings, server, 1);
                    world.run(server.service_time * settling);
                    let seen = world.run(server.service_time * 500);
                    assert_at(knee, &seen, &format!("{server:?} from {initial}"));
                    // It is not found by running into it again and again.
                    assert!(seen.refused <= seen.done / 20, "{server:?}: {seen:?}");
                }
            }
        }
    }
}

#[test]
fn follows_a_knee_that_moves_and_times_that_change() {
    let settings = AdaptiveConcurrency::default();
    for server in [
        Server::queueing(50, 20, Times::Within(0.3)),
        Server::refusing(50, 20, Times::Within(0.3)),
    ] {
        let mut world = World::new(&settings, server, 2);
        for (knee, millis) in [(50, 20), (12, 20), (80, 20), (80, 60), (40, 30), (40, 10)] {
            world.server.knee = knee;
            world.server.service_time = Duration::from_millis(millis);
            world.run(world.server.service_time * 800);
            let seen = world.run(world.server.service_time * 500);
            assert_at(knee, &seen, &format!("{:?}", world.server));
        }
    }
}

#[test]
fn a_client_with_little_to_do_teaches_nothing() {
    let server = Server::queueing(50, 20, Times::Within(0.3));
    let mut world = World::new(&AdaptiveConcurrency::default(), server, 3);
    world.run(server.service_time * 600);
    let before = world.limit.limit();
    world.demand = 5;
    // What was in flight ends, and then there are five at a time, whatever they take.
    world.run(server.service_time * 3);
    let filled = world.limit.limit();
    assert!(filled.abs_diff(before) * 5 <= before, "{before} {filled}");
    for millis in [20, 5, 200] {
        world.server.service_time = Duration::from_millis(millis);
        let seen = world.run(Duration::from_secs(60));
        assert_eq!((seen.lowest, seen.highest), (filled, filled));
    }
}

#[test]
fn a_few_errors_are_no_overload_and_many_are() {
    let settings = AdaptiveConcurrency::default().initial(100);
    let sample = |outcome| Sample {
        latency: Duration::ZERO,
        in_flight: 50,
        outcome,
    };
    let now = Instant::now();
    let mut limit = settings.start();
    for number in 1..1_000 {
        let outcome = if number % 50 == 0 {
            SampleOutcome::Overloaded
        } else {
            SampleOutcome::Done
        };
        limit.finished(sample(outcome), now);
        limit.finished(sample(SampleOutcome::Ignored), now);
    }
    assert_eq!(limit.limit(), 100);
    // A host that refuses everything is asked by the least there can be.
    for _ in 0..1_000 {
        limit.finished(sample(SampleOutcome::Overloaded), now);
    }
    assert_eq!(limit.limit(), 1);
}

#[test]
fn settings_bound_the_limit() {
    let server = Server::queueing(50, 20, Times::Same);
    for (min, max) in [(60, 1_000), (1, 20), (30, 30)] {
        let settings = AdaptiveConcurrency::default().min(min).max(max);
        let seen = World::new(&settings, server, 4).run(Duration::from_secs(20));
        assert!(seen.lowest >= min && seen.highest <= max, "{seen:?}");
    }
    for settings in [
        AdaptiveConcurrency::default().min(0),
        AdaptiveConcurrency::default().min(5).max(4),
        AdaptiveConcurrency::default().max(usize::MAX),
        AdaptiveConcurrency::default().tolerance(0.0),
        AdaptiveConcurrency::default().tolerance(f64::NAN),
    ] {
        let error = settings.check().unwrap_err().to_string();
        assert!(error.starts_with("adaptive cannot be a "), "{error}");
        assert!(settings.start().limit() >= 1);
    }
}
