//! Backup schedules with their next and last runs. The original has none of this; cron outside of it does.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::job::result;
use super::value::{n, on_off, t, time, yes_no};
use super::view::{Context, Tenancy, View};
use crate::cron;
use crate::plan::schedule_held_up;
use crate::state::{BackupSchedule, ScheduledRun, State};
use strandline_types::{BackupMode, TenantId};

pub(super) static SCHEDULES: View = View {
    name: "CDB_STRANDLINE_BACKUP_SCHEDULES",
    aliases: &[],
    about: "The backup schedule of a tenant, with its next and its last run.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<ScheduleRow> { of: schedules, columns: SCHEDULE_COLUMNS },
};

struct ScheduleRow<'a> {
    schedule: &'a BackupSchedule,
    next: Option<(u64, BackupMode)>,
    last: Option<&'a ScheduledRun>,
    comment: String,
}

impl RowKind for ScheduleRow<'static> {
    type Row<'a> = ScheduleRow<'a>;
}

fn schedules<'a>(cx: &Context<'a>) -> Vec<ScheduleRow<'a>> {
    let row = |s: &'a BackupSchedule| ScheduleRow {
        schedule: s,
        next: cron::next(&s.plan, cx.now_ms.max(s.after_ms)).filter(|_| s.enabled),
        last: s.runs.last(),
        comment: schedule_held_up(cx.state, s, cx.now_ms).unwrap_or_default(),
    };
    cx.state.schedules.values().map(row).collect()
}

const SCHEDULE_COLUMNS: &[Column<ScheduleRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.schedule.tenant_id.0)),
    text("ENABLED", |r| yes_no(r.schedule.enabled)),
    text("FULL_CRON", |r| t(&r.schedule.plan.full)),
    text("INCREMENTAL_CRON", |r| t(&r.schedule.plan.incremental)),
    text("SYNTHETIC_CRON", |r| t(&r.schedule.plan.synthetic)),
    text("TIME_ZONE", |r| t(&r.schedule.plan.time_zone)),
    text("MISSED_RUN", |r| t(r.schedule.plan.missed)),
    text("PLUS_ARCHIVELOG", |r| on_off(r.schedule.plan.plus_archivelog)),
    text("NEXT_RUN_TIMESTAMP", |r| time(r.next.map(|(at, _)| at))),
    text("NEXT_RUN_TYPE", |r| r.next.and_then(|(_, mode)| t(mode))),
    text("LAST_DUE_TIMESTAMP", |r| time(r.last.map(|run| run.due_ms))),
    unsigned("LAST_JOB_ID", |r| r.last.and_then(|run| n(run.job?.0))),
    signed("LAST_RESULT", |r| r.last.and_then(|run| result(run.refusal.as_ref()))),
    text("ENCRYPTION_KEY_SOURCE", |r| t(&r.schedule.plan.key_source)),
    text("COMMENT", |r| t(&r.comment)),
];

pub(super) static RUNS: View = View {
    name: "CDB_STRANDLINE_BACKUP_SCHEDULE_RUNS",
    aliases: &[],
    about: "A due time of a backup schedule, and what became of it.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<RunRow> {
        of: runs,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.tenant_id.0)),
            text("DUE_TIMESTAMP", |r| time(Some(r.run.due_ms))),
            text("DECIDED_TIMESTAMP", |r| time(Some(r.run.decided_ms))),
            text("BACKUP_TYPE", |r| t(r.run.mode)),
            unsigned("JOB_ID", |r| r.run.job.and_then(|job| n(job.0))),
            text("STATUS", |r| t(r.status())),
            signed("RESULT", |r| result(r.run.refusal.as_ref())),
            text("COMMENT", |r| t(r.run.refusal.as_ref().map(ToString::to_string).unwrap_or_default())),
        ],
    },
};

struct RunRow<'a> {
    state: &'a State,
    tenant_id: TenantId,
    run: &'a ScheduledRun,
}

impl RowKind for RunRow<'static> {
    type Row<'a> = RunRow<'a>;
}

fn runs<'a>(cx: &Context<'a>) -> Vec<RunRow<'a>> {
    let state = cx.state;
    let of_schedule =
        |s: &'a BackupSchedule| s.runs.iter().map(move |run| RunRow { state, tenant_id: s.tenant_id, run });
    state.schedules.values().flat_map(of_schedule).collect()
}

impl RunRow<'_> {
    /// That of the job, while the job is remembered.
    fn status(&self) -> String {
        let Some(job) = self.run.job else { return "NOT_STARTED".to_owned() };
        self.state.backup_job(job).map_or_else(|| "FORGOTTEN".to_owned(), |j| j.status.to_string())
    }
}
