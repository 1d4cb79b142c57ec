//! The clock and the identifiers of a real process. Tests pass their own.

use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::EpochMs;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Wall time of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> EpochMs {
        // Before 1970 or beyond 2^63 ms the machine's clock is wrong anyway; the nearest instant keeps us running.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EpochMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Random, time-ordered identifiers (UUID version 7).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn uuid(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_of_version_7_and_grow() {
        let ids: Vec<Uuid> = (0..1000).map(|_| SystemIds.uuid()).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(ids.is_sorted(), "the list of jobs is ordered by id within a millisecond");
    }

    #[test]
    fn the_clock_agrees_with_the_time_inside_of_an_id() {
        let before = SystemClock.now().0;
        let (seconds, nanos) = SystemIds.uuid().get_timestamp().expect("version 7 carries a time").to_unix();
        let at = i64::try_from(seconds).expect("before 2^63") * 1000 + i64::from(nanos / 1_000_000);
        assert!((before..=SystemClock.now().0).contains(&at));
    }
}
