//! When a schedule is due: cron texts in a time zone, computed from instants that are arguments.
//!
//! A text whose minutes and hours are numbers (also lists and ranges of them) names times of the clock on the wall: each
//! comes once a day also where clocks change. One that does not exist comes right after the gap, one that exists twice
//! comes the first time. A text with `*` in minutes or hours names a rhythm: it goes on in real time, so that a doubled
//! hour has its runs twice and a skipped one none.
//! Only the leader computes this; what it found goes into a command, because another version of the zone data must not
//! make another State.

use crate::refuse;
use crate::state::{BackupSchedule, MissedRun, SchedulePlan};
use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use std::collections::VecDeque;
use strandline_types::{BackupMode, Failure, limits};

/// Missed runs are looked for this far back; a weekly plan has one in it.
const LOOK_BACK_MS: u64 = 8 * 24 * 60 * 60 * 1000;
/// An instant to look on from, where only whether something comes matters: 2026-01-01.
const LIKE_NOW_MS: u64 = 1_767_225_600_000;
/// Steps of one search: a run every minute over [`LOOK_BACK_MS`].
const STEPS_MAX: usize = 8 * 24 * 60 + 1;
/// Clocks were never put forward by more: a zone that changes the side of the date line leaves a day out.
const GAP_MINUTES_MAX: i64 = 25 * 60;

/// A time at which a schedule wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub due_ms: u64,
    /// What.
    pub mode: BackupMode,
    /// True when it is too late for it and the policy leaves it out.
    pub is_skipped: bool,
}

/// Checks what an administrator typed.
///
/// # Errors
/// `Invalid` names the text.
pub fn check(plan: &SchedulePlan) -> Result<(), Failure> {
    zone(&plan.time_zone)?;
    let source = &plan.key_source;
    let is_source = source.starts_with("file:/") || source.strip_prefix("command:").is_some_and(|c| !c.is_empty());
    if !source.is_empty() && !is_source {
        return Err(refuse::bad_schedule_key(source));
    }
    let mut any = false;
    for (_, text) in texts(plan) {
        any = true;
        check_text(text, &plan.time_zone)?;
    }
    if any { Ok(()) } else { Err(refuse::empty_schedule()) }
}

/// Checks one cron text and its zone.
///
/// # Errors
/// `Invalid` names the text.
pub fn check_text(text: &str, time_zone: &str) -> Result<(), Failure> {
    zone(time_zone)?;
    parse(text)?;
    // From any instant on: what comes at all comes again and again.
    match next_after(text, time_zone, LIKE_NOW_MS) {
        Some(_) => Ok(()),
        None => Err(refuse::bad_cron(text, "no day is like this: it would never come due")),
    }
}

/// True when a text has a time in `(after_ms, now_ms]`.
#[must_use]
pub fn has_come(text: &str, time_zone: &str, after_ms: u64, now_ms: u64) -> bool {
    let after_ms = after_ms.max(now_ms.saturating_sub(LOOK_BACK_MS));
    next_after(text, time_zone, after_ms).is_some_and(|at| at <= now_ms)
}

/// The newest due time that is not dealt with, and what to do for it.
#[must_use]
pub fn due(schedule: &BackupSchedule, now_ms: u64) -> Option<Due> {
    if !schedule.enabled {
        return None;
    }
    let after_ms = schedule.after_ms.max(now_ms.saturating_sub(LOOK_BACK_MS));
    let found: Vec<(u64, BackupMode)> = texts(&schedule.plan)
        .filter_map(|(mode, text)| Some((newest_between(text, &schedule.plan.time_zone, after_ms, now_ms)?, mode)))
        .collect();
    // Of two at one instant the stronger one.
    let (due_ms, newest) = found.iter().copied().max_by_key(|(at, mode)| (*at, strength(*mode)))?;
    let is_late = now_ms.saturating_sub(due_ms) > limits::SCHEDULE_GRACE_MS;
    let strongest = found.iter().map(|(_, mode)| *mode).max_by_key(|mode| strength(*mode)).unwrap_or(newest);
    Some(match schedule.plan.missed {
        MissedRun::RunOnce => Due { due_ms, mode: strongest, is_skipped: false },
        MissedRun::Skip => Due { due_ms, mode: newest, is_skipped: is_late },
    })
}

/// Due times that no run of their own comes for: those before `due_ms` that are not dealt with. The newest ones, oldest
/// first, and how many there are in all.
#[must_use]
pub fn left_out(schedule: &BackupSchedule, due_ms: u64, now_ms: u64) -> (Vec<(u64, BackupMode)>, u64) {
    let after_ms = schedule.after_ms.max(now_ms.saturating_sub(LOOK_BACK_MS));
    let (mut newest, mut count) = (VecDeque::new(), 0);
    let mut from = after_ms;
    for _ in 0..STEPS_MAX {
        let Some((at, mode)) = next(&schedule.plan, from).filter(|(at, _)| *at < due_ms) else { break };
        if newest.len() == limits::SCHEDULE_LEFT_OUT_MAX {
            newest.pop_front();
        }
        newest.push_back((at, mode));
        (from, count) = (at, count + 1);
    }
    (newest.into(), count)
}

