//! Schedules at ordinary times, over clock changes and after long absences.
#![allow(clippy::unwrap_used, clippy::expect_used)]
use super::*;
use strandline_types::TenantId;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

fn ms(text: &str) -> u64 {
    u64::try_from(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()).unwrap()
}

fn weekly(zone: &str) -> SchedulePlan {
    SchedulePlan {
        full: "0 2 * * 6".to_owned(),
        incremental: "0 2 * * 2,4".to_owned(),
        time_zone: zone.to_owned(),
        ..SchedulePlan::default()
    }
}

fn schedule(plan: SchedulePlan, after: &str) -> BackupSchedule {
    BackupSchedule {
        tenant_id: TenantId(1002),
        plan,
        enabled: true,
        revision: 1,
        after_ms: ms(after),
        runs: vec![],
        trouble: None,
    }
}

#[test]
fn the_weekly_plan_comes_on_saturday_tuesday_and_thursday() {
    // 2026-11-16 is a Monday.
    let mut at = ms("2026-11-16T00:00:00Z");
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (next_ms, mode) = next(&weekly("UTC"), at).unwrap();
        seen.push((next_ms, mode));
        at = next_ms;
    }
    assert_eq!(
        seen,
        [
            (ms("2026-11-17T02:00:00Z"), BackupMode::Incremental),
            (ms("2026-11-19T02:00:00Z"), BackupMode::Incremental),
            (ms("2026-11-21T02:00:00Z"), BackupMode::Full),
            (ms("2026-11-24T02:00:00Z"), BackupMode::Incremental),
        ]
    );
}

#[test]
fn a_time_in_the_gap_of_spring_comes_once_and_right_after_it() {
    // In Berlin 02:30 does not exist on 2026-03-29.
    let plan = SchedulePlan { full: "30 2 * * *".into(), time_zone: "Europe/Berlin".into(), ..Default::default() };
    let (first, _) = next(&plan, ms("2026-03-28T12:00:00Z")).unwrap();
    assert_eq!(first, ms("2026-03-29T01:00:00Z"), "03:00 of summer time");
    let (second, _) = next(&plan, first).unwrap();
    assert_eq!(second, ms("2026-03-30T00:30:00Z"));
}

#[test]
fn a_time_that_autumn_repeats_comes_once() {
    // In Berlin 02:30 comes twice on 2026-10-25.
    let plan = SchedulePlan { full: "30 2 * * *".into(), time_zone: "Europe/Berlin".into(), ..Default::default() };
    let (first, _) = next(&plan, ms("2026-10-24T12:00:00Z")).unwrap();
    assert_eq!(first, ms("2026-10-25T00:30:00Z"), "the first of the two");
    let (second, _) = next(&plan, first).unwrap();
    assert_eq!(second, ms("2026-10-26T01:30:00Z"), "not again an hour later");
}

#[test]
fn every_day_of_a_year_has_exactly_one_run_in_every_zone() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"] {
        let plan = SchedulePlan { full: "15 2 * * *".into(), time_zone: zone.into(), ..Default::default() };
        let (mut at, mut days) = (ms("2026-01-01T12:00:00Z"), Vec::new());
        for _ in 0..365 {
            at = next(&plan, at).unwrap().0;
            days.push(super::at(zone.parse().unwrap(), at).unwrap().date_naive());
        }
        assert!(days.windows(2).all(|d| d[0].succ_opt() == Some(d[1])), "{zone}");
    }
}

#[test]
fn nothing_is_due_before_its_time_or_twice() {
    let mut s = schedule(weekly("UTC"), "2026-11-16T00:00:00Z");
    let due_ms = ms("2026-11-17T02:00:00Z");
    assert_eq!(due(&s, due_ms - 1), None);
    assert_eq!(due(&s, due_ms), Some(Due { due_ms, mode: BackupMode::Incremental, is_skipped: false }));
    s.after_ms = due_ms;
    assert_eq!(due(&s, due_ms + DAY_MS), None, "dealt with");
    s.enabled = false;
    s.after_ms = 0;
    assert_eq!(due(&s, due_ms), None, "off");
}

