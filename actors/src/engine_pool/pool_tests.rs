//! The pool with the scripted engine: fairness, failure, superseding and stopping.

use super::*;
use crate::ports::ear::{AudioFormat, Ears, Encoding};
use crate::testkit::{Fault, Hold, ScriptedEars, ScriptedEngine, tone};

/// Bounds a wait that only a bug makes long.
const PATIENCE: Duration = Duration::from_secs(30);

fn pool(engine: &ScriptedEngine, workers: usize) -> EnginePool {
    let config = PoolConfig { workers, ..PoolConfig::default() };
    EnginePool::start(Arc::new(engine.clone()), config).expect("the system gives threads")
}

fn unit(kind: UnitKind, words: &[u32]) -> Unit {
    Unit { audio: tone::speak(words).into(), draft: Vec::new(), kind, model: ModelId::new("moonshine") }
}

fn submit(pool: &EnginePool, key: u64, kind: UnitKind, words: &[u32]) -> oneshot::Receiver<Outcome> {
    pool.submit(StreamKey(key), 0, unit(kind, words), Duration::from_secs(1))
}

fn heard(outcome: oneshot::Receiver<Outcome>) -> String {
    match outcome.blocking_recv() {
        Ok(Outcome::Heard(hypothesis)) => hypothesis.text,
        other => panic!("not heard: {other:?}"),
    }
}

