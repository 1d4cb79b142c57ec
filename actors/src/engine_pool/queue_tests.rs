//! The queue alone: whose turn it is.

use super::*;
use crate::testkit::random::Random;
use std::cell::Cell;
use std::rc::Rc;

/// A unit of the tests: a number, and a flag that its owner raises when it goes.
#[derive(Clone, Debug)]
struct Note {
    number: u64,
    gone: Rc<Cell<bool>>,
}

impl Work for Note {
    fn is_abandoned(&self) -> bool {
        self.gone.get()
    }
}

const fn ms(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn queue(workers: usize) -> Queue<Note> {
    Queue::new(QueueConfig { workers, batch_patience: ms(5_000), finals_per_key: 4 })
}

fn entry(number: u64, key: u64, kind: UnitKind, now: Moment) -> Entry<Note> {
    Entry {
        key: StreamKey(key),
        channel: 0,
        kind,
        deadline: now + ms(1_000),
        since: now,
        failures: 0,
        work: Note { number, gone: Rc::default() },
    }
}

fn take(queue: &mut Queue<Note>, now: Moment) -> Option<u64> {
    let (entry, running) = queue.next(now, false)?;
    queue.done(running, now);
    Some(entry.work.number)
}

#[test]
fn finals_come_before_interims_before_batch_and_go_by_deadline() {
    let mut queue = queue(2);
    queue.submit(entry(1, 1, UnitKind::Batch, ms(0)));
    queue.submit(entry(2, 2, UnitKind::Interim, ms(1)));
    queue.submit(entry(3, 3, UnitKind::Final, ms(3)));
    queue.submit(entry(4, 4, UnitKind::Final, ms(2)));
    let order: Vec<u64> = std::iter::from_fn(|| take(&mut queue, ms(4))).collect();
    assert_eq!(order, [4, 3, 2, 1]);
}

#[test]
fn a_newer_interim_or_a_final_takes_the_place_of_the_waiting_one_of_its_channel_only() {
    let mut queue = queue(1);
    queue.submit(entry(1, 1, UnitKind::Interim, ms(0)));
    let mut other_channel = entry(2, 1, UnitKind::Interim, ms(0));
    other_channel.channel = 1;
    assert!(matches!(queue.submit(other_channel), Submitted::Waits(None)));
    let Submitted::Waits(Some(older)) = queue.submit(entry(3, 1, UnitKind::Interim, ms(5))) else {
        panic!("the older interim of the channel stayed")
    };
    assert_eq!(older.number, 1);
    let Submitted::Waits(Some(older)) = queue.submit(entry(4, 1, UnitKind::Final, ms(6))) else {
        panic!("the interim outlived the final of its channel")
    };
    assert_eq!(older.number, 3);
    assert_eq!(take(&mut queue, ms(7)), Some(4));
    assert_eq!(take(&mut queue, ms(7)), Some(2));
    assert_eq!(take(&mut queue, ms(7)), None);
}

#[test]
fn a_replaced_interim_hands_its_wait_on() {
    let mut queue = queue(1);
    queue.submit(entry(1, 1, UnitKind::Interim, ms(0)));
    queue.submit(entry(2, 1, UnitKind::Interim, ms(500)));
    assert_eq!(queue.next(ms(900), false).map(|(entry, _)| entry.since), Some(ms(0)));
}

#[test]
fn an_interim_waits_for_the_one_of_its_channel_that_runs() {
    let mut queue = queue(2);
    queue.submit(entry(1, 1, UnitKind::Interim, ms(0)));
    let (_, running) = queue.next(ms(0), false).expect("an interim waits");
    queue.submit(entry(2, 1, UnitKind::Interim, ms(1)));
    assert!(queue.next(ms(1), false).is_none());
    queue.done(running, ms(2));
    assert_eq!(take(&mut queue, ms(2)), Some(2));
}

#[test]
fn the_stream_served_longest_ago_is_next() {
    let mut queue = queue(1);
    for key in 1..=3 {
        queue.stream_opened(StreamKey(key));
    }
    for (number, key) in [(1, 1), (2, 2), (3, 3)] {
        queue.submit(entry(number, key, UnitKind::Interim, ms(number)));
    }
    assert_eq!(take(&mut queue, ms(4)), Some(1));
    queue.submit(entry(4, 1, UnitKind::Interim, ms(4)));
    assert_eq!(take(&mut queue, ms(5)), Some(2));
    assert_eq!(take(&mut queue, ms(5)), Some(3));
    assert_eq!(take(&mut queue, ms(5)), Some(4));
}

#[test]
fn a_second_waiting_batch_unit_and_too_many_finals_of_a_key_are_refused() {
    let mut queue = queue(1);
    assert!(matches!(queue.submit(entry(1, 1, UnitKind::Batch, ms(0))), Submitted::Waits(None)));
    assert!(matches!(queue.submit(entry(2, 1, UnitKind::Batch, ms(0))), Submitted::Refused(_)));
    for number in 3..7 {
        assert!(matches!(queue.submit(entry(number, 2, UnitKind::Final, ms(0))), Submitted::Waits(None)));
    }
    assert!(matches!(queue.submit(entry(7, 2, UnitKind::Final, ms(0))), Submitted::Refused(_)));
    assert!(matches!(queue.submit(entry(8, 3, UnitKind::Final, ms(0))), Submitted::Waits(None)));
}

#[test]
fn abandoned_units_never_run_and_free_their_place() {
    let mut queue = queue(1);
    let units = [
        entry(1, 1, UnitKind::Final, ms(0)),
        entry(2, 2, UnitKind::Interim, ms(0)),
        entry(3, 3, UnitKind::Batch, ms(0)),
    ];
    for unit in units {
        unit.work.gone.set(true);
        queue.submit(unit);
    }
    assert!(matches!(queue.submit(entry(4, 3, UnitKind::Batch, ms(0))), Submitted::Waits(None)));
    assert_eq!(take(&mut queue, ms(9_000)), Some(4));
    assert_eq!(take(&mut queue, ms(9_000)), None);
    assert_eq!(queue.depth(), ByKind::default());
}

#[test]
fn batch_leaves_one_worker_to_live_streams_and_takes_all_without_them() {
    let mut queue = queue(2);
    queue.stream_opened(StreamKey(9));
    queue.submit(entry(1, 1, UnitKind::Batch, ms(0)));
    queue.submit(entry(2, 2, UnitKind::Batch, ms(0)));
    assert!(queue.next(ms(0), false).is_some());
    assert!(queue.next(ms(0), false).is_none());
    queue.stream_closed(StreamKey(9));
    assert!(queue.next(ms(0), false).is_some());
}

#[test]
fn batch_waits_its_patience_while_live_streams_are_crowded() {
    let mut queue = queue(2);
    queue.stream_opened(StreamKey(9));
    queue.submit(entry(1, 1, UnitKind::Batch, ms(0)));
    assert!(queue.next(ms(4_999), true).is_none());
    assert!(queue.next(ms(5_000), true).is_some());
}

#[test]
fn a_failed_final_keeps_its_rank() {
    let mut queue = queue(1);
    queue.submit(entry(1, 1, UnitKind::Final, ms(0)));
    let (failed, running) = queue.next(ms(0), false).expect("a final waits");
    queue.submit(entry(2, 2, UnitKind::Final, ms(1)));
    queue.done(running, ms(2));
    queue.resubmit(failed);
    assert_eq!(take(&mut queue, ms(2)), Some(1));
    assert_eq!(take(&mut queue, ms(2)), Some(2));
}

/// A unit that waits, as the simulation knows it.
struct Expected {
    key: StreamKey,
    channel: u16,
    kind: UnitKind,
    deadline: Moment,
    since: Moment,
    gone: Rc<Cell<bool>>,
}

/// Drives a queue with random arrivals, departures and service times, and checks every hand-out against the rules.
struct Simulation {
    queue: Queue<Note>,
    workers: usize,
    now: Moment,
    running: Vec<(Moment, Running)>,
    waiting: HashMap<u64, Expected>,
    open: HashSet<StreamKey>,
    /// Per waiting stream: how often each other was served an interim since it began to wait.
    passed: HashMap<StreamKey, HashMap<StreamKey, u32>>,
    batch_ended: Moment,
    served_finals: Vec<u64>,
    lost_finals: HashSet<u64>,
    /// Whether live streams are crowded now and then.
    crowds: bool,
    seed: u64,
}

const LONGEST_SERVICE: Moment = ms(1_500);

impl Simulation {
    fn submit(&mut self, number: u64, random: &mut Random) {
        let kind = match random.below(10) {
            0..=5 => UnitKind::Interim,
            6..=8 => UnitKind::Final,
            _ => UnitKind::Batch,
        };
        let key = StreamKey(random.below(6) + if kind == UnitKind::Batch { 100 } else { 0 });
        if kind != UnitKind::Batch && self.open.insert(key) {
            self.queue.stream_opened(key);
        }
        let channel = random.below(2) as u16;
        let deadline = self.now + ms(random.below(3_000));
        let gone: Rc<Cell<bool>> = Rc::default();
        let work = Note { number, gone: gone.clone() };
        let entry = Entry { key, channel, kind, deadline, since: self.now, failures: 0, work };
        match self.queue.submit(entry) {
            Submitted::Refused(_) => return,
            Submitted::Waits(None) => {}
            Submitted::Waits(Some(older)) => {
                let older = self.waiting.remove(&older.number).expect("it waited");
                let place = (older.key, older.channel, older.kind);
                assert_eq!(place, (key, channel, UnitKind::Interim), "seed {}", self.seed);
            }
        }
        if kind == UnitKind::Interim {
            self.passed.entry(key).or_default();
        }
        self.waiting.insert(number, Expected { key, channel, kind, deadline, since: self.now, gone });
    }

    /// Since when batch work waits while none of it runs.
    fn batch_idle_since(&self) -> Option<Moment> {
        let runs = self.running.iter().any(|(_, running)| running.kind == UnitKind::Batch);
        let waits = self.live(UnitKind::Batch).map(|unit| unit.since).min();
        waits.filter(|_| !runs).map(|since| since.max(self.batch_ended))
    }

    /// The units of a kind that somebody still waits for.
    fn live(&self, kind: UnitKind) -> impl Iterator<Item = &Expected> {
        self.waiting.values().filter(move |unit| unit.kind == kind && !unit.gone.get())
    }

    fn runs(&self, key: StreamKey, channel: u16) -> bool {
        self.running.iter().any(|(_, running)| (running.key, running.channel) == (key, channel))
    }

    fn hand_out(&mut self, random: &mut Random) {
        let crowded = self.crowds && random.below(4) == 0;
        while self.running.len() < self.workers {
            let batch_running =
                self.running.iter().filter(|(_, running)| running.kind == UnitKind::Batch).count();
            let Some((entry, running)) = self.queue.next(self.now, crowded) else {
                assert_eq!(self.live(UnitKind::Final).count(), 0, "a final was left, seed {}", self.seed);
                break;
            };
            let seed = self.seed;
            let idle_since = self.batch_idle_since();
            let unit = self.waiting.remove(&entry.work.number).expect("handed out once");
            let Expected { kind, deadline, gone, .. } = unit;
            assert!(!gone.get(), "an abandoned unit ran, seed {seed}");
            let earliest = self.live(UnitKind::Final).map(|unit| unit.deadline).min();
            match kind {
                UnitKind::Final => {
                    assert!(earliest.is_none_or(|earliest| deadline <= earliest), "seed {seed}");
                    self.served_finals.push(entry.work.number);
                }
                UnitKind::Interim => {
                    assert_eq!(earliest, None, "an interim passed a final, seed {seed}");
                    assert!(self.running.iter().all(|(_, other)| *other != running), "seed {seed}");
                    self.check_turn(entry.key);
                }
                UnitKind::Batch => {
                    let starved = idle_since.is_some_and(|since| self.now - since >= ms(5_000));
                    let runnable_live = self
                        .live(UnitKind::Interim)
                        .filter(|unit| !self.runs(unit.key, unit.channel))
                        .count()
                        + self.live(UnitKind::Final).count();
                    assert!(starved || runnable_live == 0, "batch passed live work, seed {seed}");
                    let limit = if self.open.is_empty() {
                        self.workers
                    } else {
                        self.workers.saturating_sub(1).max(1)
                    };
                    assert!(starved || !crowded || self.open.is_empty(), "batch joined a crowd, seed {seed}");
                    assert!(batch_running < limit, "batch holds too many workers, seed {seed}");
                }
            }
            if let Some(since) = idle_since {
                assert!(
                    kind == UnitKind::Batch || self.now - since < ms(5_000),
                    "batch starved since {since:?}, now {:?}, seed {seed}",
                    self.now
                );
            }
            let end = self.now + ms(1 + random.below(LONGEST_SERVICE.as_millis() as u64));
            self.running.push((end, running));
        }
    }

    /// While a stream waits, no other is served twice.
    fn check_turn(&mut self, served: StreamKey) {
        let blocked: HashSet<StreamKey> = self.running.iter().map(|(_, running)| running.key).collect();
        self.passed.remove(&served);
        let mut passed = std::mem::take(&mut self.passed);
        for (waiting, counts) in &mut passed {
            let waits = self.live(UnitKind::Interim).any(|unit| unit.key == *waiting);
            if !waits || blocked.contains(waiting) {
                counts.clear();
                continue;
            }
            let count = counts.entry(served).or_default();
            *count += 1;
            assert!(*count <= 1, "{served:?} was served twice while {waiting:?} waited, seed {}", self.seed);
        }
        self.passed = passed;
        if self.live(UnitKind::Interim).any(|unit| unit.key == served) {
            self.passed.insert(served, HashMap::new());
        }
    }

    fn advance(&mut self, to: Moment) {
        self.running.sort_by_key(|(end, _)| *end);
        self.now = to;
        while let Some(first) = self.running.first()
            && first.0 <= to
        {
            let (_, running) = self.running.remove(0);
            if running.kind == UnitKind::Batch {
                self.batch_ended = to;
            }
            self.queue.done(running, to);
        }
    }
}

#[test]
fn any_sequence_loses_no_final_and_keeps_the_order_the_turns_and_the_patience() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let workers = 1 + random.below(3) as usize;
        let mut sim = Simulation {
            queue: queue(workers),
            workers,
            now: ms(0),
            running: Vec::new(),
            waiting: HashMap::new(),
            open: HashSet::new(),
            passed: HashMap::new(),
            batch_ended: ms(0),
            served_finals: Vec::new(),
            lost_finals: HashSet::new(),
            crowds: true,
            seed,
        };
        let mut taken_finals = HashSet::new();
        for number in 0..400 {
            sim.submit(number, &mut random);
            if sim.waiting.get(&number).is_some_and(|unit| unit.kind == UnitKind::Final) {
                taken_finals.insert(number);
            }
            if random.below(20) == 0 {
                let mut waiting: Vec<u64> = sim.waiting.keys().copied().collect();
                waiting.sort_unstable();
                if let Some(number) = waiting.get(random.below(waiting.len() as u64) as usize) {
                    sim.waiting[number].gone.set(true);
                    sim.lost_finals.insert(*number);
                }
            }
            sim.hand_out(&mut random);
            // One arrival in four comes at once, so that queues build up and drain.
            let next = sim.running.iter().map(|(end, _)| *end).min();
            match (random.below(4), next) {
                (0, _) | (_, None) => sim.advance(sim.now + ms(random.below(100))),
                (_, Some(end)) => sim.advance(end.max(sim.now)),
            }
            sim.hand_out(&mut random);
        }
        sim.crowds = false;
        sim.hand_out(&mut random);
        while let Some(end) = sim.running.iter().map(|(end, _)| *end).max() {
            sim.advance(end);
            sim.hand_out(&mut random);
        }
        let served: HashSet<u64> = sim.served_finals.iter().copied().collect();
        assert_eq!(served.len(), sim.served_finals.len(), "a final ran twice, seed {seed}");
        for number in &taken_finals {
            let lost = sim.lost_finals.contains(number);
            assert!(
                served.contains(number) != lost,
                "final {number} was lost or ran for nobody, seed {seed}"
            );
        }
        assert_eq!(sim.queue.depth(), ByKind::default(), "something was left, seed {seed}");
    }
}