#[test]
fn one_run_makes_up_for_all_that_were_missed_and_it_is_a_full_one_if_one_was_among_them() {
    let mut s = schedule(weekly("UTC"), "2026-11-16T00:00:00Z");
    // From Monday to next Wednesday nobody was there: Tuesday, Thursday, Saturday, Tuesday.
    let now_ms = ms("2026-11-25T12:00:00Z");
    let due_ms = ms("2026-11-24T02:00:00Z");
    assert_eq!(due(&s, now_ms), Some(Due { due_ms, mode: BackupMode::Full, is_skipped: false }));
    s.plan.missed = MissedRun::Skip;
    assert_eq!(due(&s, now_ms), Some(Due { due_ms, mode: BackupMode::Incremental, is_skipped: true }));
    let on_time_ms = due_ms + limits::SCHEDULE_GRACE_MS;
    assert!(!due(&s, on_time_ms).unwrap().is_skipped, "a little late is not missed");
}

#[test]
fn a_year_of_absence_is_looked_through_quickly() {
    let plan = SchedulePlan { incremental: "* * * * *".into(), time_zone: "UTC".into(), ..Default::default() };
    let s = schedule(plan, "2025-01-01T00:00:00Z");
    let now_ms = ms("2026-11-16T00:00:30Z");
    assert_eq!(due(&s, now_ms).unwrap().due_ms, ms("2026-11-16T00:00:00Z"));
}

#[test]
fn texts_that_mean_nothing_are_refused_by_name() {
    let bad_cron = SchedulePlan { full: "at night".into(), time_zone: "UTC".into(), ..Default::default() };
    assert!(check(&bad_cron).unwrap_err().to_string().contains("at night"));
    let with_seconds = SchedulePlan { full: "0 0 2 * * 6".into(), time_zone: "UTC".into(), ..Default::default() };
    assert!(check(&with_seconds).is_err(), "a backup every second is not meant");
    assert!(check(&weekly("Mars/Olympus")).unwrap_err().to_string().contains("Mars/Olympus"));
    assert!(check(&SchedulePlan { time_zone: "UTC".into(), ..Default::default() }).is_err(), "nothing to run");
    assert_eq!(check(&weekly("Asia/Shanghai")), Ok(()));
}

