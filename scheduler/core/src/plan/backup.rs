//! The next steps of each backup job (fact sheet 4.6; protocols page, section 4).

use super::{dest_ref, tasks};
use crate::command::{Action, Subject};
use crate::refuse;
use crate::state::{BackupJob, BackupSet, Round, State, TaskRun, Tenant};
use crate::step::{MediumWork, Plan, SetInfos};
use crate::task::{TaskKey, TaskKind};
use std::collections::BTreeMap;
use strandline_types::{
    BackupJobStatus, BackupSetStatus, FileStatus, LsId, NodeId, RetryId, RoundState, TurnId, limits,
};

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for job in state.backup_jobs.values().filter(|j| j.is_open()) {
        let set = state.backup_sets.get(&(job.tenant_id, job.set_id));
        let (Some(tenant), Some(set)) = (state.tenants.get(&job.tenant_id), set) else { continue };
        let ctx = Ctx { state, job, set, tenant, now_ms };
        if let Some(trouble) = &job.trouble {
            plan.wait(job.tenant_id, ctx.name(), trouble.failure.to_string(), trouble.since_ms);
        }
        ctx.plan(plan);
    }
}

struct Ctx<'a> {
    state: &'a State,
    job: &'a BackupJob,
    set: &'a BackupSet,
    tenant: &'a Tenant,
    now_ms: u64,
}

