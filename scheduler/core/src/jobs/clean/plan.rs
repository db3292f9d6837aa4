//! The next steps of cleaning: the policies' ticks, each set and piece that goes, and what belongs to nothing (fact
//! sheet 2.11).
//!
//! Order rule: the end placeholder first, then the log streams' directories by workers, then infos and the start
//! placeholder. A medium that does not answer holds up its own tasks and, after a while, fails them.

use crate::command::{Action, Subject};
use crate::in_use::in_use;
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise as tasks;
use crate::orders::MediumName;
use crate::plan::dest::{dest_ref, who_of};
use crate::refuse;
use crate::state::{CleanJob, CleanTask, CleanWhat, State, TenantStatus, is_object_lock};
use crate::step::{CleanWork, MediumWork, Plan, SweepWork};
use crate::task::TaskKind;
use crate::waiting::{On, Who};
use std::collections::BTreeSet;
use strandline_types::{CleanStage, DestId, FileStatus, JobStatus, NodeId, TenantId, limits};

/// The policies' turns, and what belongs to nothing.
pub(crate) fn plan_policies(state: &State, now_ms: u64, plan: &mut Plan) {
    for (&tenant, policy) in &state.clean_policies {
        let may = |t: &crate::state::Tenant| matches!(t.status, TenantStatus::Normal | TenantStatus::Imported);
        let is_normal = state.tenants.get(&tenant).is_some_and(may);
        let is_due = now_ms.saturating_sub(policy.last_run_ms) >= limits::CLEAN_TICK_MS;
        if is_normal && is_due && policy.policy.window_ns > 0 && state.open_clean_job(tenant).is_none() {
            plan.propose(Action::TickClean { tenant, last_run_ms: policy.last_run_ms });
        }
        plan_sweeps(state, tenant, now_ms, plan);
    }
}

pub(super) fn plan(state: &State, job: &CleanJob, now_ms: u64, plan: &mut Plan) {
    Ctx { state, job, now_ms }.plan(plan);
}

struct Ctx<'a> {
    state: &'a State,
    job: &'a CleanJob,
    now_ms: u64,
}

impl Ctx<'_> {
    fn who(&self) -> Who {
        Who::Clean(self.job.id)
    }

    fn plan(&self, plan: &mut Plan) {
        let tasks: Vec<&CleanTask> = self.job.tasks.iter().filter_map(|t| self.state.clean_task(*t)).collect();
        if tasks.iter().all(|t| t.stage.is_ended()) {
            return self.plan_end(plan);
        }
        let running = tasks.iter().filter(|t| t.stage.is_running()).count();
        for task in tasks.iter().filter(|t| t.stage.is_running()) {
            self.plan_task(task, plan);
        }
        let free = limits::CLEAN_TASKS_AT_ONCE.saturating_sub(running);
        if self.job.status == JobStatus::Doing && free > 0 {
            self.plan_begin(&tasks, free, plan);
        }
    }

    /// The next tasks, in order: sets before the log that they need, increments before what they are built on.
    fn plan_begin(&self, tasks: &[&CleanTask], free: usize, plan: &mut Plan) {
        let used = in_use(self.state, self.job.tenant_id);
        for task in tasks.iter().filter(|t| t.stage == CleanStage::Waiting).take(free) {
            let object = task.name.object();
            match used.get(&object) {
                Some(reader) => {
                    let who = Who::Deletion(self.job.id, object);
                    plan.wait(self.job.tenant_id, who, On::Reader(reader.clone()), task.progress_ms);
                }
                None => plan.propose(move_task(task, CleanStage::Begin)),
            }
        }
    }

    fn plan_task(&self, task: &CleanTask, plan: &mut Plan) {
        let is_locked = task.trouble.as_ref().is_some_and(|t| is_object_lock(&t.failure));
        let is_stalled = self.now_ms.saturating_sub(task.progress_ms) >= limits::JOB_STALL_MS;
        if is_stalled && !is_locked {
            let failure = task.trouble.as_ref().map_or_else(|| refuse::stalled(&self.who()), |t| t.failure.clone());
            return plan.propose(Action::JobFailed { job: task.id, failure });
        }
        match task.stage {
            CleanStage::Begin => self.plan_work(task, MediumWork::CleanBegin, CleanStage::LogStreams, plan),
            CleanStage::LogStreams if task.runs.are_finished(TaskKind::Clean) => {
                plan.propose(move_task(task, CleanStage::Rest));
            }
            CleanStage::LogStreams => self.plan_runs(task, plan),
            CleanStage::Rest => self.plan_work(task, MediumWork::CleanRest, CleanStage::Done, plan),
            _ => {}
        }
    }

    fn plan_work(&self, task: &CleanTask, work: fn(Box<CleanWork>) -> MediumWork, to: CleanStage, plan: &mut Plan) {
        let Some(dest) = self.state.destinations.get(&task.dest_id) else {
            let failure = refuse::no_such_dest(&task.dest_id.to_string());
            return plan.propose(Action::JobFailed { job: task.id, failure });
        };
        let work = work(Box::new(CleanWork {
            dest: dest_ref(self.state, dest),
            name: task.name,
            ends_round: task.ends_round,
        }));
        plan.work(Subject::Clean(task.id), vec![work], move_task(task, to));
    }

    fn plan_runs(&self, task: &CleanTask, plan: &mut Plan) {
        let candidates = tasks::by_load(self.state, self.now_ms);
        for (key, run) in tasks::attempts(task, TaskKind::Clean) {
            if !tasks::supervise(self.state, self.now_ms, key, run, plan) {
                // Round the workers, so that many small log streams are not all given to one.
                let mut near: Vec<NodeId> = candidates.clone();
                let by = key.part.ls_number().0 as usize % near.len().max(1);
                near.rotate_left(by);
                tasks::assign(self.now_ms, key, run, &near, plan);
            }
        }
    }

    /// A destination that is emptied goes itself: its check files and its identity.
    fn plan_end(&self, plan: &mut Plan) {
        let then = Action::CloseJob { job: self.job.id };
        let tasks = self.job.tasks.iter().filter_map(|t| self.state.clean_task(*t));
        let all_done = tasks.clone().all(|t| t.stage == CleanStage::Done) && self.job.status == JobStatus::Doing;
        let dest = match &self.job.what {
            CleanWhat::All(dest) if all_done => self.state.destinations.get(dest),
            _ => None,
        };
        match dest.filter(|d| !super::allowed::has_objects(self.state, d.id)) {
            Some(dest) => {
                let work = vec![MediumWork::CleanDest { dest: dest_ref(self.state, dest) }];
                plan.work(Subject::Clean(self.job.id), work, then);
            }
            None => plan.propose(then),
        }
    }
}

