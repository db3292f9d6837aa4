//! Restore drills: digest, restore, digest, compare, drop.

use super::plan;
use crate::apply::normal::normal;
use crate::apply::tenant::begin_drop;
use crate::checkpoint::tenant_max_scn;
use crate::command::{Done, Outcome};
use crate::in_use;
use crate::jobs::machine::between;
use crate::jobs::machine::head::JobHead;
use crate::jobs::machine::life;
use crate::jobs::machine::logic::OnFailure;
use crate::jobs::machine::logic::{JobLogic, Kept, VOID};
use crate::jobs::machine::stage::Stage;
use crate::lint::check;
use crate::orders::{FingerprintSpec, TaskSpec};
use crate::reads::Read;
use crate::refuse;
use crate::report::TaskResult;
use crate::results::FingerprintResult;
use crate::state::{Drill, DrillPlan, DrillStage, State, TaskRun};
use crate::step::Plan;
use crate::task::{Part, TaskId, TaskKey, TaskKind};
use crate::waiting::Who;
use std::collections::BTreeMap;
use strandline_types::{BackupSetId, CODE_SCN_PASSED, Failure, JobId, LsId, Scn, TenantId, Transition, TurnId, limits};

impl JobLogic for Drill {
    fn head(&self) -> &JobHead {
        &self.head
    }

    fn kept(&self) -> Kept {
        // The newest proof stays with the plan.
        Kept::Newest(limits::CLEAN_JOBS_KEPT_MAX)
    }

    fn outlives_tenant(&self) -> bool {
        false
    }

    fn who(&self) -> Who {
        Who::Drill(self.id)
    }

    fn is_running(&self) -> bool {
        !self.stage.is_ended()
    }

    fn is_closing(&self) -> bool {
        false
    }

    /// Each of its stages has a time of its own, however much its tasks move.
    fn moves_with_tasks(&self) -> bool {
        false
    }

    fn running_tasks(&self) -> Option<TaskKind> {
        match self.stage {
            DrillStage::Source | DrillStage::Restored => Some(TaskKind::Fingerprint),
            DrillStage::Choose | DrillStage::Restore | DrillStage::Drop | DrillStage::Proven | DrillStage::Failed => {
                None
            }
        }
    }

    fn tenant_of_tasks(&self) -> Option<TenantId> {
        match self.stage {
            DrillStage::Restored => self.restore.map(|(_, tenant)| tenant),
            _ => Some(self.tenant_id),
        }
    }

    fn reads(&self, state: &State) -> Vec<Read> {
        match self.stage {
            // Until its restore has begun, and is a job of its own, it needs what would be restored now.
            DrillStage::Source | DrillStage::Choose => in_use::newest(state, self.tenant_id),
            DrillStage::Restore | DrillStage::Restored | DrillStage::Drop | DrillStage::Proven | DrillStage::Failed => {
                Vec::new()
            }
        }
    }

    fn lint(&self, _state: &State, found: &mut Vec<String>) {
        lint(self, found);
    }

    fn plan(&self, state: &State, now_ms: u64, plan: &mut Plan) {
        plan::plan(state, self, now_ms, plan);
    }

    fn spec(&self, _state: &State, _task: TaskId, _run: &TaskRun) -> Option<TaskSpec> {
        // What was restored is as it is now.
        let scn = if self.stage == DrillStage::Source { self.scn } else { Scn::MIN };
        Some(TaskSpec::Fingerprint(FingerprintSpec { scn }))
    }

    fn take_result(state: &mut State, id: JobId, task: TaskId, result: Option<TaskResult>) -> bool {
        let (Some(ls), Some(TaskResult::Fingerprint(result))) = (task.part.ls(), result) else { return false };
        take_digest(state, id, ls, result)
    }

    fn task_failed(state: &mut State, key: TaskKey, failure: &Failure) -> OnFailure {
        if scn_passed(state, key, failure) { OnFailure::Answered } else { OnFailure::Retry }
    }

    /// A medium that is away for a moment is asked again by the next plan.
    fn medium_failed(state: &mut State, id: JobId, failure: Failure) -> Option<Failure> {
        if failure.class.is_retryable() {
            return Some(failure);
        }
        fail(state, id, failure);
        None
    }

    fn advance(state: &mut State, id: JobId, from: Stage, to: Stage) -> Outcome {
        let (Stage::Drill(from), Stage::Drill(to)) = (from, to) else { return VOID };
        advance(state, id, from, to)
    }

    fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
        fail(state, id, failure)
    }

    fn cancel(state: &mut State, id: JobId) -> Outcome {
        fail(state, id, refuse::canceled(&format!("restore drill {id}")));
        Ok(Done::Drill(id))
    }

    fn close(_state: &mut State, _id: JobId) -> Outcome {
        VOID
    }
}

pub(crate) fn set_interval(state: &mut State, id: TenantId, interval_ms: u64) -> Outcome {
    state.tenant(id)?;
    let now_ms = state.clock_ms;
    let plan = state.drill_plans.entry(id).or_default();
    plan.interval_ms = interval_ms;
    plan.last_ms = plan.last_ms.max(now_ms);
    Ok(Done::Ok)
}

/// A cron text instead of, or beside, an interval; an empty one clears it.
pub(crate) fn set_schedule(state: &mut State, id: TenantId, cron: String, time_zone: String) -> Outcome {
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
pub(crate) fn start(state: &mut State, id: TenantId, last_ms: Option<u64>) -> Outcome {
    if last_ms.is_some_and(|l| state.drill_plans.get(&id).is_none_or(|p| p.last_ms != l)) {
        return Ok(Done::Nothing);
    }
    let tenant = normal(state, id)?;
    let (name, data, streams) = (tenant.name.clone(), tenant.data_dest, tenant.log_streams.keys().copied());
    let streams: Vec<Part> = streams.map(Part::Ls).collect();
    if let Some(drill) = state.open_drill(id) {
        return Err(refuse::drill_in_progress(drill.id));
    }
    if data.is_none() || state.open_round(id).is_none() {
        return Err(refuse::drill_cannot_start(&name));
    }
    let now_ms = state.clock_ms;
    let drill_id = life::next_id(state);
    let mut drill = Drill {
        head: JobHead::new(drill_id, id, now_ms),
        scn: scn_ahead(state, id),
        stage: DrillStage::Source,
        restore: None,
        set_id: BackupSetId(0),
        source: BTreeMap::new(),
        restored: BTreeMap::new(),
    };
    drill.runs.begin(TaskKind::Fingerprint, streams, TurnId(1));
    life::insert(state, drill);
    let plan: &mut DrillPlan = state.drill_plans.entry(id).or_default();
    plan.last_ms = now_ms;
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
fn scn_passed(state: &mut State, key: TaskKey, failure: &Failure) -> bool {
    let is_source = |d: &&Drill| d.stage == DrillStage::Source && failure.code == CODE_SCN_PASSED;
    let Some(drill) = state.drill(key.job_id).filter(is_source) else { return false };
    if key.turn.0 >= limits::DRILL_SCNS_MAX {
        return false;
    }
    let (now_ms, scn) = (state.clock_ms, scn_ahead(state, drill.tenant_id));
    let Some(drill) = state.drill_mut(key.job_id) else { return false };
    drill.scn = scn;
    drill.progress_ms = now_ms;
    drill.source.clear();
    for run in drill.runs.values_mut() {
        *run = TaskRun { turn: key.turn.next(), ..TaskRun::default() };
    }
    true
}

/// The next stage, if it still is in `from`. A restore begins by itself, and a failure ends by itself.
fn advance(state: &mut State, id: JobId, from: DrillStage, to: DrillStage) -> Outcome {
    let Some(drill) = state.drill(id).filter(|d| d.stage == from && from.may_become(to)) else { return VOID };
    let may_advance = match to {
        DrillStage::Choose => drill.runs.are_finished(TaskKind::Fingerprint),
        DrillStage::Drop => from == DrillStage::Restored && drill.runs.are_finished(TaskKind::Fingerprint),
        DrillStage::Restored | DrillStage::Proven => true,
        DrillStage::Source | DrillStage::Restore | DrillStage::Failed => false,
    };
    if !may_advance {
        return VOID;
    }
    if to == DrillStage::Drop {
        return Ok(compare(state, id));
    }
    enter(state, id, to);
    Ok(Done::Ok)
}

fn enter(state: &mut State, id: JobId, to: DrillStage) {
    let now_ms = state.clock_ms;
    let made = state.drill(id).and_then(|d| state.tenants.get(&d.restore?.1));
    let streams: Vec<Part> = made.map(|t| t.log_streams.keys().copied().map(Part::Ls).collect()).unwrap_or_default();
    let Some(drill) = state.drill_mut(id) else { return };
    // The tenant is gone; whether it was equal was decided before.
    let has_failed = to == DrillStage::Proven && drill.failure.is_some();
    drill.stage = if has_failed { DrillStage::Failed } else { to };
    drill.progress_ms = now_ms;
    drill.ended_ms = to.is_ended().then_some(now_ms);
    drill.runs.clear();
    if to == DrillStage::Restored {
        drill.runs.begin(TaskKind::Fingerprint, streams, TurnId(1));
    }
    let (tenant, scn, is_proven) = (drill.tenant_id, drill.scn, drill.stage == DrillStage::Proven);
    if let Some(plan) = state.drill_plans.get_mut(&tenant).filter(|_| is_proven) {
        plan.proven_scn = plan.proven_scn.max(scn);
        plan.proven_ms = now_ms;
    }
}

/// Equal or not; the tenant goes in either case.
fn compare(state: &mut State, id: JobId) -> Done {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drill_mut(id) else { return Done::Nothing };
    let same = |ls: &LsId, a: &FingerprintResult| {
        drill.restored.get(ls).is_some_and(|b| b.digest == a.digest && b.keys == a.keys)
    };
    let differs = drill.source.iter().find(|(ls, a)| !same(ls, a)).map(|(ls, _)| *ls);
    let is_equal = differs.is_none() && drill.source.len() == drill.restored.len();
    if !is_equal {
        let failure = refuse::drill_differs(drill.scn, differs);
        drill.failure = Some(failure);
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

/// A restore has begun: the drill that it is for is known by the name of its tenant.
pub(crate) fn note_restore(state: &mut State, job: JobId) {
    let now_ms = state.clock_ms;
    let Some(restore) = state.restore_job(job) else { return };
    let (tenant, set) = (restore.tenant_id, restore.source.set_id);
    let is_its = |d: &&Drill| d.stage == DrillStage::Choose && d.tenant_name() == restore.tenant_name;
    let id = state.drills().find(is_its).map(|d| d.id);
    if let Some(drill) = id.and_then(|id| state.drill_mut(id)) {
        drill.restore = Some((job, tenant));
        drill.set_id = set;
        drill.stage = DrillStage::Restore;
        drill.progress_ms = now_ms;
        drill.trouble = None;
    }
}

fn take_digest(state: &mut State, id: JobId, ls: LsId, result: FingerprintResult) -> bool {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drill_mut(id) else { return false };
    drill.progress_ms = now_ms;
    match drill.stage {
        DrillStage::Source => drill.source.insert(ls, result),
        DrillStage::Restored => drill.restored.insert(ls, result),
        _ => return false,
    };
    true
}

/// Ends a drill with a reason. What it has restored is dropped first.
fn fail(state: &mut State, id: JobId, failure: Failure) -> bool {
    let now_ms = state.clock_ms;
    let Some(drill) = state.drill_mut(id).filter(|d| !d.stage.is_ended() && d.stage != DrillStage::Drop) else {
        return false;
    };
    drill.failure = Some(failure.clone());
    drill.trouble = None;
    drill.runs.clear();
    drill.progress_ms = now_ms;
    let restore = drill.restore;
    drill.stage = if restore.is_some() { DrillStage::Drop } else { DrillStage::Failed };
    drill.ended_ms = restore.is_none().then_some(now_ms);
    if let Some((job, tenant)) = restore
        && !between::restore::fail(state, job, failure)
    {
        begin_drop(state, tenant);
    }
    true
}

fn lint(drill: &Drill, found: &mut Vec<String>) {
    let name = format!("restore drill {}", drill.id);
    let is_over = drill.stage.is_ended();
    check(found, is_over == drill.ended_ms.is_some(), || format!("{name}: {} and its end", drill.stage));
    let has_failed = drill.stage == DrillStage::Failed;
    check(found, !is_over || has_failed == drill.failure.is_some(), || format!("{name}: its end and its reason"));
    let has_restored = matches!(drill.stage, DrillStage::Restore | DrillStage::Restored | DrillStage::Drop);
    check(found, !has_restored || drill.restore.is_some(), || format!("{name} is {} of nothing", drill.stage));
    check(found, !is_over || drill.runs.is_empty(), || format!("{name} has ended with tasks"));
}
