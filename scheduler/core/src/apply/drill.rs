//! Restore drills: digest, restore, digest, compare, drop.

use super::tenant::{begin_drop, normal};
use crate::checkpoint::tenant_max_scn;
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::results::FingerprintResult;
use crate::state::{Drill, DrillPlan, DrillStage, State, TaskRun};
use crate::task::TaskKey;
use std::collections::BTreeMap;
use strandline_types::{BackupSetId, CODE_SCN_PASSED, Failure, JobId, LsId, RestoreStage, Scn, TenantId, limits};

pub(super) fn set_interval(state: &mut State, id: TenantId, interval_ms: u64) -> Outcome {
    state.tenant(id)?;
    let now_ms = state.clock_ms;
    let plan = state.drill_plans.entry(id).or_default();
    plan.interval_ms = interval_ms;
    plan.last_ms = plan.last_ms.max(now_ms);
    Ok(Done::Ok)
}

/// A cron text instead of, or beside, an interval; an empty one clears it.
pub(super) fn set_schedule(state: &mut State, id: TenantId, cron: String, time_zone: String) -> Outcome {
    state.tenant(id)?;
    if !cron.is_empty() {
        crate::cron::check_text(&cron, &time_zone)?;
    }
    let now_ms = state.clock_ms;
    let plan = state.drill_plans.entry(id).or_default();
    (plan.cron, plan.time_zone) = (cron, time_zone);
    plan.last_ms = plan.last_ms.max(now_ms);
    Ok(Done::Ok)
}

/// `last_ms`: the schedule's turn, void when somebody has had it; `None` = an administrator asked.
pub(super) fn start(state: &mut State, id: TenantId, last_ms: Option<u64>) -> Outcome {
    if last_ms.is_some_and(|l| state.drill_plans.get(&id).is_none_or(|p| p.last_ms != l)) {
        return Ok(Done::Nothing);
    }
    let tenant = normal(state, id)?;
    let (name, data, streams) = (tenant.name.clone(), tenant.data_dest, tenant.log_streams.keys().copied());
    let runs = streams.map(|ls| (ls, TaskRun::default())).collect();
    if let Some(drill) = state.open_drill(id) {
        return Err(refuse::drill_in_progress(drill.id));
    }
    if data.is_none() || state.open_round(id).is_none() {
        return Err(refuse::drill_cannot_start(&name));
    }
    let now_ms = state.clock_ms;
    let drill_id = state.next.job;
    state.next.job = drill_id.next();
    let scn = scn_ahead(state, id);
    let drill = Drill {
        id: drill_id,
        tenant_id: id,
        scn,
        stage: DrillStage::Source,
        started_ms: now_ms,
        ended_ms: None,
        progress_ms: now_ms,
        restore: None,
        set_id: BackupSetId(0),
        runs,
        source: BTreeMap::new(),
        restored: BTreeMap::new(),
        failure: None,
        trouble: None,
    };
    state.drills.insert(drill_id, drill);
    let plan: &mut DrillPlan = state.drill_plans.entry(id).or_default();
    plan.last_ms = now_ms;
    prune(state);
    Ok(Done::Drill(drill_id))
}

/// A little ahead: the content at this SCN is caught while the log passes it.
fn scn_ahead(state: &State, tenant: TenantId) -> Scn {
    let scn = tenant_max_scn(state, tenant).max(Scn::from_ms(state.clock_ms)).max(Scn::MIN);
    Scn(scn.0.saturating_add(limits::DRILL_AHEAD_MS * 1_000_000))
}

/// A log stream of the source had passed the SCN before anybody looked, for example while its leader changed: that is no
/// fault of the backup. All streams are looked at again at a new SCN, as the next turn. True when that was done; not for
/// ever, because every look is a read of all tablets.
pub(super) fn scn_passed(state: &mut State, key: TaskKey, failure: &Failure) -> bool {
    let is_source = |d: &&Drill| d.stage == DrillStage::Source && failure.code == CODE_SCN_PASSED;
    let Some(drill) = state.drills.get(&key.job_id).filter(is_source) else { return false };
    if key.turn.0 >= limits::DRILL_SCNS_MAX {
        return false;
    }
    let (now_ms, scn) = (state.clock_ms, scn_ahead(state, drill.tenant_id));
    let Some(drill) = state.drills.get_mut(&key.job_id) else { return false };
    drill.scn = scn;
    drill.progress_ms = now_ms;
    drill.source.clear();
    for run in drill.runs.values_mut() {
        *run = TaskRun { turn: key.turn.next(), ..TaskRun::default() };
    }
    true
}