/// (text, zone, from, instants that it has to come at)
type Night = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// Autumn and spring in a zone with a whole hour, one with half an hour, and one that changes at midnight.
const NIGHTS: [Night; 13] = [
    // Berlin: 2026-10-25 03:00 is 02:00 again (01:00Z).
    ("30 2 * * *", "Europe/Berlin", "2026-10-24T22:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),
    (
        "30 2,14 * * *",
        "Europe/Berlin",
        "2026-10-24T22:00:00Z",
        &["2026-10-25T00:30:00Z", "2026-10-25T13:30:00Z", "2026-10-26T01:30:00Z"],
    ),
    (
        "0,30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T22:00:00Z",
        &["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:00:00Z"],
    ),
    // From within the second of the two hours.
    ("30 2-3 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", &["2026-10-25T02:30:00Z", "2026-10-26T01:30:00Z"]),
    (
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:50:00Z",
        &[
            "2026-10-25T00:00:00Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:00:00Z",
            "2026-10-25T01:30:00Z",
            "2026-10-25T02:00:00Z",
        ],
    ),
    // Berlin: 2026-03-29 02:00 is 03:00 (01:00Z).
    (
        "30 2,14 * * *",
        "Europe/Berlin",
        "2026-03-28T22:00:00Z",
        &["2026-03-29T01:00:00Z", "2026-03-29T12:30:00Z", "2026-03-30T00:30:00Z"],
    ),
    // Both times of the gap come together, and not twice.
    ("10,40 2 * * *", "Europe/Berlin", "2026-03-28T22:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:10:00Z"]),
    (
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:10:00Z",
        &["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"],
    ),
    // Lord Howe: 2026-04-05 02:00 is 01:30 again (15:00Z the day before); 2026-10-04 02:00 is 02:30 (15:30Z).
    ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
    (
        "*/30 * * * *",
        "Australia/Lord_Howe",
        "2026-04-04T14:20:00Z",
        &["2026-04-04T14:30:00Z", "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", "2026-04-04T16:00:00Z"],
    ),
    ("15 2,3 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &["2026-10-03T15:30:00Z", "2026-10-03T16:15:00Z"]),
    // Santiago: 2026-09-06 00:00 is 01:00 (04:00Z); 2026-04-05 00:00 is 23:00 of the 4th again (03:00Z).
    ("0 0 * * 0", "America/Santiago", "2026-09-05T12:00:00Z", &["2026-09-06T04:00:00Z", "2026-09-13T03:00:00Z"]),
    ("0 0 * * *", "America/Santiago", "2026-04-04T12:00:00Z", &["2026-04-05T04:00:00Z", "2026-04-06T04:00:00Z"]),
];

#[test]
fn the_nights_when_clocks_change_have_each_fixed_time_once_and_each_rhythm_in_real_time() {
    for (text, zone, from, wanted) in NIGHTS {
        let mut at = ms(from);
        for want in wanted {
            let next = next_after(text, zone, at).unwrap();
            assert_eq!(next, ms(want), "{text} in {zone} after {at}: want {want}");
            // What NEXT shows is kept from any moment before on.
            assert_eq!(next_after(text, zone, next - 1), Some(next), "{text} in {zone}");
            at = next;
        }
    }
}

#[test]
fn a_text_comes_due_exactly_when_next_said() {
    for (text, zone, from, wanted) in NIGHTS {
        let plan = SchedulePlan { full: text.into(), time_zone: zone.into(), ..Default::default() };
        let mut s = schedule(plan, from);
        for want in wanted.iter().map(|w| ms(w)) {
            assert_eq!(due(&s, want - 1), None, "{text} in {zone}");
            // Ten minutes later is still no missed run, also inside of a doubled hour.
            let late = due(&s, want + limits::SCHEDULE_GRACE_MS / 2).unwrap();
            assert_eq!((late.due_ms, late.is_skipped), (want, false), "{text} in {zone}");
            s.after_ms = want;
        }
    }
}

#[test]
fn every_day_of_a_year_has_exactly_one_run_of_each_of_several_times_in_every_zone() {
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago"] {
        let (mut at, mut count, end) = (ms("2026-01-01T12:00:00Z"), 0, ms("2027-01-01T12:00:00Z"));
        while let Some(next) = next_after("15 1,2,23 * * *", zone, at).filter(|next| *next <= end) {
            (at, count) = (next, count + 1);
        }
        assert_eq!(count, 3 * 365, "{zone}");
    }
}

#[test]
fn only_five_fields_that_come_due_some_day_are_a_text() {
    let refused = |text: &str| check_text(text, "UTC").unwrap_err();
    for text in ["TZ=UTC 0 2 * * *", "CRON_TZ=UTC 0 2 * *", "@daily", "0 0 2 * * *", "0 2 * *", "", "0 2 * * @daily"] {
        let failure = refused(text);
        assert_eq!(failure.class, strandline_types::ErrorClass::Invalid);
        assert!(failure.to_string().contains("five fields"), "{failure}");
    }
    for text in ["0 2 30 2 *", "0 2 31 4,6,9,11 *"] {
        assert!(refused(text).to_string().contains("never"), "{text}");
    }
    for text in ["0 2 31 * *", "0 2 29 2 *", "0 2 * * 7", "0 2 1 * 1", "0 2 30 2 1", "  0  2 * * SAT "] {
        assert_eq!(check_text(text, "Europe/Berlin"), Ok(()), "{text}");
    }
}

#[test]
fn a_day_of_the_month_or_a_day_of_the_week_is_enough() {
    let next = |text: &str, after: &str| next_after(text, "UTC", ms(after)).unwrap();
    // 2026-11-02 is a Monday.
    assert_eq!(next("0 2 1 * 1", "2026-10-31T00:00:00Z"), ms("2026-11-01T02:00:00Z"));
    assert_eq!(next("0 2 1 * 1", "2026-11-01T12:00:00Z"), ms("2026-11-02T02:00:00Z"));
    assert_eq!(next("0 2 * * 7", "2026-11-02T00:00:00Z"), next("0 2 * * 0", "2026-11-02T00:00:00Z"));
    assert_eq!(next("0 2 31 * *", "2026-11-01T00:00:00Z"), ms("2026-12-31T02:00:00Z"));
}