fn move_task(task: &CleanTask, to: CleanStage) -> Action {
    Action::AdvanceJob { job: task.id, from: Stage::CleanTask(task.stage), to: Stage::CleanTask(to) }
}

/// Orphans and unfinished uploads: looked for as often as the policies tick, removed after a grace time.
fn plan_sweeps(state: &State, tenant: TenantId, now_ms: u64, plan: &mut Plan) {
    if state.tenants.get(&tenant).is_none_or(|t| t.status != TenantStatus::Normal) {
        return;
    }
    for dest in state.destinations.values().filter(|d| d.tenant_id == tenant && d.formatted) {
        let sweep = state.sweeps.get(&dest.id).cloned().unwrap_or_default();
        if let Some(trouble) = &sweep.trouble {
            let who = Who::Orphans(Box::new(who_of(dest)));
            plan.wait(tenant, who, On::failure(trouble.failure.clone()), trouble.since_ms);
        }
        if now_ms.saturating_sub(sweep.last_ms) < limits::CLEAN_TICK_MS {
            continue;
        }
        let is_old = |since: &u64| now_ms.saturating_sub(*since) >= limits::ORPHAN_GRACE_MS;
        let work = SweepWork {
            dest: dest_ref(state, dest),
            gone: gone_names(state, tenant, dest.id),
            remove: sweep.orphans.iter().filter(|(_, since)| is_old(since)).map(|(dir, _)| dir.clone()).collect(),
            abort_before_ms: now_ms.saturating_sub(limits::ORPHAN_GRACE_MS),
        };
        let then = Action::SweepEnded { dest: dest.id, last_ms: sweep.last_ms };
        plan.work(Subject::Sweep(dest.id), vec![MediumWork::Sweep(Box::new(work))], then);
    }
}

/// Sets and pieces that are deleted: whatever of them lies there still belongs to nothing. What State never knew is
/// somebody else's and is not touched.
fn gone_names(state: &State, tenant: TenantId, dest: DestId) -> BTreeSet<MediumName> {
    let is_gone = |s: FileStatus| s == FileStatus::Deleted;
    let sets =
        state.backup_sets.values().filter(|s| s.tenant_id == tenant && s.dest_id == dest && is_gone(s.file_status));
    let pieces = state.rounds_of(tenant).filter(|r| r.dest_id == dest).flat_map(|r| r.pieces.values());
    let pieces = pieces.filter(|p| is_gone(p.file_status));
    sets.map(|s| MediumName::Set(s.set_id, s.kind)).chain(pieces.map(|p| MediumName::Piece(p.key))).collect()
}
