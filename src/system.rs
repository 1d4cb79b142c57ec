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
