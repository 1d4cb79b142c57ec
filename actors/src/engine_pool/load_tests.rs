//! Queue, admission and stretch together under load, in simulated time: the figures the real machine must reach, with its
//! measured costs, before any socket is opened.

use crate::engine_pool::admission::{AdmissionConfig, Admissions};
use crate::engine_pool::queue::{Entry, Moment, Queue, QueueConfig, Running, Submitted, Work};
use crate::engine_pool::stretch::{CROWDED, STEP, Stretch};
use crate::ports::engine::{StreamKey, UnitKind};
use crate::testkit::Random;
use std::collections::HashMap;
use std::time::Duration;

const WORKERS: usize = 2;
const LIVE_COST: f32 = 0.105;
const TICK: Duration = Duration::from_millis(5);

/// CPU seconds of an interim per second of the utterance so far: 0.075 per second of audio at a step of 0.5 s.
const INTERIM_COST: f64 = 0.0125;
/// CPU seconds of a final per second of its audio.
const FINAL_COST: f64 = 0.03;
/// A batch unit: 25 s of audio by the large model.
const BATCH_SECONDS: f64 = 1.0;

/// What a unit costs and whom it answers.
#[derive(Clone, Copy, Debug)]
struct Task {
    stream: usize,
    cpu_s: f64,
    asked: Moment,
}

impl Work for Task {
    fn is_abandoned(&self) -> bool {
        false
    }
}

/// A speaker: utterances of 2 to 8 s, pauses of 0.3 to 1 s.
struct Speaker {
    key: StreamKey,
    begun: Moment,
    ends: Moment,
    next_interim: Moment,
    answered: bool,
}

#[derive(Default)]
struct Measured {
    admitted: usize,
    /// From the end of an utterance to its final, sorted.
    final_lags_s: Vec<f64>,
    interims: usize,
    speech_s: f64,
    batch_units: usize,
    stretch: f32,
}

impl Measured {
    fn final_p95_s(&self) -> f64 {
        self.final_lags_s[self.final_lags_s.len() * 95 / 100]
    }

    /// Seconds of speech per interim.
    fn step_s(&self) -> f64 {
        self.speech_s / self.interims as f64
    }
}

