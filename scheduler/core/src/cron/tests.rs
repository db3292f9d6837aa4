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
    let never = SchedulePlan { full: "0 2 30 2 *".into(), time_zone: "UTC".into(), ..Default::default() };
    assert_eq!(next(&never, ms("2026-01-01T00:00:00Z")), None);
}
