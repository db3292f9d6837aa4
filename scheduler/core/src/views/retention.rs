//! Retention policies, what one would delete, and what belongs to nothing.

use super::column::{Column, RowKind, Rows, text, unsigned, values};
use super::value::{n, t, time};
use super::view::{Context, Table, Tenancy, View};
use crate::apply::{Verdicts, check_add_policy, clean_by_policy, decide_clean};
use crate::state::{CleanPolicy, CleanWhat, Destination, State, Sweep};
use strandline_catalogue::retention::Policy;
use strandline_types::{Failure, TenantId, limits};

pub(super) static POLICIES: View = View {
    name: "CDB_OB_BACKUP_DELETE_POLICY",
    aliases: &[],
    about: "The retention policy of a tenant.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<PolicyRow> {
        of: policies,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.tenant_id.0)),
            text("POLICY_NAME", |r| t(r.row.name())),
            text("RECOVERY_WINDOW", |r| t(span(r.row.policy.window_ns / 1_000_000))),
            // Not in the original.
            unsigned("REDUNDANCY", |r| n(r.row.policy.redundancy)),
            unsigned("KEEP_WEEKLY", |r| n(r.row.policy.keep_weekly)),
            unsigned("KEEP_MONTHLY", |r| n(r.row.policy.keep_monthly)),
            unsigned("KEEP_YEARLY", |r| n(r.row.policy.keep_yearly)),
            text("LAST_RUN_TIMESTAMP", |r| time(Some(r.row.last_run_ms))),
            text("NEXT_RUN_TIMESTAMP", |r| time(next_run_ms(r.row))),
        ],
    },
};

struct PolicyRow<'a> {
    tenant_id: TenantId,
    row: &'a CleanPolicy,
}

impl RowKind for PolicyRow<'static> {
    type Row<'a> = PolicyRow<'a>;
}

fn policies<'a>(cx: &Context<'a>) -> Vec<PolicyRow<'a>> {
    cx.state.clean_policies.iter().map(|(tenant, row)| PolicyRow { tenant_id: *tenant, row }).collect()
}

/// A policy without a window deletes nothing, and has no runs.
fn next_run_ms(row: &CleanPolicy) -> Option<u64> {
    (row.policy.window_ns > 0).then_some(row.last_run_ms + limits::CLEAN_TICK_MS)
}

/// A span of time as it was written.
fn span(ms: u64) -> String {
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)] {
        if ms >= size && ms.is_multiple_of(size) {
            return format!("{}{unit}", ms / size);
        }
    }
    format!("{}s", ms / 1000)
}

/// What a cleaning would do now: every object, whether it goes, and why. Nothing is changed.
///
/// # Errors
/// What stands in the way.
pub fn clean_preview(state: &State, tenant: TenantId, what: &CleanWhat, now_ms: u64) -> Result<Table, Failure> {
    Ok(verdicts(tenant, &decide_clean(state, tenant, what, state.present(now_ms))?))
}

/// What a policy would do now that the tenant does not have yet. Nothing is changed.
///
/// # Errors
/// What stands in the way of adding it.
pub fn policy_preview(state: &State, tenant: TenantId, policy: &Policy, now_ms: u64) -> Result<Table, Failure> {
    check_add_policy(state, tenant, policy)?;
    Ok(verdicts(tenant, &clean_by_policy(state, tenant, policy, state.present(now_ms))))
}

struct Verdict<'a> {
    tenant_id: TenantId,
    object: String,
    is_deleted: bool,
    why: &'a str,
}

impl RowKind for Verdict<'static> {
    type Row<'a> = Verdict<'a>;
}

const VERDICT_COLUMNS: &[Column<Verdict<'static>>] = &[
    unsigned("TENANT_ID", |v| n(v.tenant_id.0)),
    text("OBJECT", |v| t(&v.object)),
    text("VERDICT", |v| t(if v.is_deleted { "DELETE" } else { "KEEP" })),
    text("WHY", |v| t(v.why)),
];

fn verdicts(tenant_id: TenantId, verdicts: &Verdicts) -> Table {
    let of_object = |(object, is_deleted, why)| Verdict { tenant_id, object, is_deleted, why };
    let rows: Vec<_> = verdicts.rows().map(of_object).collect();
    let columns = VERDICT_COLUMNS.iter().map(|column| column.column_type().name).collect();
    Table { columns, rows: values(VERDICT_COLUMNS, &rows) }
}

pub(super) static ORPHANS: View = View {
    name: "CDB_STRANDLINE_BACKUP_ORPHANS",
    aliases: &[],
    about: "A destination with the directories and unfinished uploads in it that belong to nothing.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<OrphanRow> {
        of: orphans,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.dest.tenant_id.0)),
            unsigned("DEST_ID", |r| n(r.dest.id.0)),
            text("PATH", |r| t(&r.dest.uri)),
            text("ORPHANS", |r| t(r.names())),
            unsigned("UNFINISHED_UPLOADS", |r| n(r.sweep.unfinished)),
            unsigned("REMOVED", |r| n(r.sweep.removed)),
            unsigned("ABORTED", |r| n(r.sweep.aborted)),
            text("LAST_CHECK_TIMESTAMP", |r| time(Some(r.sweep.last_ms))),
            text("COMMENT", |r| t(r.sweep.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default())),
        ],
    },
};

struct OrphanRow<'a> {
    dest: &'a Destination,
    sweep: &'a Sweep,
}

impl RowKind for OrphanRow<'static> {
    type Row<'a> = OrphanRow<'a>;
}

impl OrphanRow<'_> {
    fn names(&self) -> String {
        self.sweep.orphans.keys().map(String::as_str).collect::<Vec<_>>().join(",")
    }
}

fn orphans<'a>(cx: &Context<'a>) -> Vec<OrphanRow<'a>> {
    let of_dest = |(id, sweep)| Some(OrphanRow { dest: cx.state.destinations.get(id)?, sweep });
    cx.state.sweeps.iter().filter_map(of_dest).collect()
}
