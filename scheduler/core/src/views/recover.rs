//! Table recovery jobs, running and ended.

use super::column::{Column, RowKind, Rows, double, signed, text, unsigned};
use super::job::{comment, piece_list, result, set_list};
use super::progress::Progress;
use super::value::{len, n, scn, scn_display, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::state::{RecoverStage, RecoverTableJob, RecoveredTable};

pub(super) static RUNNING: View = View {
    name: "CDB_OB_RECOVER_TABLE_JOBS",
    aliases: &[],
    about: "A running recovery of tables.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<RecoverTableJob> { of: |cx| jobs(cx, false), columns: COLUMNS },
};

pub(super) static ENDED: View = View {
    name: "CDB_OB_RECOVER_TABLE_JOB_HISTORY",
    aliases: &[],
    about: "An ended recovery of tables.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<RecoverTableJob> { of: |cx| jobs(cx, true), columns: COLUMNS },
};

impl RowKind for RecoverTableJob {
    type Row<'a> = &'a Self;
}

fn jobs<'a>(cx: &Context<'a>, ended: bool) -> Vec<&'a RecoverTableJob> {
    cx.state.recover_jobs().filter(|j| j.stage.is_ended() == ended).collect()
}

const COLUMNS: &[Column<RecoverTableJob>] = &[
    unsigned("TENANT_ID", |j| n(j.tenant_id.0)),
    unsigned("JOB_ID", |j| n(j.id.0)),
    unsigned("INITIATOR_TENANT_ID", |j| n(j.tenant_id.0)),
    unsigned("INITIATOR_JOB_ID", |_| n(0u64)),
    text("START_TIMESTAMP", |j| time(Some(j.started_ms))),
    text("FINISH_TIMESTAMP", |j| time(j.ended_ms)),
    text("STATUS", |j| t(j.stage)),
    // There is none: only the tables' own blocks and log are read.
    text("AUX_TENANT_NAME", |_| t("")),
    text("TARGET_TENANT_NAME", |j| t(&j.tenant_name)),
    unsigned("IMPORT_ALL", |j| n(j.all)),
    text("DB_LIST", |_| t("")),
    text("TABLE_LIST", |j| t(list(j, |x| x.source_name.clone()))),
    unsigned("RESTORE_SCN", |j| scn(j.target_scn)),
    text("RESTORE_SCN_DISPLAY", |j| scn_display(j.target_scn)),
    text("RESTORE_OPTION", |_| t("")),
    text("BACKUP_DEST", |j| t(j.source.destinations())),
    text("BACKUP_SET_LIST", |j| set_list(&j.source)),
    text("BACKUP_PIECE_LIST", |j| piece_list(&j.source)),
    text("REMAP_TABLE_LIST", |j| t(list(j, |x| format!("{}:{}", x.source_name, x.target_name)))),
    unsigned("TABLET_COUNT", |j| len(j.tables.iter().map(|t| t.tablets.len()).sum())),
    unsigned("RECOVERED_KEYS", |j| n(j.results.values().map(|r| r.keys).sum::<u64>())),
    unsigned("FETCHED_BYTES", |j| n(j.results.values().map(|r| r.bytes_fetched).sum::<u64>())),
    double("PROGRESS", |j| Some(progress(j))),
    unsigned("RETRY_COUNT", |j| n(j.runs.values().map(|r| u64::from(r.retry.0)).sum::<u64>())),
    signed("RESULT", |j| result(j.failure.as_ref())),
    text("COMMENT", |j| comment(j.failure.as_ref(), [*j as &dyn JobLogic])),
    text("DESCRIPTION", |j| t(&j.description)),
];

fn list(j: &RecoverTableJob, name: impl Fn(&RecoveredTable) -> String) -> String {
    j.tables.iter().map(name).collect::<Vec<_>>().join(",")
}

/// Percent; never 100 before the tables have their names.
fn progress(j: &RecoverTableJob) -> f64 {
    let is_over = j.stage == RecoverStage::Completed;
    Progress::of(j.tasks()).percent(is_over)
}
