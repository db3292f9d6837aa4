//! Times as text: the display tags in file names and the times that users write in `UNTIL TIME`.
//!
//! Tags are for people only: nothing is ever decided by parsing one (docs/format-reference.md). All text is UTC.

use crate::Scn;

const NS: u64 = 1_000_000_000;

/// `YYYYMMDDThhmmss` (UTC) of an SCN, as it stands in file names.
#[must_use]
pub fn scn_tag(scn: Scn) -> String {
    let (y, mo, d, h, mi, s) = civil(scn.0 / NS);
    format!("{y:04}{mo:02}{d:02}T{h:02}{mi:02}{s:02}")
}

/// `YYYY-MM-DD hh:mm:ss.nnnnnnnnn` (UTC) of an SCN: every digit, so that what was shown and is typed again is this SCN
/// and not its neighbour.
#[must_use]
pub fn scn_text(scn: Scn) -> String {
    format!("{}.{:09}", second_text(scn.0 / NS), scn.0 % NS)
}

/// `YYYY-MM-DD hh:mm:ss.ffffff` (UTC) of a moment that is no SCN: when a job began.
#[must_use]
pub fn moment_text(ms: u64) -> String {
    format!("{}.{:06}", second_text(ms / 1000), ms % 1000 * 1000)
}

fn second_text(seconds: u64) -> String {
    let (y, mo, d, h, mi, s) = civil(seconds);
    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}")
}

/// The SCN of `YYYY-MM-DD hh:mm:ss[.fffffffff]`. A `T` may stand for the blank, and `Z`, ` UTC` or an offset (`+02:00`)
/// at the end; without one of them it is UTC, wherever this process runs.
///
/// # Errors
/// [`TimeTextError`] shows the text and the expected form.
pub fn parse_time_text(text: &str) -> Result<Scn, TimeTextError> {
    parse(text.trim()).ok_or_else(|| TimeTextError { text: text.to_owned() })
}

/// A time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not a time of the form YYYY-MM-DD hh:mm:ss[.fffffffff] (UTC, years 1970 to 2499), with Z, UTC or an \
     offset as +02:00 behind it where wanted"
)]
pub struct TimeTextError {
    /// What was given.
    pub text: String,
}

fn parse(text: &str) -> Option<Scn> {
    let (date, time) = text.split_once([' ', 'T', 't'])?;
    let mut d = date.split('-');
    let (y, mo, day) = (number(d.next()?)?, number(d.next()?)?, number(d.next()?)?);
    let (time, ahead_s) = split_zone(time)?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut t = clock.split(':');
    let (h, mi, s) = (number(t.next()?)?, number(t.next()?)?, number(t.next()?)?);
    let shape_ok = d.next().is_none() && t.next().is_none() && (1970..2500).contains(&y) && (1..=12).contains(&mo);
    if !shape_ok || day < 1 || day > month_days(y, mo) || h > 23 || mi > 59 || s > 59 || fraction.len() > 9 {
        return None;
    }
    let fraction_ns = number(fraction).and_then(|_| number(&format!("{fraction:0<9}")))?;
    let seconds = (days_from_epoch(y, mo, day) * 86_400 + h * 3600 + mi * 60 + s).checked_add_signed(-ahead_s)?;
    Some(Scn(seconds.checked_mul(NS)?.checked_add(fraction_ns)?))
}

/// The time of day without its zone, and the seconds that the zone is ahead of UTC.
fn split_zone(time: &str) -> Option<(&str, i64)> {
    let lower = time.to_ascii_lowercase();
    for zone in ["z", " utc", "utc"] {
        if lower.ends_with(zone) {
            return Some((time[..time.len() - zone.len()].trim_end(), 0));
        }
    }
    let Some(at) = time.find(['+', '-']) else { return Some((time, 0)) };
    let (hours, minutes) = time[at + 1..].split_once(':')?;
    let (h, m) = (number(hours)?, number(minutes)?);
    if hours.len() != 2 || minutes.len() != 2 || h > 14 || m > 59 {
        return None;
    }
    let ahead_s = i64::try_from(h * 3600 + m * 60).ok()?;
    Some((time[..at].trim_end(), if time[at..].starts_with('-') { -ahead_s } else { ahead_s }))
}

