//! Restore drills and what they have proven.

use super::column::{Column, RowKind, Rows, text, unsigned};
use super::job::comment;
use super::value::{n, scn, scn_display, t, time};
use super::view::{Context, Tenancy, View};
use crate::jobs::machine::logic::JobLogic;
use crate::results::FingerprintResult;
use crate::state::{Drill, DrillPlan, State};
use std::collections::BTreeMap;
use strandline_types::{LsId, TenantId};

pub(super) static DRILLS: View = View {
    name: "CDB_STRANDLINE_RESTORE_DRILLS",
    aliases: &[],
    about: "A restore drill that is remembered, with the fingerprints that it compared.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<DrillRow> { of: drills, columns: COLUMNS },
};

struct DrillRow<'a> {
    state: &'a State,
    drill: &'a Drill,
}

impl RowKind for DrillRow<'static> {
    type Row<'a> = DrillRow<'a>;
}

fn drills<'a>(cx: &Context<'a>) -> Vec<DrillRow<'a>> {
    cx.state.drills().map(|drill| DrillRow { state: cx.state, drill }).collect()
}

const COLUMNS: &[Column<DrillRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.drill.tenant_id.0)),
    unsigned("DRILL_ID", |r| n(r.drill.id.0)),
    text("STATUS", |r| t(r.drill.stage)),
    unsigned("SCN", |r| scn(r.drill.scn)),
    text("SCN_DISPLAY", |r| scn_display(r.drill.scn)),
    unsigned("BACKUP_SET_ID", |r| n(r.drill.set_id.0)),
    unsigned("RESTORE_JOB_ID", |r| n(r.drill.restore.map_or(0, |(job, _)| job.0))),
    text("START_TIMESTAMP", |r| time(Some(r.drill.started_ms))),
    text("END_TIMESTAMP", |r| time(r.drill.ended_ms)),
    unsigned("KEYS", |r| n(r.drill.source.values().map(|f| f.keys).sum::<u64>())),
    text("SOURCE_FINGERPRINT", |r| t(digests(&r.drill.source))),
    text("RESTORED_FINGERPRINT", |r| t(digests(&r.drill.restored))),
    text("COMMENT", |r| comment(r.drill.failure.as_ref(), r.with_restore())),
];

impl<'a> DrillRow<'a> {
    fn with_restore(&self) -> impl Iterator<Item = &'a dyn JobLogic> {
        let restore = self.drill.restore.and_then(|(job, _)| self.state.restore_job(job));
        [self.drill as &dyn JobLogic].into_iter().chain(restore.map(|job| job as &dyn JobLogic))
    }
}

/// `1:ab12…,1001:…`: one digest per log stream.
fn digests(prints: &BTreeMap<LsId, FingerprintResult>) -> String {
    let hex = |f: &FingerprintResult| f.digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
    prints.iter().map(|(ls, f)| format!("{ls}:{}", hex(f))).collect::<Vec<_>>().join(",")
}

pub(super) static PLANS: View = View {
    name: "CDB_STRANDLINE_RESTORE_DRILL_PLANS",
    aliases: &[],
    about: "When the restore drills of a tenant run, and the newest SCN that one has proven.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<PlanRow> {
        of: plans,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.tenant_id.0)),
            unsigned("INTERVAL_SECONDS", |r| n(r.plan.interval_ms / 1000)),
            text("CRON", |r| t(&r.plan.cron)),
            text("TIME_ZONE", |r| t(&r.plan.time_zone)),
            text("LAST_DRILL_TIMESTAMP", |r| time(Some(r.plan.last_ms))),
            unsigned("PROVEN_SCN", |r| scn(r.plan.proven_scn)),
            text("PROVEN_SCN_DISPLAY", |r| scn_display(r.plan.proven_scn)),
            text("PROVEN_TIMESTAMP", |r| time(Some(r.plan.proven_ms))),
        ],
    },
};

struct PlanRow<'a> {
    tenant_id: TenantId,
    plan: &'a DrillPlan,
}

impl RowKind for PlanRow<'static> {
    type Row<'a> = PlanRow<'a>;
}

fn plans<'a>(cx: &Context<'a>) -> Vec<PlanRow<'a>> {
    cx.state.drill_plans.iter().map(|(tenant, plan)| PlanRow { tenant_id: *tenant, plan }).collect()
}
