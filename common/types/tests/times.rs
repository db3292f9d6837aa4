//! Times that people read and type: one calendar, UTC, and no moment that is read as its neighbour.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strandline_types::{Scn, moment_text, parse_time_text, scn_tag, scn_text};

const NS: u64 = 1_000_000_000;

/// Days from 1970-01-01, counted by years that begin in March and by whole cycles of 400 years.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (cycle, of_cycle) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    cycle * 146_097 + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year - 719_468
}

fn refused(text: &str) {
    assert!(parse_time_text(text).is_err(), "{text:?} is {:?}", parse_time_text(text));
}

#[test]
fn turns_of_centuries_leap_days_and_ends_of_counters_are_the_seconds_that_every_clock_says() {
    for (text, seconds) in [
        ("1970-01-01 00:00:00", 0),
        ("1972-02-29 12:00:00", 68_212_800),
        ("1999-12-31 23:59:59", 946_684_799),
        ("2000-02-29 00:00:00", 951_782_400),
        ("2000-03-01 00:00:00", 951_868_800),
        ("2016-12-31 23:59:59", 1_483_228_799),
        ("2038-01-19 03:14:08", 2_147_483_648),
        ("2100-02-28 23:59:59", 4_107_542_399),
        ("2100-03-01 00:00:00", 4_107_542_400),
        ("2106-02-07 06:28:16", 4_294_967_296),
        ("2400-02-29 00:00:00", 13_574_563_200),
        ("2400-12-31 23:59:59", 13_601_087_999),
        ("2499-12-31 23:59:59", 16_725_225_599),
    ] {
        let scn = Scn(seconds * NS);
        assert_eq!(parse_time_text(text), Ok(scn), "{text}");
        assert_eq!(scn_text(scn), format!("{text}.000000000"));
        assert_eq!(moment_text(seconds * 1000), format!("{text}.000000"));
        assert_eq!(scn_tag(scn), text.replace(['-', ':'], "").replace(' ', "T"));
    }
}

#[test]
fn every_month_has_its_days_and_not_one_more() {
    for (year, february) in [(1970, 28), (2000, 29), (2023, 28), (2024, 29), (2100, 28), (2400, 29), (2499, 28)] {
        for (month, last) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
            let scn = Ok(Scn(days(year, month, last) * 86_400 * NS));
            assert_eq!(parse_time_text(&format!("{year}-{month:02}-{last} 00:00:00")), scn, "{year}-{month}-{last}");
            refused(&format!("{year}-{month:02}-{} 00:00:00", last + 1));
            refused(&format!("{year}-{month:02}-00 00:00:00"));
        }
        refused(&format!("{year}-00-01 00:00:00"));
        refused(&format!("{year}-13-01 00:00:00"));
    }
}

#[test]
fn the_last_value_of_every_field_is_taken_and_the_next_one_is_refused() {
    assert_eq!(parse_time_text("1970-01-01 23:59:59.999999999"), Ok(Scn(86_400 * NS - 1)));
    refused("1970-01-01 24:00:00");
    refused("1970-01-01 23:60:00");
    // A leap second has no SCN of its own.
    refused("2016-12-31 23:59:60");
    refused("1970-01-01 18446744073709551616:00:00");
    refused("18446744073709551616-01-01 00:00:00");
}

#[test]
fn time_begins_with_1970_and_is_typed_up_to_2499() {
    assert_eq!(parse_time_text("1970-01-01 00:00:00.000000001"), Ok(Scn(1)));
    assert_eq!(parse_time_text("1970-01-01 02:00:00+02:00"), Ok(Scn::MIN), "the first moment, seen from the east");
    refused("1970-01-01 01:59:59.999999999+02:00");
    refused("1969-12-31 23:59:59");
    let last = parse_time_text("2499-12-31 23:59:59.999999999").unwrap();
    assert_eq!(last.next(), Scn(days(2500, 1, 1) * 86_400 * NS));
    refused("2500-01-01 00:00:00");
    refused("9999-12-31 23:59:59");
}

#[test]
fn the_end_of_all_scns_is_shown_and_is_not_read_as_some_other_moment() {
    assert_eq!(scn_text(Scn::MAX), "2554-07-21 23:34:33.709551615");
    assert_eq!(scn_tag(Scn::MAX), "25540721T233433");
    refused(&scn_text(Scn::MAX));
}