fn number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

const fn is_leap(y: u64) -> bool {
    y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400))
}

const fn month_days(y: u64, mo: u64) -> u64 {
    match mo {
        2 => 28 + is_leap(y) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_epoch(y: u64, mo: u64, d: u64) -> u64 {
    let years: u64 = (1970..y).map(|y| 365 + u64::from(is_leap(y))).sum();
    let months: u64 = (1..mo).map(|m| month_days(y, m)).sum();
    years + months + d - 1
}

fn civil(seconds: u64) -> (u64, u64, u64, u64, u64, u64) {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let mut y = 1970;
    while days >= 365 + u64::from(is_leap(y)) {
        days -= 365 + u64::from(is_leap(y));
        y += 1;
    }
    let mut mo = 1;
    while days >= month_days(y, mo) {
        days -= month_days(y, mo);
        mo += 1;
    }
    (y, mo, days + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_seed_example_reads_as_drawn() {
        // checkpoint.1673436649723677822 of the seed was written on 2023-01-11.
        assert_eq!(scn_tag(Scn(1_673_436_649_723_677_822)), "20230111T113049");
        assert_eq!(scn_text(Scn(1_673_436_649_723_677_822)), "2023-01-11 11:30:49.723677822");
        assert_eq!(moment_text(1_673_436_649_723), "2023-01-11 11:30:49.723000");
    }

    #[test]
    fn every_usual_way_to_write_a_time_is_the_same_scn() {
        let scn = Ok(Scn(1_673_436_649_500_000_000));
        for text in [
            "2023-01-11 11:30:49.5",
            "2023-01-11T11:30:49.500",
            "2023-01-11t11:30:49.500000z",
            "2023-01-11T11:30:49.500000000Z",
            "2023-01-11 11:30:49.5 UTC",
            "2023-01-11 11:30:49.5+00:00",
            "2023-01-11T11:30:49.5-00:00",
            "2023-01-11T13:30:49.5+02:00",
            "2023-01-11 13:30:49.5 +02:00",
            "2023-01-10T23:00:49.5-12:30",
            " 2023-01-11 11:30:49.5 ",
        ] {
            assert_eq!(parse_time_text(text), scn, "{text}");
        }
        assert_eq!(parse_time_text("2023-01-11 11:30:49"), Ok(Scn(1_673_436_649_000_000_000)));
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_form() {
        for bad in [
            "",
            "yesterday",
            "1673436649",
            "2023-02-29 00:00:00",
            "2023-13-01 00:00:00",
            "2023-01-01 24:00:00",
            "2023-01-01",
            "2023-01-01 00:00",
            "2023-01-01 00:00:00.",
            "2023-01-01 00:00:00.1234567890",
            "2023-01-01 00:00:00 CET",
            "2023-01-01 00:00:00+2",
            "2023-01-01 00:00:00+0200",
            "2023-01-01 00:00:00+15:00",
            "2023-01-01 00:00:00Z+02:00",
            "1970-01-01 00:00:00+02:00",
            "1-1-1 1:1:1",
        ] {
            let refused = parse_time_text(bad).map_err(|e| e.to_string());
            assert!(
                refused.as_ref().is_err_and(|e| e.contains("YYYY-MM-DD") && e.contains("UTC")),
                "{bad}: {refused:?}"
            );
        }
        assert!(parse_time_text("2024-02-29 00:00:00").is_ok());
    }

    proptest! {
        #[test]
        fn what_is_shown_of_an_scn_is_that_scn_when_it_is_typed(ns in 0u64..16_000_000_000_000_000_000) {
            prop_assert_eq!(parse_time_text(&scn_text(Scn(ns))), Ok(Scn(ns)));
        }
    }
}