/// The next due time after an instant, for people.
#[must_use]
pub fn next(plan: &SchedulePlan, after_ms: u64) -> Option<(u64, BackupMode)> {
    let of = |(mode, text)| Some((next_after(text, &plan.time_zone, after_ms)?, mode));
    texts(plan).filter_map(of).min_by_key(|(at, mode)| (*at, std::cmp::Reverse(strength(*mode))))
}

fn texts(plan: &SchedulePlan) -> impl Iterator<Item = (BackupMode, &str)> {
    let all = [
        (BackupMode::Full, plan.full.as_str()),
        (BackupMode::Incremental, plan.incremental.as_str()),
        (BackupMode::Synthetic, plan.synthetic.as_str()),
    ];
    all.into_iter().filter(|(_, text)| !text.is_empty())
}

/// A full set makes up for anything, an incremental one for least.
const fn strength(mode: BackupMode) -> u8 {
    match mode {
        BackupMode::Full => 2,
        BackupMode::Synthetic => 1,
        BackupMode::Incremental => 0,
    }
}

fn zone(name: &str) -> Result<Tz, Failure> {
    name.parse::<Tz>().map_err(|_| refuse::bad_time_zone(name))
}

/// Five fields: minute, hour, day of month, month, day of week. Neither names like `@daily` nor a zone in the text.
fn parse(text: &str) -> Result<Cron, Failure> {
    let fields = text.split_whitespace().count();
    if fields != 5 || text.contains(['@', '=']) {
        return Err(refuse::bad_cron(text, "it has to be five fields"));
    }
    if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        return Err(refuse::bad_cron(text, "a list has an empty place"));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(text).map_err(|e| refuse::bad_cron(text, &e.to_string()))
}

/// A cron text in its zone.
struct Times {
    cron: Cron,
    zone: Tz,
    /// Minutes and hours are numbers: times of the clock on the wall and no rhythm.
    is_fixed: bool,
}

impl Times {
    fn of(text: &str, zone_name: &str) -> Option<Self> {
        let is_fixed = !text.split_whitespace().take(2).any(|field| field.contains('*'));
        Some(Self { cron: parse(text).ok()?, zone: zone(zone_name).ok()?, is_fixed })
    }

    /// The first time after an instant.
    fn after(&self, after_ms: u64) -> Option<u64> {
        let at = at(self.zone, after_ms)?;
        if self.is_fixed { self.fixed_after(&at) } else { next_of(&self.cron, &at).map(|next| ms_of(&next))? }
    }

    /// Goes along the clock on the wall, as if it were never changed, until that means a later instant.
    fn fixed_after(&self, after: &DateTime<Tz>) -> Option<u64> {
        let mut wall = after.naive_local().and_utc();
        for _ in 0..STEPS_MAX {
            wall = next_of(&self.cron, &wall)?;
            let instant = self.on_the_wall(wall.naive_utc())?;
            // A time of a doubled hour means its first one, which may be over.
            if instant > *after {
                return ms_of(&instant);
            }
        }
        None
    }

    /// When the clock on the wall shows this for the first time, or would have, had it not been put forward.
    fn on_the_wall(&self, wall: NaiveDateTime) -> Option<DateTime<Tz>> {
        (0..GAP_MINUTES_MAX).find_map(|n| self.zone.from_local_datetime(&(wall + TimeDelta::minutes(n))).earliest())
    }
}

/// A text like the 30th of February has no next time.
fn next_of<Z: TimeZone>(cron: &Cron, after: &DateTime<Z>) -> Option<DateTime<Z>> {
    cron.find_next_occurrence(after, false).ok().filter(|next| next > after)
}

fn ms_of(instant: &DateTime<Tz>) -> Option<u64> {
    u64::try_from(instant.timestamp_millis()).ok()
}

fn at(zone: Tz, ms: u64) -> Option<DateTime<Tz>> {
    let utc = Utc.timestamp_millis_opt(i64::try_from(ms).ok()?).single()?;
    Some(utc.with_timezone(&zone))
}

fn next_after(text: &str, zone_name: &str, after_ms: u64) -> Option<u64> {
    Times::of(text, zone_name)?.after(after_ms)
}

/// The last time in `(after, until]`. Found by going forward, so that it is always one that `next` would have shown.
fn newest_between(text: &str, zone_name: &str, after_ms: u64, until_ms: u64) -> Option<u64> {
    let times = Times::of(text, zone_name)?;
    let (mut newest, mut from) = (None, after_ms);
    for _ in 0..STEPS_MAX {
        match times.after(from) {
            Some(next) if next <= until_ms => (newest, from) = (Some(next), next),
            _ => break,
        }
    }
    newest
}

#[cfg(test)]
mod tests;
