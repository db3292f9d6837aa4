//! Backup schedules with their next and last runs. The original has none of this; cron outside of it does.

use super::value::{n, t, time};
use super::{Build, Table, Value};
use crate::cron;
use crate::plan::schedule_held_up;
use crate::refuse;
use crate::state::State;

/// One row per schedule.
pub(super) fn schedules(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&[
        "TENANT_ID",
        "ENABLED",
        "FULL_CRON",
        "INCREMENTAL_CRON",
        "SYNTHETIC_CRON",
        "TIME_ZONE",
        "MISSED_RUN",
        "PLUS_ARCHIVELOG",
        "NEXT_RUN_TIMESTAMP",
        "NEXT_RUN_TYPE",
        "LAST_DUE_TIMESTAMP",
        "LAST_JOB_ID",
        "LAST_RESULT",
        "ENCRYPTION_KEY_SOURCE",
        "COMMENT",
    ]);
    for s in state.schedules.values() {
        let next = cron::next(&s.plan, now_ms.max(s.after_ms)).filter(|_| s.enabled);
        let last = s.runs.last();
        view.row([
            n(s.tenant_id.0),
            t(if s.enabled { "YES" } else { "NO" }),
            t(&s.plan.full),
            t(&s.plan.incremental),
            t(&s.plan.synthetic),
            t(&s.plan.time_zone),
            t(s.plan.missed),
            t(if s.plan.plus_archivelog { "ON" } else { "OFF" }),
            time(next.map(|(at, _)| at)),
            next.map_or(Value::Null, |(_, mode)| t(mode)),
            time(last.map(|r| r.due_ms)),
            last.and_then(|r| r.job).map_or(Value::Null, |job| n(job.0)),
            last.map_or(Value::Null, |r| Value::Int(r.refusal.as_ref().map_or(0, refuse::result_code).into())),
            t(&s.plan.key_source),
            t(schedule_held_up(state, s, now_ms).unwrap_or_default()),
        ]);
    }
    view.done()
}

/// What became of the newest due times.
pub(super) fn runs(state: &State) -> Table {
    let mut view = Build::new(&[
        "TENANT_ID",
        "DUE_TIMESTAMP",
        "DECIDED_TIMESTAMP",
        "BACKUP_TYPE",
        "JOB_ID",
        "STATUS",
        "RESULT",
        "COMMENT",
    ]);
    for s in state.schedules.values() {
        for run in &s.runs {
            let status = run.job.and_then(|id| state.backup_job(id)).map(|j| j.status.to_string());
            let unstarted = if run.job.is_some() { "FORGOTTEN" } else { "NOT_STARTED" };
            view.row([
                n(s.tenant_id.0),
                time(Some(run.due_ms)),
                time(Some(run.decided_ms)),
                t(run.mode),
                run.job.map_or(Value::Null, |job| n(job.0)),
                t(status.unwrap_or_else(|| unstarted.to_owned())),
                Value::Int(run.refusal.as_ref().map_or(0, refuse::result_code).into()),
                t(run.refusal.as_ref().map(ToString::to_string).unwrap_or_default()),
            ]);
        }
    }
    view.done()
}
