//! The next steps of each restore job (docs/protocols.md, section 5).

use crate::command::Action;
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise as tasks;
use crate::placement;
use crate::refuse;
use crate::state::{RestoreJob, State, Tenant};
use crate::step::Plan;
use crate::task::{Part, TaskKind};
use crate::waiting::{On, Who};
use strandline_types::{LsId, NodeId, RestoreStage, limits};

pub(super) fn plan(state: &State, job: &RestoreJob, now_ms: u64, plan: &mut Plan) {
    if let Some(tenant) = state.tenants.get(&job.tenant_id) {
        Ctx { state, job, tenant, now_ms }.plan(plan);
    }
}

struct Ctx<'a> {
    state: &'a State,
    job: &'a RestoreJob,
    tenant: &'a Tenant,
    now_ms: u64,
}

impl Ctx<'_> {
    fn who(&self) -> Who {
        Who::Restore(self.job.id)
    }

    fn advance(&self, plan: &mut Plan, to: RestoreStage) {
        plan.propose(Action::AdvanceJob {
            job: self.job.id,
            from: Stage::Restore(self.job.stage),
            to: Stage::Restore(to),
        });
    }

    fn plan(&self, plan: &mut Plan) {
        let job = self.job;
        if self.now_ms.saturating_sub(job.progress_ms) >= limits::JOB_STALL_MS {
            return plan.propose(Action::JobFailed { job: job.id, failure: refuse::stalled(&self.who()) });
        }
        match job.stage {
            RestoreStage::CreateTenant => self.advance(plan, RestoreStage::RestoreData),
            RestoreStage::RestoreData if job.runs.are_finished(TaskKind::RestoreData) => {
                self.advance(plan, RestoreStage::StartLogStreams);
            }
            RestoreStage::RestoreData => self.plan_data(plan),
            RestoreStage::StartLogStreams => self.plan_start(plan),
            RestoreStage::ReplayLog if job.runs.are_finished(TaskKind::RestoreLog) => {
                self.advance(plan, RestoreStage::PostCheck);
            }
            RestoreStage::ReplayLog => self.plan_replay(plan),
            RestoreStage::PostCheck if job.dictionary.is_some() => self.advance(plan, RestoreStage::Success),
            RestoreStage::PostCheck => {
                plan.wait(job.tenant_id, self.who(), On::RestoredDictionary, job.progress_ms);
            }
            RestoreStage::Success | RestoreStage::Failed => {}
        }
    }

    /// Every replica fetches its own data; the replica of a worker that is gone moves to another one, if there is one.
    fn plan_data(&self, plan: &mut Plan) {
        for (key, run) in tasks::attempts(self.job, TaskKind::RestoreData) {
            let Part::Replica(ls, worker) = key.part else { continue };
            if run.is_finished() {
                continue;
            }
            let is_known = self.state.is_known(worker, self.now_ms);
            if !is_known && self.plan_move(ls, worker, plan) {
                continue;
            }
            if !tasks::supervise(self.state, self.now_ms, key, run, plan) {
                let candidates: &[NodeId] = if is_known { &[worker] } else { &[] };
                tasks::assign(self.now_ms, key, run, candidates, plan);
            }
        }
    }

    fn plan_move(&self, ls: LsId, from: NodeId, plan: &mut Plan) -> bool {
        let Some(stream) = self.tenant.log_streams.get(&ls).filter(|s| !s.started) else { return false };
        let Some(to) = placement::spare(self.state, &stream.members, self.now_ms) else { return false };
        plan.propose(Action::MoveReplica { job: self.job.id, ls, from, to });
        true
    }

    fn plan_start(&self, plan: &mut Plan) {
        let waiting: Vec<LsId> = self.tenant.log_streams.values().filter(|ls| !ls.started).map(|ls| ls.id).collect();
        if waiting.is_empty() {
            return self.advance(plan, RestoreStage::ReplayLog);
        }
        for ls in waiting {
            plan.wait(self.job.tenant_id, self.who(), On::LeaderOf(ls), self.job.progress_ms);
        }
    }

    /// Log is replayed by the leader; after a switch the new leader gets the task under a new retry id.
    fn plan_replay(&self, plan: &mut Plan) {
        for (key, run) in tasks::attempts(self.job, TaskKind::RestoreLog) {
            if !tasks::supervise(self.state, self.now_ms, key, run, plan) {
                let stream = key.part.ls().and_then(|ls| self.tenant.log_streams.get(&ls));
                tasks::assign_to_leader(self.state, self.now_ms, key, run, stream.and_then(|s| s.leader), plan);
            }
        }
    }
}
