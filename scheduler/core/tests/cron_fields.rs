//! Cron texts field by field: when the next run of a schedule comes, as NEXT_RUN_TIMESTAMP shows it, compared with a
//! calendar that is looked through day by day.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeZone, Utc};
use harness::TENANT;
use proptest::prelude::*;
use std::collections::BTreeSet;
use strandline_scheduler_core::state::{BackupSchedule, SchedulePlan};
use strandline_scheduler_core::views::{Value, view};
use strandline_scheduler_core::*;
use strandline_types::*;

/// A time like `2026-11-16 02:00`.
fn at(text: &str) -> DateTime<Utc> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
}

fn plan_of(text: &str) -> SchedulePlan {
    SchedulePlan { full: text.to_owned(), time_zone: "UTC".to_owned(), ..SchedulePlan::default() }
}

/// When a text comes next after an instant, as users read it.
fn next(text: &str, after: DateTime<Utc>) -> DateTime<Utc> {
    let after_ms = after.timestamp_millis().unsigned_abs();
    let schedule = BackupSchedule {
        tenant_id: TENANT,
        plan: plan_of(text),
        enabled: true,
        revision: 1,
        after_ms,
        runs: Vec::new(),
        trouble: None,
    };
    let mut state = State::default();
    state.schedules.insert(TENANT, schedule);
    let table = view(&state, after_ms, "CDB_STRANDLINE_BACKUP_SCHEDULES").unwrap();
    let column = table.columns.iter().position(|c| *c == "NEXT_RUN_TIMESTAMP").unwrap();
    match &table.rows[0][column] {
        Value::Text(shown) => NaiveDateTime::parse_from_str(shown, "%Y-%m-%d %H:%M:%S%.f").unwrap().and_utc(),
        other => panic!("{text} never comes: {other:?}"),
    }
}

#[test]
fn each_field_takes_numbers_lists_ranges_and_steps() {
    // (text, from, what comes next); 2026-11-16 is a Monday.
    for (text, from, wanted) in [
        ("* * * * *", "2026-11-16 23:59", "2026-11-17 00:00"),
        ("59 23 * * *", "2026-11-16 23:59", "2026-11-17 23:59"),
        ("0,15,45 * * * *", "2026-11-16 02:15", "2026-11-16 02:45"),
        ("10-12 5 * * *", "2026-11-16 05:10", "2026-11-16 05:11"),
        ("10-12 5 * * *", "2026-11-16 05:12", "2026-11-17 05:10"),
        ("*/20 * * * *", "2026-11-16 02:40", "2026-11-16 03:00"),
        ("5-59/20 * * * *", "2026-11-16 02:05", "2026-11-16 02:25"),
        // A step counts from the first of its field again after the last.
        ("*/40 * * * *", "2026-11-16 02:40", "2026-11-16 03:00"),
        ("0 0-6/3,22 * * *", "2026-11-16 06:00", "2026-11-16 22:00"),
        ("0 */7 * * *", "2026-11-16 21:00", "2026-11-17 00:00"),
        ("0 2 15 * *", "2026-11-16 00:00", "2026-12-15 02:00"),
        ("0 2 */10 * *", "2026-11-16 00:00", "2026-11-21 02:00"),
        ("0 2 1 1 *", "2026-11-16 00:00", "2027-01-01 02:00"),
        ("0 2 1 3-5,9 *", "2026-11-16 00:00", "2027-03-01 02:00"),
        ("0 2 1 JAN,mar *", "2027-01-02 00:00", "2027-03-01 02:00"),
        ("0 2 * * 1-5", "2026-11-20 02:00", "2026-11-23 02:00"),
        ("0 2 * * sat,SUN", "2026-11-16 00:00", "2026-11-21 02:00"),
        ("0 2 * * 0", "2026-11-16 00:00", "2026-11-22 02:00"),
        ("0 2 * * 7", "2026-11-16 00:00", "2026-11-22 02:00"),
    ] {
        assert_eq!(next(text, at(from)), at(wanted), "{text} after {from}");
    }
}

#[test]
fn a_day_that_a_month_lacks_is_left_out_and_leap_days_come_every_four_years() {
    for (text, from, wanted) in [
        ("0 2 31 * *", "2026-01-31 02:00", "2026-03-31 02:00"),
        ("0 2 30 * *", "2026-01-30 02:00", "2026-03-30 02:00"),
        ("0 2 29 2 *", "2026-11-16 00:00", "2028-02-29 02:00"),
        ("0 2 29 2 *", "2028-02-29 02:00", "2032-02-29 02:00"),
        // 2100 is no leap year.
        ("0 2 29 2 *", "2096-02-29 02:00", "2104-02-29 02:00"),
        ("59 23 31 12 *", "2026-11-16 00:00", "2026-12-31 23:59"),
        ("0 0 1 * *", "2026-12-31 23:59", "2027-01-01 00:00"),
    ] {
        assert_eq!(next(text, at(from)), at(wanted), "{text} after {from}");
    }
}

