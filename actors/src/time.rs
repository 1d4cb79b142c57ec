//! Epoch milliseconds as text. Pure.

use crate::ports::store::EpochMs;

/// Returns RFC 3339 in UTC with milliseconds, e.g. `2026-11-22T14:30:09.000Z`. Civil date from days as in Howard
/// Hinnant's "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).
pub fn rfc3339(at: EpochMs) -> String {
    let days = at.0.div_euclid(86_400_000);
    let ms = at.0.rem_euclid(86_400_000);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(rfc3339(EpochMs(0)), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(EpochMs(951_782_400_123)), "2000-02-29T00:00:00.123Z");
        assert_eq!(rfc3339(EpochMs(1_795_357_809_000)), "2026-11-22T14:30:09.000Z");
        // Computed with Python's datetime.
        assert_eq!(rfc3339(EpochMs(951_827_696_789)), "2000-02-29T12:34:56.789Z");
        assert_eq!(rfc3339(EpochMs(4_102_444_799_999)), "2099-12-31T23:59:59.999Z");
        assert_eq!(rfc3339(EpochMs(1_772_323_200_000)), "2026-03-01T00:00:00.000Z");
        assert_eq!(rfc3339(EpochMs(-1)), "1969-12-31T23:59:59.999Z");
    }
}
