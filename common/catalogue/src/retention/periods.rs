//! Calendar periods in UTC, for "keep one full set of each week, month, year".

use strandline_types::Scn;

/// A length of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Periods {
    /// Monday to Sunday.
    Week,
    /// Calendar month.
    Month,
    /// Calendar year.
    Year,
}

const NS_PER_DAY: u64 = 86_400_000_000_000;

impl Periods {
    /// A number that is the same for all SCNs of one period and rises with time.
    pub(super) fn of(self, scn: Scn) -> u64 {
        let days = scn.0 / NS_PER_DAY;
        let (year, month) = year_and_month(days);
        match self {
            // 1970-01-01 was a Thursday.
            Self::Week => (days + 3) / 7,
            Self::Month => year * 12 + month,
            Self::Year => year,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

/// Year and month (1 to 12) of a day since 1970-01-01, in the proleptic Gregorian calendar.
fn year_and_month(days: u64) -> (u64, u64) {
    // Years that begin in March: the leap day is the last one. Day 719,468 of that count is 1970-01-01.
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use strandline_types::parse_time_text;

    #[test]
    fn periods_change_where_the_calendar_says() {
        let at = |text: &str| parse_time_text(text).unwrap();
        for (period, last, first) in [
            (Periods::Week, "2026-11-22 23:59:59", "2026-11-23 00:00:00"),
            (Periods::Month, "2024-02-29 23:59:59", "2024-03-01 00:00:00"),
            (Periods::Month, "2023-12-31 23:59:59", "2024-01-01 00:00:00"),
            (Periods::Year, "1999-12-31 23:59:59", "2000-01-01 00:00:00"),
        ] {
            assert_eq!(period.of(at(last)) + 1, period.of(at(first)), "{period:?} {last}");
        }
        let (monday, sunday) = (at("2026-11-16 00:00:00"), at("2026-11-22 12:00:00"));
        assert_eq!(Periods::Week.of(monday), Periods::Week.of(sunday));
    }
}