#[test]
fn units_of_many_streams_come_back_to_their_owners() {
    let engine = ScriptedEngine::new();
    let pool = pool(&engine, 3);
    let outcomes: Vec<_> =
        (0..40).map(|key| submit(&pool, u64::from(key), UnitKind::Final, &[key, key + 1])).collect();
    for (key, outcome) in (0..).zip(outcomes) {
        assert_eq!(heard(outcome), tone::caption(&[key, key + 1]));
    }
    let stats = pool.stats();
    assert_eq!(stats.counted.done.r#final, 40);
    assert!((stats.counted.audio_s.r#final - 8.0).abs() < 1e-6);
    assert!(pool.stop(PATIENCE));
}

#[test]
fn a_held_worker_shows_order_and_coalescing() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let pool = pool(&engine, 1);
    let first = submit(&pool, 1, UnitKind::Interim, &[0]);
    hold.wait_for_held(1);
    let batch = submit(&pool, 9, UnitKind::Batch, &[1]);
    let overtaken = submit(&pool, 2, UnitKind::Interim, &[2]);
    let interim = submit(&pool, 2, UnitKind::Interim, &[3]);
    let last = submit(&pool, 3, UnitKind::Final, &[4]);
    assert!(matches!(overtaken.blocking_recv(), Ok(Outcome::Superseded)));
    assert_eq!(pool.stats().waiting, ByKind { interim: 1, r#final: 1, batch: 1 });
    hold.release();
    for (outcome, word) in [(first, 0), (batch, 1), (interim, 3), (last, 4)] {
        assert_eq!(heard(outcome), tone::text(word));
    }
    let order: Vec<String> = engine.calls().into_iter().map(|call| call.text).collect();
    assert_eq!(order, ["w0", "w4", "w3", "w1"]);
    assert_eq!(pool.stats().counted.superseded, 1);
}

#[test]
fn a_panic_costs_one_attempt_and_never_the_worker() {
    let engine = ScriptedEngine::new().with_fault(0, Fault::Panic).with_fault(2, Fault::Fail);
    let pool = pool(&engine, 1);
    assert_eq!(heard(submit(&pool, 1, UnitKind::Final, &[5])), "w5");
    assert_eq!(heard(submit(&pool, 2, UnitKind::Batch, &[6])), "w6");
    assert_eq!(engine.calls().len(), 4);
    assert_eq!(pool.stats().counted.retried, ByKind { interim: 0, r#final: 1, batch: 1 });
}

#[test]
fn a_computation_is_batch_work_that_gives_way_and_is_tried_twice() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let pool = pool(&engine, 1);
    let held = submit(&pool, 1, UnitKind::Final, &[0]);
    hold.wait_for_held(1);
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let seen = engine.clone();
    let once_bad: Computation = Arc::new(move || {
        let mut calls = counted.lock().expect("no panic while it is held");
        *calls += 1;
        let (call, units) = (*calls, seen.calls().len());
        drop(calls);
        assert!(call > 1, "planned panic");
        Ok(format!("after {units} units"))
    });
    let computed = pool.compute(StreamKey(7), once_bad);
    let second = pool.compute(StreamKey(7), Arc::new(|| Ok("too many of one key".into())));
    let later = submit(&pool, 2, UnitKind::Final, &[1]);
    assert!(matches!(second.blocking_recv(), Ok(Err(EngineError::Failed(_)))));
    hold.release();
    assert_eq!((heard(held), heard(later)), ("w0".into(), "w1".into()));
    assert_eq!(computed.blocking_recv().expect("an answer").expect("computed"), "after 2 units");
    let always_bad = pool.compute(StreamKey(7), Arc::new(|| Err(EngineError::Failed("planned".into()))));
    assert!(matches!(always_bad.blocking_recv(), Ok(Err(EngineError::Failed(_)))));
    assert_eq!(pool.stats().counted.retried.batch, 2);
    assert!(pool.stop(PATIENCE));
    let late = pool.compute(StreamKey(7), Arc::new(|| Ok(String::new())));
    assert!(matches!(late.blocking_recv(), Ok(Err(EngineError::Stopping))));
}

#[test]
fn a_final_that_fails_twice_and_an_interim_that_fails_once_are_failed() {
    let engine = ScriptedEngine::new()
        .with_fault(0, Fault::Panic)
        .with_fault(1, Fault::Panic)
        .with_fault(2, Fault::Panic);
    let pool = pool(&engine, 1);
    for kind in [UnitKind::Final, UnitKind::Interim] {
        let outcome = submit(&pool, 1, kind, &[5]).blocking_recv();
        assert!(
            matches!(&outcome, Ok(Outcome::Failed(EngineError::Failed(text))) if text.contains("planned panic")),
            "{outcome:?}"
        );
    }
    assert_eq!(pool.stats().counted.failed, ByKind { interim: 1, r#final: 1, batch: 0 });
    assert_eq!(heard(submit(&pool, 1, UnitKind::Interim, &[8])), "w8");
}

#[test]
fn a_unit_whose_owner_went_is_not_computed() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let pool = pool(&engine, 1);
    let first = submit(&pool, 1, UnitKind::Final, &[0]);
    hold.wait_for_held(1);
    drop(submit(&pool, 2, UnitKind::Final, &[1]));
    let last = submit(&pool, 3, UnitKind::Final, &[2]);
    hold.release();
    assert_eq!(heard(first), "w0");
    assert_eq!(heard(last), "w2");
    assert_eq!(engine.calls().len(), 2);
}

#[test]
fn a_unit_that_is_too_long_is_refused() {
    let pool = pool(&ScriptedEngine::new(), 1);
    let audio = tone::silence((MAX_UNIT_SECONDS * SAMPLE_RATE_HZ) as usize + 1);
    let unit = Unit { audio: audio.into(), ..unit(UnitKind::Batch, &[]) };
    let outcome = pool.submit(StreamKey(1), 0, unit, Duration::ZERO).blocking_recv();
    assert!(matches!(outcome, Ok(Outcome::Failed(EngineError::BadUnit(_)))));
}

#[test]
fn stopping_finishes_the_finals_and_refuses_the_rest() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let pool = Arc::new(pool(&engine, 1));
    let first = submit(&pool, 1, UnitKind::Final, &[0]);
    hold.wait_for_held(1);
    let last = submit(&pool, 2, UnitKind::Final, &[1]);
    let interim = submit(&pool, 3, UnitKind::Interim, &[2]);
    let stopper = {
        let pool = pool.clone();
        thread::spawn(move || pool.stop(PATIENCE))
    };
    // The interim is refused as soon as the stop has begun; only then is the worker let go.
    assert!(matches!(interim.blocking_recv(), Ok(Outcome::Failed(EngineError::Stopping))));
    let late = submit(&pool, 4, UnitKind::Final, &[3]).blocking_recv();
    assert!(matches!(late, Ok(Outcome::Failed(EngineError::Stopping))));
    assert!(pool.admit(&ModelId::new("moonshine"), 1).is_err());
    hold.release();
    assert_eq!(heard(first), "w0");
    assert_eq!(heard(last), "w1");
    assert!(stopper.join().expect("stop returns"));
}

#[test]
fn a_stop_does_not_wait_longer_than_it_was_told() {
    let hold = Hold::default();
    let engine = ScriptedEngine::new().with_fault(0, Fault::Hold(hold.clone()));
    let pool = pool(&engine, 1);
    let _stuck = submit(&pool, 1, UnitKind::Final, &[0]);
    hold.wait_for_held(1);
    let last = submit(&pool, 2, UnitKind::Final, &[1]);
    assert!(!pool.stop(Duration::from_millis(20)));
    assert!(matches!(last.blocking_recv(), Ok(Outcome::Failed(EngineError::Stopping))));
    hold.release();
    assert!(pool.stop(PATIENCE));
}

#[test]
fn admitted_streams_give_their_place_back() {
    let admission = AdmissionConfig { max_streams: 2, ..AdmissionConfig::default() };
    let config = PoolConfig { workers: 1, admission, ..PoolConfig::default() };
    let pool = EnginePool::start(Arc::new(ScriptedEngine::new()), config).expect("the system gives threads");
    let model = ModelId::new("moonshine");
    let first = pool.admit(&model, 1).expect("room for two");
    let second = pool.admit(&model, 1).expect("room for two");
    assert_ne!(first.key, second.key);
    let full = pool.admit(&model, 1).err().expect("no room for three");
    assert!(matches!(full, Refused::Full { retry_after } if retry_after >= Duration::from_secs(2)), "{full}");
    drop(first);
    let stats = pool.stats();
    assert_eq!((stats.streams, stats.capacity), (1, 2));
    assert_eq!((stats.counted.admitted, stats.counted.refused), (2, 1));
    assert!(pool.admit(&model, 1).is_ok());
}

fn format() -> AudioFormat {
    AudioFormat { encoding: Encoding::Linear16, sample_rate_hz: 16_000, channels: 1, multichannel: false }
}

#[test]
fn listening_brings_the_ear_back_with_its_state_and_flushes_it() {
    let pool = pool(&ScriptedEngine::new(), 1);
    let bytes = tone::linear16(&tone::speak(&[1, 2, 3]));
    let mut ear = Some(ScriptedEars.open(format()));
    let mut samples = Vec::new();
    let mut pieces = bytes.chunks(777).peekable();
    while let Some(piece) = pieces.next() {
        let listened = pool
            .listen(ear.take().expect("it came back"), Bytes::copy_from_slice(piece), pieces.peek().is_none())
            .blocking_recv()
            .expect("answered");
        ear = listened.ear;
        listened.heard.expect("heard").into_iter().for_each(|heard| samples.extend(heard.samples));
    }
    assert_eq!(tone::hear(&samples).iter().map(|tone| tone.word).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(pool.stats().counted.listening_s > 0.0);
}

struct PanickingEar;

impl Ear for PanickingEar {
    fn hear(&mut self, _: &[u8]) -> Result<Vec<Heard>, EngineError> {
        std::panic::panic_any("planned panic")
    }

    fn flush(&mut self) -> Result<Vec<Heard>, EngineError> {
        Ok(Vec::new())
    }
}

#[test]
fn an_ear_that_panics_is_lost_and_the_listener_is_not() {
    let pool = pool(&ScriptedEngine::new(), 1);
    let listened =
        pool.listen(Box::new(PanickingEar), Bytes::new(), false).blocking_recv().expect("answered");
    assert!(listened.ear.is_none() && listened.heard.is_err());
    let listened =
        pool.listen(ScriptedEars.open(format()), Bytes::new(), false).blocking_recv().expect("answered");
    assert!(listened.ear.is_some() && listened.heard.is_ok());
}
