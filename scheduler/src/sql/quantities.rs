//! A number with a unit, as it stands inside a text: durations, spans of time, sizes.

use strandline_types::{ErrorClass, Failure, limits};

/// `<n><unit>`: the number times the factor of its unit, whose name has no case. `None` for another form, for a unit that
/// is not among `units` and for what does not fit.
#[must_use]
pub fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[digits.len()..];
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

/// `<n>ms`, `<n>s`, `<n>m` or `<n>h` in milliseconds.
///
/// # Errors
/// `Invalid` with the form.
pub fn duration_ms(text: &str) -> Result<u64, Failure> {
    with_unit(text, &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]).ok_or_else(|| {
        wrong(format!("'{text}' is not a duration"), text, "write a number and ms, s, m or h, as in 120s")
    })
}

/// `<n>[K|M|G|T][B]` in bytes.
///
/// # Errors
/// `Invalid` with the form.
pub fn size_bytes(text: &str) -> Result<u64, Failure> {
    const UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("B", 1),
        ("K", 1 << 10),
        ("KB", 1 << 10),
        ("M", 1 << 20),
        ("MB", 1 << 20),
        ("G", 1 << 30),
        ("GB", 1 << 30),
        ("T", 1 << 40),
        ("TB", 1 << 40),
    ];
    with_unit(text.trim(), &UNITS).ok_or_else(|| {
        wrong(format!("'{}' is not a size", text.trim()), text.trim(), "write a number and K, M, G or T, as in 512M")
    })
}

/// `<n>d`, `<n>h`, `<n>m` or `<n>s` in milliseconds; `0` alone = never.
///
/// # Errors
/// `Invalid` with the form.
pub fn span_ms(text: &str) -> Result<u64, Failure> {
    let text = text.trim();
    if text == "0" || text.is_empty() {
        return Ok(0);
    }
    match with_unit(text, &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)]) {
        Some(ms) if ms <= limits::SPAN_MS_MAX => Ok(ms),
        Some(_) => {
            let years = limits::SPAN_MS_MAX / (365 * 86_400_000);
            Err(wrong(format!("'{text}' is longer than {years} years"), text, "write a shorter span of time"))
        }
        None => {
            Err(wrong(format!("'{text}' is not a span of time"), text, "write a number and d, h, m or s, as in 7d"))
        }
    }
}

fn wrong(what: String, object: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_duration_needs_its_unit() {
        assert_eq!(duration_ms("0ms"), Ok(0));
        assert_eq!(duration_ms("2H"), Ok(7_200_000));
        for bad in ["", "5", "s", "1d", "-1s"] {
            assert!(duration_ms(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_span_of_time_is_bounded() {
        assert_eq!((span_ms("0"), span_ms(""), span_ms("7d")), (Ok(0), Ok(0), Ok(7 * 86_400_000)));
        assert!(span_ms("7w").is_err() && span_ms("7").is_err());
        assert!(span_ms("99999999999d").unwrap_err().what.contains("longer than"));
        assert!(span_ms("999999999999999d").is_err(), "it does not fit");
    }

    #[test]
    fn a_size_has_a_unit_of_one_or_two_letters() {
        assert_eq!((size_bytes("512M"), size_bytes(" 4gb "), size_bytes("7")), (Ok(512 << 20), Ok(4 << 30), Ok(7)));
        for bad in ["", "M", "1X", "1BB", "99999999T"] {
            assert!(size_bytes(bad).is_err(), "{bad}");
        }
    }
}