#[test]
fn a_text_out_of_its_bounds_is_refused_by_name_and_says_how_one_is_written() {
    for text in [
        "60 2 * * *",
        "-1 2 * * *",
        "0 24 * * *",
        "0 2 0 * *",
        "0 2 32 * *",
        "0 2 * 0 *",
        "0 2 * 13 *",
        "0 2 * * 8",
        "0 2 * foo *",
        "0 2 * * fool",
        "5-1-9 2 * * *",
        "*/0 2 * * *",
        "1, 2 * * *",
        "a b c d e",
        "0 2 * *",
        "0 2 * * * *",
        "?? 2 * * *",
        "0/ 2 * * *",
    ] {
        let refused = check_schedule(&plan_of(text)).expect_err(text);
        assert_eq!(refused.class, ErrorClass::Invalid, "{text}");
        assert!(refused.object.contains(text) && refused.todo.contains("five fields"), "{text}: {refused}");
    }
}

#[test]
fn a_schedule_is_refused_for_any_of_its_texts_and_takes_all_three() {
    let with = |mode: BackupMode, text: &str| {
        let mut plan = plan_of("0 2 * * 6");
        match mode {
            BackupMode::Full => plan.full = text.to_owned(),
            BackupMode::Incremental => plan.incremental = text.to_owned(),
            BackupMode::Synthetic => plan.synthetic = text.to_owned(),
        }
        check_schedule(&plan)
    };
    for mode in [BackupMode::Full, BackupMode::Incremental, BackupMode::Synthetic] {
        assert_eq!(with(mode, "0 3 * * 1-5"), Ok(()), "{mode}");
        assert!(with(mode, "0 3 31 2 *").unwrap_err().to_string().contains("never"), "{mode}");
    }
}

/// A field of numbers: what it means and how it is written.
#[derive(Clone, Debug)]
struct Field {
    text: String,
    means: BTreeSet<u32>,
}

/// Numbers, ranges and steps of them, a list of up to three; or all that there are.
fn field(first: u32, last: u32, of_all: u32) -> impl Strategy<Value = Field> {
    let item = (first..=last, 0u32..20, 1u32..8, 0u8..3).prop_map(move |(from, length, step, form)| {
        let to = (from + length).min(last);
        match form {
            0 => Field { text: from.to_string(), means: [from].into() },
            1 => Field { text: format!("{from}-{to}"), means: (from..=to).collect() },
            _ => Field { text: format!("{from}-{to}/{step}"), means: (from..=to).step_by(step as usize).collect() },
        }
    });
    let every = Just(Field { text: "*".to_owned(), means: (first..=of_all).collect() });
    let list = prop::collection::vec(item, 1..4).prop_map(|items| Field {
        text: items.iter().map(|i| i.text.as_str()).collect::<Vec<_>>().join(","),
        means: items.iter().flat_map(|i| i.means.clone()).collect(),
    });
    prop_oneof![1 => every, 3 => list]
}

/// The first minute after an instant that the fields name, day by day.
fn by_calendar(fields: &[Field; 5], after: DateTime<Utc>) -> DateTime<Utc> {
    let [minute, hour, day, month, weekday] = fields;
    let is_any = |f: &Field| f.text == "*";
    let is_named = |date: NaiveDate| {
        let by_day = day.means.contains(&date.day());
        let by_weekday = weekday.means.contains(&date.weekday().num_days_from_sunday());
        // One of them is enough, unless it is left open.
        let is_day = if is_any(day) || is_any(weekday) { by_day && by_weekday } else { by_day || by_weekday };
        month.means.contains(&date.month()) && is_day
    };
    let times = || hour.means.iter().flat_map(|h| minute.means.iter().map(move |m| (*h, *m)));
    let mut date = after.date_naive();
    loop {
        for (h, m) in times().filter(|_| is_named(date)) {
            let instant = Utc.from_utc_datetime(&date.and_hms_opt(h, m, 0).unwrap());
            if instant > after {
                return instant;
            }
        }
        date = date.checked_add_days(Days::new(1)).unwrap();
    }
}

proptest! {
    #[test]
    fn the_next_run_is_the_first_minute_that_all_fields_name(
        minute in field(0, 59, 59), hour in field(0, 23, 23), day in field(1, 28, 31), month in field(1, 12, 12), weekday in field(0, 6, 6),
        after_s in 1_700_000_000i64..1_900_000_000,
    ) {
        let after = Utc.timestamp_opt(after_s, 0).unwrap();
        let fields = [minute, hour, day, month, weekday];
        let text = fields.iter().map(|f| f.text.as_str()).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(check_schedule(&plan_of(&text)), Ok(()));
        prop_assert_eq!(next(&text, after), by_calendar(&fields, after), "{} after {}", text, after);
    }
}