/// Runs `asked` streams that all knock at once, and `jobs` endless batch jobs, for three minutes on workers that get
/// `share` of a core each.
fn run(asked: usize, jobs: usize, share: f64, seed: u64) -> Measured {
    let mut random = Random::new(seed);
    let config =
        QueueConfig { workers: WORKERS, batch_patience: Duration::from_secs(10), finals_per_key: 32 };
    let mut queue = Queue::new(config);
    let mut admissions = Admissions::new(AdmissionConfig::default(), WORKERS);
    let mut stretch = Stretch::default();
    let mut measured = Measured::default();
    let mut speakers = Vec::new();
    for number in 0..asked {
        if admissions.admit(LIVE_COST, 1, Duration::ZERO, Duration::ZERO).is_ok() {
            let key = StreamKey(number as u64);
            queue.stream_opened(key);
            let begun = Duration::from_millis(random.below(3_000));
            let ends = begun + Duration::from_millis(2_000 + random.below(6_000));
            speakers.push(Speaker { key, begun, ends, next_interim: begun + STEP, answered: true });
        }
    }
    measured.admitted = speakers.len();
    let mut running: HashMap<usize, (Moment, Entry<Task>, Running)> = HashMap::new();
    let mut jobs_idle: Vec<usize> = (0..jobs).collect();
    let mut now = Duration::ZERO;
    while now < Duration::from_secs(180) {
        now += TICK;
        for worker in 0..WORKERS {
            if running.get(&worker).is_none_or(|(end, ..)| *end > now) {
                continue;
            }
            let Some((_, entry, was)) = running.remove(&worker) else { continue };
            queue.done(was, now);
            let Task { stream, cpu_s, asked } = entry.work;
            match entry.kind {
                UnitKind::Interim => {
                    measured.interims += 1;
                    speakers[stream].answered = true;
                }
                UnitKind::Final => {
                    admissions.final_ended(Duration::from_secs_f64(cpu_s / share), now);
                    measured.final_lags_s.push((now - asked).as_secs_f64());
                }
                UnitKind::Batch => {
                    measured.batch_units += 1;
                    jobs_idle.push(stream);
                }
            }
        }
        let oldest = queue.oldest_interim().map_or(Duration::ZERO, |since| now - since);
        let factor = stretch.factor(oldest, now);
        measured.stretch = measured.stretch.max(factor);
        for (number, speaker) in speakers.iter_mut().enumerate() {
            if now < speaker.begun {
                continue;
            }
            let length_s = (now.min(speaker.ends) - speaker.begun).as_secs_f64();
            let entry = |kind, cost: f64| Entry {
                key: speaker.key,
                channel: 0,
                kind,
                deadline: now + Duration::from_secs(2),
                since: now,
                failures: 0,
                work: Task { stream: number, cpu_s: cost * length_s, asked: now },
            };
            if now >= speaker.ends {
                measured.speech_s += length_s;
                let taken = queue.submit(entry(UnitKind::Final, FINAL_COST));
                assert!(matches!(taken, Submitted::Waits(_)), "a final was refused, seed {seed}");
                speaker.begun = now + Duration::from_millis(300 + random.below(700));
                speaker.ends = speaker.begun + Duration::from_millis(2_000 + random.below(6_000));
                speaker.next_interim = speaker.begun + STEP;
                speaker.answered = true;
            } else if now >= speaker.next_interim && speaker.answered {
                queue.submit(entry(UnitKind::Interim, INTERIM_COST));
                speaker.next_interim = now + STEP.mul_f32(factor);
                speaker.answered = false;
            }
        }
        for job in jobs_idle.drain(..) {
            let work = Task { stream: job, cpu_s: BATCH_SECONDS, asked: now };
            let key = StreamKey(1_000 + job as u64);
            let deadline = now + Duration::from_secs(60);
            let kind = UnitKind::Batch;
            queue.submit(Entry { key, channel: 0, kind, deadline, since: now, failures: 0, work });
        }
        for worker in 0..WORKERS {
            if !running.contains_key(&worker)
                && let Some((entry, was)) = queue.next(now, factor > CROWDED)
            {
                let wait = now - entry.since;
                match entry.kind {
                    UnitKind::Interim => stretch.note(wait, now),
                    UnitKind::Final => admissions.final_begun(wait, now),
                    UnitKind::Batch => {}
                }
                let end = now + Duration::from_secs_f64(entry.work.cpu_s / share);
                running.insert(worker, (end, entry, was));
            }
        }
    }
    measured.final_lags_s.sort_by(f64::total_cmp);
    println!(
        "{asked} asked, {jobs} jobs, share {share}, seed {seed}: {} admitted, final p95 {:.2} s, max {:.2} s, step {:.2} s, \
         stretch up to {:.1}, {} batch units",
        measured.admitted,
        measured.final_p95_s(),
        measured.final_lags_s.last().copied().unwrap_or_default(),
        measured.step_s(),
        measured.stretch,
        measured.batch_units,
    );
    measured
}

#[test]
fn ten_streams_keep_their_cadence_and_their_finals_come_within_a_second() {
    for seed in 0..5 {
        let measured = run(10, 0, 0.8, seed);
        assert_eq!(measured.admitted, 10);
        assert!(measured.final_p95_s() <= 1.0, "seed {seed}");
        assert!(measured.step_s() <= 0.8, "seed {seed}");
    }
}

#[test]
fn of_thirty_those_admitted_keep_their_finals_within_two_seconds() {
    for seed in 0..5 {
        // The load generator takes its part of the same cores.
        let measured = run(30, 0, 0.7, seed);
        assert!((10..30).contains(&measured.admitted), "seed {seed}");
        assert!(measured.final_p95_s() <= 2.0, "seed {seed}");
        assert!(measured.stretch > 1.0, "seed {seed}");
    }
}

#[test]
fn batch_uses_what_live_leaves_and_never_starves() {
    for seed in 0..5 {
        let beside_few = run(2, 3, 0.8, seed);
        let beside_ten = run(10, 3, 0.8, seed);
        let beside_many = run(30, 3, 0.8, seed);
        // Two streams leave most of a worker; a full house leaves a unit per patience.
        assert!(beside_few.batch_units > 60, "seed {seed}");
        assert!(beside_many.batch_units >= 180 / 12, "seed {seed}");
        assert!(beside_few.final_p95_s() <= 1.0, "seed {seed}");
        assert!(beside_ten.final_p95_s() <= 1.0, "seed {seed}");
        assert!(beside_ten.step_s() <= 0.8, "seed {seed}");
        assert!(beside_many.final_p95_s() <= 2.0, "seed {seed}");
    }
}
