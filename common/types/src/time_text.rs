//! Times as text: the display tags in file names and the times that users write in `UNTIL TIME`.
//!
//! Tags are for people only: nothing is ever decided by parsing one (format page, section 2). All text is UTC.

use crate::Scn;

const NS: u64 = 1_000_000_000;

/// `YYYYMMDDThhmmss` (UTC) of an SCN, as it stands in file names.
#[must_use]
pub fn scn_tag(scn: Scn) -> String {
    let (y, mo, d, h, mi, s) = civil(scn.0 / NS);
    format!("{y:04}{mo:02}{d:02}T{h:02}{mi:02}{s:02}")
}

/// `YYYY-MM-DD hh:mm:ss.ffffff` (UTC) of an SCN, as views show it.
#[must_use]
pub fn scn_text(scn: Scn) -> String {
    let (y, mo, d, h, mi, s) = civil(scn.0 / NS);
    format!("{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}.{:06}", scn.0 % NS / 1000)
}

/// The SCN of `YYYY-MM-DD hh:mm:ss[.fffffffff]` (UTC).
///
/// # Errors
/// [`TimeTextError`] shows the text and the expected form.
pub fn parse_time_text(text: &str) -> Result<Scn, TimeTextError> {
    parse(text.trim()).ok_or_else(|| TimeTextError { text: text.to_owned() })
}

/// A time that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a time of the form YYYY-MM-DD hh:mm:ss[.ffffff] (UTC, years 1970 to 2499)")]
pub struct TimeTextError {
    /// What was given.
    pub text: String,
}

fn parse(text: &str) -> Option<Scn> {
    let (date, time) = text.split_once([' ', 'T'])?;
    let mut d = date.split('-');
    let (y, mo, day) = (number(d.next()?)?, number(d.next()?)?, number(d.next()?)?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut t = clock.split(':');
    let (h, mi, s) = (number(t.next()?)?, number(t.next()?)?, number(t.next()?)?);
    let shape_ok = d.next().is_none() && t.next().is_none() && (1970..2500).contains(&y) && (1..=12).contains(&mo);
    if !shape_ok || day < 1 || day > month_days(y, mo) || h > 23 || mi > 59 || s > 59 || fraction.len() > 9 {
        return None;
    }
    let fraction_ns = if fraction.is_empty() { 0 } else { number(&format!("{fraction:0<9}"))? };
    let seconds = days_from_epoch(y, mo, day) * 86_400 + h * 3600 + mi * 60 + s;
    Some(Scn(seconds * NS + fraction_ns))
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
        assert_eq!(scn_text(Scn(1_673_436_649_723_677_822)), "2023-01-11 11:30:49.723677");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for bad in [
            "",
            "yesterday",
            "2023-02-29 00:00:00",
            "2023-13-01 00:00:00",
            "2023-01-01 24:00:00",
            "2023-01-01",
            "1-1-1 1:1:1",
        ] {
            assert!(parse_time_text(bad).is_err(), "{bad}");
        }
        assert!(parse_time_text("2024-02-29 00:00:00").is_ok());
    }

    proptest! {
        #[test]
        fn text_and_scn_round_trip_to_the_microsecond(us in 0u64..10_000_000_000_000_000) {
            let scn = Scn(us * 1000);
            prop_assert_eq!(parse_time_text(&scn_text(scn)), Ok(scn));
        }
    }
}
