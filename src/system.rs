//! The system's clock and random identifiers: the real `Clock` and `Ids`. The only file that asks the system what time it
//! is.

use rand::TryRng;
use rand::rngs::SysRng;
use sottovoce_actors::ports::clock::{Clock, Ids};
use sottovoce_actors::ports::store::EpochMs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
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

/// Returns 32 random bytes kept in a file that only its owner can read, made on the first call.
///
/// # Errors
/// The file cannot be read or made, or is not 32 bytes long.
pub fn kept_random(path: &Path) -> std::io::Result<[u8; 32]> {
    let damaged = |_| std::io::Error::other(format!("{} is damaged, delete it", path.display()));
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(damaged),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut fresh = [0; 32];
            SysRng.try_fill_bytes(&mut fresh).map_err(std::io::Error::other)?;
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(&fresh)?;
            file.sync_all()?;
            Ok(fresh)
        }
        Err(error) => Err(error),
    }
}

/// Returns the resident memory of this process in bytes, where the system tells (`/proc`).
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
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