#[test]
fn a_fraction_counts_from_its_left() {
    for (fraction, ns) in [
        ("1", 100_000_000),
        ("01", 10_000_000),
        ("10", 100_000_000),
        ("000001", 1_000),
        ("000000001", 1),
        ("123456789", 123_456_789),
        ("999999999", 999_999_999),
    ] {
        assert_eq!(parse_time_text(&format!("1970-01-01 00:00:00.{fraction}")), Ok(Scn(ns)), "{fraction}");
    }
    for fraction in ["", "1.2", "-1", "+1", " 1", "1_0", "1e3", "0000000001", "١"] {
        refused(&format!("1970-01-02 00:00:00.{fraction}"));
    }
}

#[test]
fn an_offset_has_a_sign_two_digits_a_colon_and_two_digits_and_stands_alone() {
    for zone in ["+1:00", "+01", "+01:0", "+01:60", "+001:00", "+01:00:00", "++01:00", "+-1:00", "-15:00", "+ 1:00"] {
        refused(&format!("2024-01-02 03:04:05{zone}"));
    }
    for zone in [" GMT", " Europe/Berlin", "Z Z", " UTC Z", "UTC+02:00", "+02:00Z", "+02:00 UTC", " U"] {
        refused(&format!("2024-01-02 03:04:05{zone}"));
    }
    for zone in ["Z", "z", " Z", "UTC", " utc", " Utc", "+00:00", "-00:00", " +00:00"] {
        assert_eq!(
            parse_time_text(&format!("1970-01-01 00:00:01{zone}")),
            Ok(Scn(NS)),
            "{zone}: no offset, written in another way"
        );
    }
    assert_eq!(parse_time_text("1970-01-01 14:00:00+14:00"), Ok(Scn::MIN), "the place that is furthest ahead");
}

#[test]
fn the_hour_that_a_summer_time_leaves_out_or_repeats_is_told_by_its_offset() {
    let at = |text: &str| parse_time_text(text).unwrap();
    assert_eq!(at("2024-03-31 02:30:00+01:00"), at("2024-03-31 03:30:00+02:00"), "one moment on both sides of the gap");
    let (first, second) = (at("2024-10-27 02:30:00+02:00"), at("2024-10-27 02:30:00+01:00"));
    assert_eq!(second.0 - first.0, 3600 * NS, "the same reading of a clock, an hour apart");
    assert_eq!(at("2024-10-27 02:30:00").0 - second.0, 3600 * NS, "without an offset it is UTC");
}

#[test]
fn what_only_looks_like_a_time_is_refused() {
    for text in [
        "2024-01-02",
        "03:04:05",
        "2024-01-02  03:04:05",
        "2024-01-02\n03:04:05",
        "2024/01/02 03:04:05",
        "02-01-2024 03:04:05",
        "2024-01-02-03 04:05:06",
        "2024-01-02 03:04:05:06",
        "-2024-01-02 03:04:05",
        "+2024-01-02 03:04:05",
        "2024-+1-02 03:04:05",
        "2024--01-02 03:04:05",
        "2024-01-02 3:4",
        "2024-01-02 -03:04:05",
        "2024-01-02T+02:00",
        "२०२४-01-02 03:04:05",
        "2024-01-02 03:04:05 PM",
        "2024-01-02 03:04:05' OR '1",
    ] {
        refused(text);
    }
}

#[test]
fn a_refused_time_is_repeated_as_it_was_typed() {
    let refused = parse_time_text(" next Tuesday ").unwrap_err();
    assert_eq!(refused.text, " next Tuesday ");
    assert!(refused.to_string().starts_with("' next Tuesday ' is not a time"), "{refused}");
}

proptest! {
    #[test]
    fn every_second_that_can_be_typed_is_the_one_that_the_calendar_counts(
        year in 1970u64..2500, month in 1u64..13, day in 1u64..29, second in 0u64..86_400, ns in 0..NS,
    ) {
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        let text = format!("{year}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}.{ns:09}");
        let scn = Scn((days(year, month, day) * 86_400 + second) * NS + ns);
        prop_assert_eq!(parse_time_text(&text), Ok(scn));
        prop_assert_eq!(scn_text(scn), text);
    }

    #[test]
    fn a_tag_of_a_file_is_never_read_as_a_time(ns: u64) {
        prop_assert!(parse_time_text(&scn_tag(Scn(ns))).is_err());
        prop_assert_eq!(scn_tag(Scn(ns)).len(), 15, "and names of files line up");
    }

    #[test]
    fn an_offset_never_changes_the_fraction(ns in 200_000 * NS..1 << 62, hours in 0u64..15, is_west: bool) {
        let sign = if is_west { '-' } else { '+' };
        let read = parse_time_text(&format!("{}{sign}{hours:02}:00", scn_text(Scn(ns)))).unwrap();
        prop_assert_eq!((read.0 % NS, read.0.abs_diff(ns)), (ns % NS, hours * 3600 * NS));
    }
}
