//! Retention policies, cleaning jobs and what they delete (fact sheet 2.4).

use super::held_up::{held_up, held_up_of};
use super::value::{n, t, time};
use super::{Build, Table, Value};
use crate::apply::{Verdicts, check_add_policy, clean_by_policy, decide_clean};
use crate::jobs::machine::logic::JobLogic;
use crate::orders::MediumName;
use crate::state::{CleanJob, CleanTask, CleanWhat, State};
use std::iter;
use strandline_catalogue::retention::Policy;
use strandline_types::{CleanStage, Failure, INCARNATION, TenantId, limits};

const JOB_COLUMNS: [&str; 17] = [
    "TENANT_ID",
    "JOB_ID",
    "INCARNATION",
    "INITIATOR_TENANT_ID",
    "INITIATOR_JOB_ID",
    "EXECUTOR_TENANT_ID",
    "TYPE",
    "PARAMETER",
    "JOB_LEVEL",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "TASK_COUNT",
    "SUCCESS_TASK_COUNT",
    "RESULT",
    "COMMENT",
    "DESCRIPTION",
];

/// Running jobs, or ended ones.
pub(super) fn jobs(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&JOB_COLUMNS);
    for j in state.clean_jobs().filter(|j| j.status.is_ended() == ended) {
        let tasks = || j.tasks.iter().filter_map(|id| state.clean_task(*id));
        view.row([
            n(j.tenant_id.0),
            n(j.id.0),
            n(INCARNATION),
            n(j.tenant_id.0),
            n(0u64),
            n(j.tenant_id.0),
            t(&j.what),
            t(j.what.parameter()),
            t("USER_TENANT"),
            time(Some(j.started_ms)),
            time(j.ended_ms),
            t(j.status),
            n(j.tasks.len() as u64),
            n(tasks().filter(|t| t.stage == CleanStage::Done).count() as u64),
            result(j.failure.as_ref()),
            t(comment(j, tasks())),
            t(&j.description),
        ]);
    }
    view.done()
}

fn result(failure: Option<&Failure>) -> Value {
    Value::Int(failure.map_or(0, |f| if f.code == 0 { -4000 } else { f.code }).into())
}

fn comment<'a>(job: &'a CleanJob, tasks: impl Iterator<Item = &'a CleanTask>) -> String {
    let trouble = || held_up_of(iter::once(job as &dyn JobLogic).chain(tasks.map(|t| t as &dyn JobLogic)));
    job.failure.as_ref().or_else(trouble).map(ToString::to_string).unwrap_or_default()
}

const TASK_COLUMNS: [&str; 18] = [
    "TENANT_ID",
    "TASK_ID",
    "INCARNATION",
    "JOB_ID",
    "TASK_TYPE",
    "ID",
    "ROUND_ID",
    "DEST_ID",
    "START_TIMESTAMP",
    "END_TIMESTAMP",
    "STATUS",
    "TOTAL_LS_COUNT",
    "FINISH_LS_COUNT",
    "RESULT",
    "COMMENT",
    "PATH",
    "WHY",
    "DELETED_BYTES",
];

/// Sets and pieces of running jobs, or of ended ones.
pub(super) fn tasks(state: &State, ended: bool) -> Table {
    let mut view = Build::new(&TASK_COLUMNS);
    for task in state.clean_tasks().filter(|t| t.stage.is_ended() == ended) {
        let (kind, id, round) = match task.name {
            MediumName::Set(id, _) => ("BACKUP SET", id.0, 0),
            MediumName::Piece(key) => ("BACKUP PIECE", key.piece_id.0, key.round_id.0),
        };
        let uri = state.destinations.get(&task.dest_id).map(|d| d.uri.to_string()).unwrap_or_default();
        let trouble = || held_up([task]);
        let comment = task.failure.as_ref().or_else(trouble).map(ToString::to_string).unwrap_or_default();
        view.row([
            n(task.tenant_id.0),
            n(task.id.0),
            n(INCARNATION),
            n(task.job_id().0),
            t(kind),
            n(id),
            n(round),
            n(task.dest_id.0),
            time(task.begun_ms),
            time(task.ended_ms),
            t(task.stage),
            n(task.runs.len() as u64),
            n(task.runs.values().filter(|r| r.is_finished()).count() as u64),
            result(task.failure.as_ref()),
            t(comment),
            t(uri),
            t(&task.why),
            n(task.bytes),
        ]);
    }
    view.done()
}

const POLICY_COLUMNS: [&str; 9] = [
    "TENANT_ID",
    "POLICY_NAME",
    "RECOVERY_WINDOW",
    "REDUNDANCY",
    "KEEP_WEEKLY",
    "KEEP_MONTHLY",
    "KEEP_YEARLY",
    "LAST_RUN_TIMESTAMP",
    "NEXT_RUN_TIMESTAMP",
];

/// The policies.
pub(super) fn policies(state: &State) -> Table {
    let mut view = Build::new(&POLICY_COLUMNS);
    for (tenant, row) in &state.clean_policies {
        let p = &row.policy;
        view.row([
            n(tenant.0),
            t(row.name()),
            t(span(p.window_ns / 1_000_000)),
            n(p.redundancy),
            n(p.keep_weekly),
            n(p.keep_monthly),
            n(p.keep_yearly),
            time(Some(row.last_run_ms)),
            // A policy without a window deletes nothing, and has no turns.
            time((p.window_ns > 0).then_some(row.last_run_ms + limits::CLEAN_TICK_MS)),
        ]);
    }
    view.done()
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

const PLAN_COLUMNS: [&str; 4] = ["TENANT_ID", "OBJECT", "VERDICT", "WHY"];

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

fn verdicts(tenant: TenantId, verdicts: &Verdicts) -> Table {
    let mut view = Build::new(&PLAN_COLUMNS);
    for (object, is_deleted, why) in verdicts.rows() {
        view.row([n(tenant.0), t(object), t(if is_deleted { "DELETE" } else { "KEEP" }), t(why)]);
    }
    view.done()
}

const ORPHAN_COLUMNS: [&str; 9] = [
    "TENANT_ID",
    "DEST_ID",
    "PATH",
    "ORPHANS",
    "UNFINISHED_UPLOADS",
    "REMOVED",
    "ABORTED",
    "LAST_CHECK_TIMESTAMP",
    "COMMENT",
];

/// What belongs to nothing, by destination.
pub(super) fn orphans(state: &State) -> Table {
    let mut view = Build::new(&ORPHAN_COLUMNS);
    for (id, sweep) in &state.sweeps {
        let Some(dest) = state.destinations.get(id) else { continue };
        let names: Vec<&str> = sweep.orphans.keys().map(String::as_str).collect();
        view.row([
            n(dest.tenant_id.0),
            n(id.0),
            t(&dest.uri),
            t(names.join(",")),
            n(sweep.unfinished),
            n(sweep.removed),
            n(sweep.aborted),
            time(Some(sweep.last_ms)),
            t(sweep.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default()),
        ]);
    }
    view.done()
}