impl Ctx<'_> {
    fn name(&self) -> String {
        format!("backup job {}", self.job.id)
    }

    /// The archive round that the set relies on.
    fn round(&self) -> Option<&Round> {
        self.state.rounds.get(&(self.job.tenant_id, self.job.round_id))
    }

    fn advance(&self, to: BackupJobStatus) -> Action {
        Action::MoveBackup { job: self.job.id, from: self.job.status, to }
    }

    fn plan(&self, plan: &mut Plan) {
        let job = self.job;
        if matches!(job.status, BackupJobStatus::Failed | BackupJobStatus::Canceling) {
            return self.plan_close(plan);
        }
        if self.plan_failure(plan) {
            return;
        }
        match job.status {
            BackupJobStatus::Init => self.work(plan, vec![self.set_start()], self.advance(BackupJobStatus::Data)),
            BackupJobStatus::Data if job.tasks.values().all(TaskRun::is_finished) => {
                plan.propose(self.advance(BackupJobStatus::Index));
            }
            BackupJobStatus::Data => self.plan_data(plan),
            BackupJobStatus::Index if job.index.is_finished() => plan.propose(self.advance(BackupJobStatus::Log)),
            BackupJobStatus::Index => self.plan_index(plan),
            BackupJobStatus::Log => self.plan_log(plan),
            BackupJobStatus::Infos => self.plan_infos(plan),
            _ => {}
        }
    }

    fn work(&self, plan: &mut Plan, work: Vec<MediumWork>, then: Action) {
        plan.work(Subject::Backup(self.job.id), work, then);
    }

    /// Without its archive round a set is worth nothing; and nothing waits for ever.
    fn plan_failure(&self, plan: &mut Plan) -> bool {
        let job = self.job;
        let named = format!("round {}", job.round_id);
        let failure = match self.round().filter(|r| r.is_open()) {
            // Once its log is on the medium the set needs the round no more.
            _ if job.status == BackupJobStatus::Infos => None,
            Some(round) if round.state == RoundState::Doing => None,
            Some(round) => Some(refuse::archive_not_running(&format!("{named} ({})", round.state))),
            None => Some(refuse::archive_interrupted(&named)),
        };
        let is_stalled = self.now_ms.saturating_sub(job.progress_ms) >= limits::JOB_STALL_MS;
        let failure = failure.or_else(|| is_stalled.then(|| refuse::stalled(self.name())));
        let Some(failure) = failure else { return false };
        plan.propose(Action::JobFailed { job: job.id, failure });
        true
    }

    fn set_start(&self) -> MediumWork {
        MediumWork::SetStart { dest: self.dest(), set: self.job.set_id, kind: self.job.kind }
    }

    fn dest(&self) -> crate::step::DestRef {
        // The destination of a set stays as long as its tenant.
        let known = self.state.destinations.get(&self.job.dest_id).map(|d| dest_ref(self.state, d));
        known.unwrap_or_else(|| crate::step::DestRef {
            uri: self.job.uri.clone(),
            access: strandline_types::Access::default(),
            dest_id: self.job.dest_id,
            dest_no: strandline_types::DestNo(0),
            made_below: None,
            tenant_id: self.job.tenant_id,
            tenant_name: self.tenant.name.clone(),
            cluster_id: self.state.cluster.id,
            cluster_name: self.state.cluster.name.clone(),
        })
    }

    fn key(&self, ls_id: LsId, kind: TaskKind) -> TaskKey {
        let (job_id, tenant_id) = (self.job.id, self.job.tenant_id);
        TaskKey { job_id, tenant_id, ls_id, kind, turn: TurnId(1), retry: RetryId(0) }
    }

    fn plan_data(&self, plan: &mut Plan) {
        // What this plan hands out counts as load as well.
        let mut planned: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (&ls, run) in &self.job.tasks {
            let key = tasks::key_of(self.key(ls, TaskKind::BackupLs), run);
            if tasks::supervise(self.state, self.now_ms, key, run, plan) {
                continue;
            }
            if let Some(executor) = tasks::assign(self.now_ms, key, run, &self.executors(ls, &planned), plan) {
                *planned.entry(executor).or_default() += 1;
            }
        }
    }

    /// Known members of a log stream: caught-up followers first, then the rest, the leader last; by load, then id.
    fn executors(&self, ls: LsId, planned: &BTreeMap<NodeId, usize>) -> Vec<NodeId> {
        let Some(stream) = self.tenant.log_streams.get(&ls) else { return Vec::new() };
        let mut known: Vec<_> = stream
            .members
            .iter()
            .filter(|m| self.state.is_known(**m, self.now_ms))
            .filter_map(|m| {
                let replica = self.state.workers.get(m)?.replicas.get(&(self.tenant.id, ls))?;
                let is_behind = replica.max_scn < self.set.start_scn;
                let load = tasks::load(self.state, *m) + planned.get(m).copied().unwrap_or(0);
                Some((stream.leader == Some(*m), is_behind, load, *m))
            })
            .collect();
        known.sort_unstable();
        known.into_iter().map(|(_, _, _, id)| id).collect()
    }

    fn plan_index(&self, plan: &mut Plan) {
        let run = &self.job.index;
        let key = tasks::key_of(self.key(TaskKey::TENANT, TaskKind::BackupIndex), run);
        if tasks::supervise(self.state, self.now_ms, key, run, plan) {
            return;
        }
        let known = self.state.workers.keys().filter(|w| self.state.is_known(**w, self.now_ms));
        let mut by_load: Vec<_> = known.map(|w| (tasks::load(self.state, *w), *w)).collect();
        by_load.sort_unstable();
        let candidates: Vec<NodeId> = by_load.into_iter().map(|(_, id)| id).collect();
        tasks::assign(self.now_ms, key, run, &candidates, plan);
    }

    fn plan_log(&self, plan: &mut Plan) {
        let checkpoint = self.round().map(|r| r.checkpoint_scn).unwrap_or_default();
        if checkpoint >= self.set.min_restore_scn {
            return plan.propose(self.advance(BackupJobStatus::Infos));
        }
        let on = format!("checkpoint_scn {checkpoint} to reach min_restore_scn {}", self.set.min_restore_scn);
        plan.wait(self.job.tenant_id, self.name(), on, self.job.progress_ms);
    }

    fn plan_infos(&self, plan: &mut Plan) {
        // The files say what the set will be once they are all there.
        let set =
            BackupSet { status: BackupSetStatus::Success, file_status: FileStatus::Available, ..self.set.clone() };
        let earlier = self.state.backup_sets.range((self.tenant.id, strandline_types::BackupSetId(0))..);
        let earlier = earlier.map(|(_, s)| s).take_while(|s| s.tenant_id == set.tenant_id && s.set_id < set.set_id);
        let parts = self.set.parts.iter().filter_map(|(ls, part)| {
            let result = self.job.results.get(ls)?;
            Some((*ls, (*part, result.clone())))
        });
        let sys = self.job.results.get(&LsId::SYS).and_then(|r| r.dictionary.clone());
        let infos = SetInfos {
            dest: self.dest(),
            tenant: self.tenant.clone(),
            set: set.clone(),
            earlier: earlier.filter(|s| s.dest_id == set.dest_id).cloned().collect(),
            parts: parts.collect(),
            dictionary: sys.unwrap_or_else(|| self.tenant.dictionary()),
        };
        let end = MediumWork::SetEnd { dest: self.dest(), set: Box::new(set), success: true };
        let work = vec![MediumWork::SetInfos(Box::new(infos)), end];
        self.work(plan, work, self.advance(BackupJobStatus::Completed));
    }

    /// The placeholder that says "failed" is a courtesy: it is given up when the medium does not take it.
    fn plan_close(&self, plan: &mut Plan) {
        let then = Action::BackupClosed { job: self.job.id };
        let ended_ms = self.job.ended_ms.unwrap_or(self.job.progress_ms);
        let is_hopeless = self.job.trouble.as_ref().is_some_and(|t| !t.failure.class.is_retryable());
        if is_hopeless || self.now_ms.saturating_sub(ended_ms) >= limits::FORCE_STOP_MS {
            return plan.propose(then);
        }
        let end = MediumWork::SetEnd { dest: self.dest(), set: Box::new(self.set.clone()), success: false };
        self.work(plan, vec![self.set_start(), end], then);
    }
}
