//! Decides what follows a fault: another attempt, later, or the end. Pure.

use crate::ports::clock::Ids;
use crate::ports::store::EpochMs;
use crate::supervise::Backoff;
use sottovoce_protocol::error_code::ErrorCode;

/// A fault of ours, which may pass. A fault of the file never gets here: it fails the job at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The engine failed twice on a unit.
    Engine,
    /// Objects cannot be read or written.
    Storage,
    /// A panic, or a contract broken.
    Bug,
    /// Nothing was heard for too long.
    Stalled,
    /// The node that ran the job died.
    NodeLost,
    /// This node stops; not the job's fault, so the attempt is not counted.
    Stopping,
}

impl Fault {
    const fn code(self) -> ErrorCode {
        match self {
            Self::Storage => ErrorCode::StorageUnavailable,
            Self::NodeLost => ErrorCode::LeaseExpired,
            Self::Engine | Self::Bug | Self::Stalled | Self::Stopping => ErrorCode::Internal,
        }
    }
}

/// How a claim of a job ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Well.
    Finish,
    /// Badly, for good.
    Fail(ErrorCode),
    /// Back into the queue, due at this time.
    Retry(EpochMs),
    /// Back into the queue at once, the attempt not counted.
    Release,
}

/// Returns what follows a fault in the `attempt`-th attempt (from 1); `jitter` is a random number in 0..1.
pub fn after_fault(
    fault: Fault,
    attempt: u32,
    max_attempts: u32,
    backoff: Backoff,
    jitter: f64,
    now: EpochMs,
) -> Verdict {
    if fault == Fault::Stopping {
        return Verdict::Release;
    }
    if attempt >= max_attempts {
        return Verdict::Fail(fault.code());
    }
    let delay = backoff.delay(attempt.max(1), jitter);
    Verdict::Retry(now.plus_ms(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)))
}

/// Returns a random number in 0..1 from the random end of a fresh id.
pub(crate) fn jitter(ids: &dyn Ids) -> f64 {
    f64::from(ids.uuid().as_u128() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(10), most: Duration::from_secs(600) };

    fn after(fault: Fault, attempt: u32) -> Verdict {
        after_fault(fault, attempt, 3, BACKOFF, 0.5, EpochMs(1_000))
    }

    #[test]
    fn attempts_come_later_each_time_until_they_are_spent() {
        assert_eq!(after(Fault::Engine, 1), Verdict::Retry(EpochMs(11_000)));
        assert_eq!(after(Fault::Storage, 2), Verdict::Retry(EpochMs(21_000)));
        assert_eq!(after(Fault::Storage, 3), Verdict::Fail(ErrorCode::StorageUnavailable));
        assert_eq!(after(Fault::NodeLost, 3), Verdict::Fail(ErrorCode::LeaseExpired));
        assert_eq!(after(Fault::Bug, 4), Verdict::Fail(ErrorCode::Internal));
    }

    #[test]
    fn a_stop_never_fails_a_job() {
        assert_eq!(after(Fault::Stopping, 3), Verdict::Release);
    }
}
