//! The system's clock and random identifiers: the real `Clock` and `Ids`. The only file that asks the system what time it
//! is.

use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::EpochMs;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// Wall time of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everything else is given")]
    fn now(&self) -> EpochMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        EpochMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Time-ordered random UUIDs.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is the source of ids that everything else is given")]
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
