//! Every metric and its name, in Prometheus' text format. Read from snapshots when asked for: nothing counts here.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use sottovoce_actors::engine_pool::PoolStats;
use sottovoce_actors::ports::engine::UnitKind;
use std::sync::atomic::AtomicU64;

/// What the process shows besides the engine pool.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Open live sockets.
    pub live_sockets: u64,
    /// Open status sockets.
    pub status_sockets: u64,
    /// Queued jobs, `None` where the index did not answer.
    pub queued_jobs: Option<u64>,
    /// Resident memory in bytes, where the system tells.
    pub resident_bytes: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Outcome {
    kind: &'static str,
    outcome: &'static str,
}

type FloatCounter = Counter<f64, AtomicU64>;
type FloatGauge = Gauge<f64, AtomicU64>;

const KINDS: [(UnitKind, &str); 3] =
    [(UnitKind::Interim, "interim"), (UnitKind::Final, "final"), (UnitKind::Batch, "batch")];

/// Returns the metrics page.
pub fn render(pool: &PoolStats, gauges: Gauges) -> String {
    let mut registry = Registry::with_prefix("sottovoce");
    let gauge = |registry: &mut Registry, name: &str, help: &str, value: u64| {
        let gauge = Gauge::<i64>::default();
        gauge.set(value as i64);
        registry.register(name, help, gauge);
    };
    gauge(&mut registry, "live_sockets", "Open live sockets", gauges.live_sockets);
    gauge(&mut registry, "status_sockets", "Open status sockets", gauges.status_sockets);
    if let Some(queued) = gauges.queued_jobs {
        gauge(&mut registry, "queued_jobs", "Jobs that wait in the queue", queued);
    }
    if let Some(bytes) = gauges.resident_bytes {
        gauge(&mut registry, "resident_memory_bytes", "Resident memory of the process", bytes);
    }
    gauge(&mut registry, "live_streams", "Live channels admitted now", pool.streams);
    gauge(&mut registry, "live_stream_capacity", "Live channels that the machine carries", pool.capacity);
    gauge(&mut registry, "engine_workers", "Engine worker threads", pool.workers);
    gauge(&mut registry, "engine_busy_workers", "Engine workers that compute now", pool.busy_workers);
    gauge(&mut registry, "engine_listen_waiting", "Pieces of raw audio that wait", pool.waiting_to_listen);
    engine(&mut registry, pool);
    let mut page = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut page, &registry);
    page
}

fn engine(registry: &mut Registry, pool: &PoolStats) {
    let (waiting, units) = (Family::<Kind, Gauge>::default(), Family::<Outcome, Counter>::default());
    let (busy, audio) = (Family::<Kind, FloatCounter>::default(), Family::<Kind, FloatCounter>::default());
    let counted = &pool.counted;
    for (kind, name) in KINDS {
        waiting.get_or_create(&Kind { kind: name }).set(pool.waiting[kind] as i64);
        for (outcome, count) in [
            ("done", counted.done[kind]),
            ("failed", counted.failed[kind]),
            ("retried", counted.retried[kind]),
        ] {
            units.get_or_create(&Outcome { kind: name, outcome }).inc_by(count);
        }
        busy.get_or_create(&Kind { kind: name }).inc_by(counted.busy_s[kind]);
        audio.get_or_create(&Kind { kind: name }).inc_by(counted.audio_s[kind]);
    }
    units.get_or_create(&Outcome { kind: "interim", outcome: "superseded" }).inc_by(counted.superseded);
    registry.register("engine_waiting_units", "Units of work that wait", waiting);
    registry.register("engine_units", "Units of work by how they ended", units);
    registry.register_with_unit("engine_busy", "Worker time spent", Unit::Seconds, busy);
    registry.register_with_unit("engine_audio", "Length of the audio recognised", Unit::Seconds, audio);

    let admissions = Family::<Outcome, Counter>::default();
    admissions.get_or_create(&Outcome { kind: "live", outcome: "admitted" }).inc_by(counted.admitted);
    admissions.get_or_create(&Outcome { kind: "live", outcome: "refused" }).inc_by(counted.refused);
    registry.register("streams", "Live streams asked for", admissions);

    let listening = FloatCounter::default();
    listening.inc_by(counted.listening_s);
    registry.register_with_unit("engine_listening", "Listening time spent", Unit::Seconds, listening);
    for (name, help, value) in [
        ("engine_final_wait", "Mean wait of finals lately", pool.final_wait_s),
        ("engine_oldest_wait", "Age of the oldest waiting unit", pool.oldest_wait_s),
    ] {
        let gauge = FloatGauge::default();
        gauge.set(value);
        registry.register_with_unit(name, help, Unit::Seconds, gauge);
    }
    let stretch = FloatGauge::default();
    stretch.set(f64::from(pool.interim_stretch));
    registry.register("engine_interim_stretch", "Factor by which interim steps are stretched", stretch);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_what_operators_watch() {
        let mut pool = PoolStats { streams: 3, capacity: 14, ..PoolStats::default() };
        pool.counted.done[UnitKind::Final] = 7;
        let page = render(&pool, Gauges { live_sockets: 2, queued_jobs: Some(5), ..Gauges::default() });
        for line in [
            "sottovoce_live_sockets 2",
            "sottovoce_queued_jobs 5",
            "sottovoce_live_streams 3",
            "sottovoce_live_stream_capacity 14",
            "sottovoce_engine_units_total{kind=\"final\",outcome=\"done\"} 7",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
    }
}