/// Brings a drill a stage further, if it still is in `from`.
pub(super) fn advance(state: &mut State, id: JobId, from: DrillStage, to: DrillStage) -> Outcome {
    let Some(drill) = state.drills.get(&id).filter(|d| d.stage == from) else { return Ok(Done::Nothing) };
    let all_seen = drill.runs.values().all(TaskRun::is_finished);
    let restored_runs = || -> BTreeMap<LsId, TaskRun> {
        let tenant = drill.restore.and_then(|(_, t)| state.tenants.get(&t));
        tenant.map(|t| t.log_streams.keys().map(|ls| (*ls, TaskRun::default())).collect()).unwrap_or_default()
    };
    let runs = match (from, to) {
        (DrillStage::Source, DrillStage::Choose) if all_seen => BTreeMap::new(),
        (DrillStage::Restore, DrillStage::Restored) => restored_runs(),
        (DrillStage::Restored, DrillStage::Drop) if all_seen => BTreeMap::new(),
        (DrillStage::Drop, DrillStage::Proven) => BTreeMap::new(),
        _ => return Ok(Done::Nothing),
    };
    let now_ms = state.clock_ms;
    if to == DrillStage::Drop {
        return Ok(compare(state, id));
    }
    let (tenant_id, scn) = (drill.tenant_id, drill.scn);
    if let Some(drill) = state.drills.get_mut(&id) {
        drill.stage = to;
        drill.progress_ms = now_ms;
        drill.runs = runs;
        drill.ended_ms = to.is_ended().then_some(now_ms);
        // The tenant is gone; whether it was equal was decided before.
        if to == DrillStage::Proven && drill.failure.is_some() {
            drill.stage = DrillStage::Failed;
        }
    }
    let is_proven = state.drills.get(&id).is_some_and(|d| d.stage == DrillStage::Proven);
    if let Some(plan) = state.drill_plans.get_mut(&tenant_id).filter(|_| is_proven) {
        plan.proven_scn = plan.proven_scn.max(scn);
        plan.proven_ms = now_ms;
    }
    Ok(Done::Ok)
}

/// Equal or not; the tenant goes in either case.
fn compare(state: &mut State, id: JobId) -> Done {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drills.get_mut(&id) else { return Done::Nothing };
    let same = |ls: &LsId, a: &FingerprintResult| {
        drill.restored.get(ls).is_some_and(|b| b.digest == a.digest && b.keys == a.keys)
    };
    let differs = drill.source.iter().find(|(ls, a)| !same(ls, a)).map(|(ls, _)| *ls);
    let is_equal = differs.is_none() && drill.source.len() == drill.restored.len();
    if !is_equal {
        drill.failure = Some(refuse::drill_differs(drill.scn, differs));
    }
    drill.stage = DrillStage::Drop;
    drill.progress_ms = now_ms;
    drill.runs.clear();
    let tenant = drill.restore.map(|(_, t)| t);
    if let Some(tenant) = tenant {
        begin_drop(state, tenant);
    }
    Done::Ok
}

/// A restore was started for a drill: its tenant has the drill's name.
pub(super) fn note_restore(state: &mut State, job: JobId) {
    let now_ms = state.clock_ms;
    let Some((name, tenant, set)) =
        state.restore_jobs.get(&job).map(|j| (j.tenant_name.clone(), j.tenant_id, j.source.set_id))
    else {
        return;
    };
    let is_its = |d: &&mut Drill| d.stage == DrillStage::Choose && d.tenant_name() == name;
    if let Some(drill) = state.drills.values_mut().find(is_its) {
        drill.restore = Some((job, tenant));
        drill.set_id = set;
        drill.stage = DrillStage::Restore;
        drill.progress_ms = now_ms;
        drill.trouble = None;
    }
}

pub(super) fn take_result(state: &mut State, id: JobId, ls: LsId, result: FingerprintResult) -> bool {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drills.get_mut(&id) else { return false };
    drill.progress_ms = now_ms;
    match drill.stage {
        DrillStage::Source => drill.source.insert(ls, result),
        DrillStage::Restored => drill.restored.insert(ls, result),
        _ => return false,
    };
    true
}

pub(super) fn cancel(state: &mut State, tenant: TenantId) -> Outcome {
    let name = state.tenant(tenant)?.name.clone();
    let Some(id) = state.open_drill(tenant).map(|d| d.id) else { return Err(refuse::no_drill_running(&name)) };
    fail(state, id, refuse::canceled(&format!("restore drill {id}")));
    Ok(Done::Drill(id))
}

/// Ends a drill with a reason. What it has restored is dropped first.
pub(super) fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drills.get_mut(&id).filter(|d| !d.stage.is_ended() && d.stage != DrillStage::Drop) else {
        return false;
    };
    drill.failure = Some(failure.clone());
    drill.trouble = None;
    drill.runs.clear();
    drill.progress_ms = now_ms;
    let restore = drill.restore;
    drill.stage = if restore.is_some() { DrillStage::Drop } else { DrillStage::Failed };
    drill.ended_ms = restore.is_none().then_some(now_ms);
    if let Some((job, tenant)) = restore {
        let is_running = state.restore_jobs.get(&job).is_some_and(|j| j.stage != RestoreStage::Success);
        if !(is_running && super::restore::fail(state, job, failure)) {
            begin_drop(state, tenant);
        }
    }
    true
}

/// Forgets the oldest ended drills; the newest proof stays with the plan.
fn prune(state: &mut State) {
    let ended: Vec<JobId> = state.drills.values().filter(|d| d.stage.is_ended()).map(|d| d.id).collect();
    for id in ended.iter().take(ended.len().saturating_sub(limits::CLEAN_JOBS_KEPT_MAX)) {
        state.drills.remove(id);
    }
}
