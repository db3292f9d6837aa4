//! Values of rows, and how the original writes sizes, ratios and times. `None` is NULL.

use strandline_types::{Scn, moment_text, scn_text};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL.
    Null,
    /// Number.
    Int(i64),
    /// Large number: SCN, LSN, bytes.
    Uint(u64),
    /// Ratio or percentage.
    Real(f64),
    /// Text.
    Text(String),
}

/// Any id or count.
pub(super) fn n(value: impl Into<u64>) -> Option<u64> {
    Some(value.into())
}

/// How many there are.
pub(super) fn len(count: usize) -> Option<u64> {
    Some(count as u64)
}

/// Any text.
pub(super) fn t(value: impl ToString) -> Option<String> {
    Some(value.to_string())
}

/// YES or NO.
pub(super) fn yes_no(value: bool) -> Option<String> {
    t(if value { "YES" } else { "NO" })
}

/// ON or OFF.
pub(super) fn on_off(value: bool) -> Option<String> {
    t(if value { "ON" } else { "OFF" })
}

/// An SCN.
pub(super) fn scn(value: Scn) -> Option<u64> {
    Some(value.0)
}

/// An SCN as a time; NULL when there is none.
pub(super) fn scn_display(value: Scn) -> Option<String> {
    if value == Scn::MIN { None } else { t(scn_text(value)) }
}

/// A point in time; NULL when it has not come.
pub(super) fn time(ms: Option<u64>) -> Option<String> {
    ms.filter(|ms| *ms > 0).map(moment_text)
}

/// A size for people.
pub(super) fn bytes_display(bytes: u64) -> Option<String> {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    t(format!("{size:.2}{}", UNITS[unit]))
}

/// `part / whole` to two places, 1 when there is nothing to compare.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    ratio_real(if whole == 0 { 1.0 } else { part as f64 / whole as f64 })
}

/// A ratio to two places.
pub(super) fn ratio_real(value: f64) -> Option<f64> {
    Some((value * 100.0).round() / 100.0)
}

/// Percent done, 0 when nothing is known.
pub(super) fn percent(done: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (done.min(total) as f64 / total as f64 * 10_000.0).round() / 100.0 }
}
