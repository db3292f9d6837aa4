//! The next steps of each backup job (docs/oceanbase.md, 4.6; docs/protocols.md, section 4).

use super::turn as backup_turn;
use crate::apply::leftovers;
use crate::command::{Action, Subject};
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise as tasks;
use crate::plan::dest::dest_ref;
use crate::plan::leftovers::failed_end;
use crate::refuse;
use crate::state::{BackupJob, BackupSet, Round, State, Tenant};
use crate::step::{ComplementLog, MediumWork, Plan, SetInfos};
use crate::task::{Part, TaskKind};
use crate::waiting::{On, Who};
use std::collections::BTreeMap;
use strandline_types::{
    BackupJobStatus, BackupMode, BackupSetStatus, Failure, FileStatus, LsId, NodeId, RoundState, limits,
};

/// Tasks that this plan hands out.
type Planned = BTreeMap<NodeId, usize>;

pub(super) fn plan(state: &State, job: &BackupJob, now_ms: u64, plan: &mut Plan) {
    let set = state.backup_sets.get(&(job.tenant_id, job.set_id));
    if let (Some(tenant), Some(set)) = (state.tenants.get(&job.tenant_id), set) {
        Ctx { state, job, set, tenant, now_ms }.plan(plan);
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
    fn who(&self) -> Who {
        Who::Backup(self.job.id)
    }

    /// The archive round that the set relies on.
    fn round(&self) -> Option<&Round> {
        self.state.rounds.get(&(self.job.tenant_id, self.job.round_id))
    }

    fn advance(&self, to: BackupJobStatus) -> Action {
        Action::AdvanceJob { job: self.job.id, from: Stage::Backup(self.job.status), to: Stage::Backup(to) }
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
            BackupJobStatus::Init => self.plan_start(plan),
            BackupJobStatus::Data if job.runs.are_finished(job.data_task_kind()) => self.plan_turn(plan),
            BackupJobStatus::Data => self.plan_data(plan),
            BackupJobStatus::Index if job.is_indexed() => {
                let is_synthetic = job.mode == BackupMode::Synthetic;
                let to = if is_synthetic { BackupJobStatus::Infos } else { BackupJobStatus::Log };
                plan.propose(self.advance(to));
            }
            BackupJobStatus::Index => {
                self.plan_tasks(plan, TaskKind::BackupIndex, |ctx, _, planned| ctx.anybody(planned))
            }
            BackupJobStatus::Log => self.plan_log(plan),
            BackupJobStatus::CopyLog if job.runs.are_finished(TaskKind::BackupLog) => {
                plan.propose(self.advance(BackupJobStatus::Infos));
            }
            BackupJobStatus::CopyLog => {
                self.plan_tasks(plan, TaskKind::BackupLog, |ctx, _, planned| ctx.anybody(planned))
            }
            BackupJobStatus::Infos => self.plan_infos(plan),
            BackupJobStatus::End => self.plan_end(plan),
            _ => {}
        }
    }

    fn work(&self, plan: &mut Plan, work: Vec<MediumWork>, then: Action) {
        plan.work(Subject::Backup(self.job.id), work, then);
    }

    /// Without its archive round a set is worth nothing; and nothing waits for ever.
    fn plan_failure(&self, plan: &mut Plan) -> bool {
        let job = self.job;
        let moved_ms = self.now_ms.saturating_sub(job.progress_ms);
        let failure = if job.status == BackupJobStatus::End {
            // What is decided stays decided; only a medium that takes nothing for so long is given up.
            (moved_ms >= limits::FORCE_STOP_MS).then(|| refuse::end_unknown(job.set_id))
        } else {
            self.round_failure().or_else(|| (moved_ms >= limits::JOB_STALL_MS).then(|| refuse::stalled(&self.who())))
        };
        let Some(failure) = failure else { return false };
        plan.propose(Action::JobFailed { job: job.id, failure });
        true
    }

    fn round_failure(&self) -> Option<Failure> {
        let job = self.job;
        // Once its log is on the medium the set needs the round no more; a synthetic one never does.
        if job.status == BackupJobStatus::Infos || job.mode == BackupMode::Synthetic {
            return None;
        }
        let named = format!("round {}", job.round_id);
        match self.state.rounds.get(&(job.tenant_id, job.round_id)) {
            Some(round) if round.state == RoundState::Doing => None,
            Some(round) if round.is_open() => Some(refuse::archive_not_running(&format!("{named} ({})", round.state))),
            _ => Some(refuse::archive_interrupted(&named)),
        }
    }

    /// The set is begun, once its destination is ready.
    fn plan_start(&self, plan: &mut Plan) {
        let dest = self.state.destinations.get(&self.job.dest_id);
        if dest.is_some_and(|d| !d.formatted) {
            let trouble = dest.and_then(|d| d.trouble.as_ref()).map(|t| t.failure.clone());
            return plan.wait(self.job.tenant_id, self.who(), On::Destination(trouble), self.job.progress_ms);
        }
        self.work(plan, vec![self.set_start()], self.advance(BackupJobStatus::Data));
    }

    /// All data tasks are done: on to the index, unless the tenant is not the one any more that they copied.
    fn plan_turn(&self, plan: &mut Plan) {
        let job = self.job;
        let changed = backup_turn::changed(job, self.tenant);
        if job.turn.0 >= limits::BACKUP_TURNS_MAX || !changed.is_any() {
            return plan.propose(self.advance(BackupJobStatus::Index));
        }
        if let Some(on) = backup_turn::waits_for(self.tenant, &changed) {
            return plan.wait(job.tenant_id, self.who(), on, job.progress_ms);
        }
        plan.propose(Action::NextTurn { job: job.id, turn: job.turn });
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
            owner: strandline_types::DestOwner {
                cluster_id: self.state.cluster.id,
                tenant_id: self.job.tenant_id,
                dest_id: self.job.dest_id,
            },
        })
    }

    fn plan_data(&self, plan: &mut Plan) {
        let kind = self.job.data_task_kind();
        self.plan_tasks(plan, kind, |ctx, part, planned| match (kind, part.ls()) {
            (TaskKind::BackupLs, Some(ls)) => ctx.members(ls, planned),
            _ => ctx.anybody(planned),
        });
    }

    fn plan_tasks(&self, plan: &mut Plan, kind: TaskKind, candidates: impl Fn(&Self, Part, &Planned) -> Vec<NodeId>) {
        // What this plan hands out counts as load as well.
        let mut planned = Planned::new();
        for (key, run) in tasks::attempts(self.job, kind) {
            if tasks::supervise(self.state, self.now_ms, key, run, plan) {
                continue;
            }
            if let Some(executor) = tasks::assign(self.now_ms, key, run, &candidates(self, key.part, &planned), plan) {
                *planned.entry(executor).or_default() += 1;
            }
        }
    }

    /// Known members of a log stream. Of an incremental set the one that made the set before comes first, because
    /// replicas compact on their own and share few blocks; else caught-up followers, then the rest, the leader last; by
    /// load, then id.
    fn members(&self, ls: LsId, planned: &Planned) -> Vec<NodeId> {
        let Some(stream) = self.tenant.log_streams.get(&ls) else { return Vec::new() };
        let before = self.job.base.and_then(|base| self.state.backup_sets.get(&(self.job.tenant_id, base)));
        let before = before.and_then(|set| set.parts.get(&ls)).map(|part| part.executor);
        let mut known: Vec<_> = stream
            .members
            .iter()
            .filter(|m| self.state.is_known(**m, self.now_ms))
            .filter_map(|m| {
                let replica = self.state.workers.get(m)?.replicas.get(&(self.tenant.id, ls))?;
                let is_behind = replica.max_scn < self.job.turn_scn;
                let is_other = is_behind || before != Some(*m);
                Some((is_other, stream.leader == Some(*m), is_behind, self.load(*m, planned), *m))
            })
            .collect();
        known.sort_unstable();
        known.into_iter().map(|(.., id)| id).collect()
    }

    /// Known workers, by load: for what only needs the medium.
    fn anybody(&self, planned: &Planned) -> Vec<NodeId> {
        let known = self.state.workers.keys().filter(|w| self.state.is_known(**w, self.now_ms));
        let mut by_load: Vec<_> = known.map(|w| (self.load(*w, planned), *w)).collect();
        by_load.sort_unstable();
        by_load.into_iter().map(|(_, id)| id).collect()
    }

    fn load(&self, worker: NodeId, planned: &Planned) -> usize {
        tasks::load(self.state, worker) + planned.get(&worker).copied().unwrap_or(0)
    }

    fn plan_log(&self, plan: &mut Plan) {
        let checkpoint = self.round().map(|r| r.checkpoint_scn).unwrap_or_default();
        if checkpoint >= self.set.min_restore_scn {
            let with_log = self.job.plus_archivelog;
            let to = if with_log { BackupJobStatus::CopyLog } else { BackupJobStatus::Infos };
            return plan.propose(self.advance(to));
        }
        let on = On::Checkpoint { at: checkpoint, needed: self.set.min_restore_scn, name: Some("min_restore_scn") };
        plan.wait(self.job.tenant_id, self.who(), on, self.job.progress_ms);
    }

    /// The set as its files describe it: as it will be once they are all there.
    fn whole_set(&self) -> BackupSet {
        BackupSet { status: BackupSetStatus::Success, file_status: FileStatus::Available, ..self.set.clone() }
    }

    fn plan_infos(&self, plan: &mut Plan) {
        let set = self.whole_set();
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
            workers: self.hosts(),
            earlier: earlier.filter(|s| s.dest_id == set.dest_id).cloned().collect(),
            parts: parts.collect(),
            dictionary: sys.unwrap_or_else(|| self.tenant.dictionary()),
            set,
        };
        let mut work = Vec::new();
        if self.job.plus_archivelog {
            work.extend(self.complement(&infos.set).map(|c| MediumWork::ComplementLog(Box::new(c))));
        }
        work.push(MediumWork::SetInfos(Box::new(infos)));
        self.work(plan, work, self.advance(BackupJobStatus::End));
    }

    /// The workers that host the tenant.
    fn hosts(&self) -> Vec<(NodeId, String)> {
        let is_host = |id: &NodeId| self.tenant.log_streams.values().any(|ls| ls.members.contains(id));
        self.state.workers.values().filter(|w| is_host(&w.id)).map(|w| (w.id, w.address.clone())).collect()
    }

    /// What makes the copied log an archive of its own.
    fn complement(&self, set: &BackupSet) -> Option<ComplementLog> {
        let round = self.state.rounds.get(&(set.tenant_id, set.archive_round_id))?;
        let rows = self.job.log_pieces.iter().filter_map(|key| round.pieces.get(&key.piece_id));
        Some(ComplementLog {
            dest: self.dest(),
            archive_dest_id: round.dest_id,
            set_id: set.set_id,
            kind: set.kind,
            created_ms: set.end_ms,
            clock: round.clock,
            round_id: round.round_id,
            checkpoint_scn: set.min_restore_scn,
            pieces: rows.copied().collect(),
            log_streams: self.job.log_tasks().map(|(ls, _)| ls).collect(),
        })
    }

    fn plan_end(&self, plan: &mut Plan) {
        let end = MediumWork::SetEnd { dest: self.dest(), set: Box::new(self.whole_set()), success: true };
        self.work(plan, vec![end], self.advance(BackupJobStatus::Completed));
    }

    /// The medium gets a moment to take the placeholder that says "failed". One that is known to be silent gets none from a
    /// cancelled job. What it does not take then is left over: the job ends.
    fn plan_close(&self, plan: &mut Plan) {
        let job = self.job;
        let trouble = job.trouble.as_ref().map(|t| t.failure.class);
        // As for what is left over: a mount that is away and keys that have ended come back.
        let is_hopeless = trouble.is_some_and(leftovers::is_final);
        // Where nothing could be written yet nothing is to be ended.
        let is_untouched = self.state.destinations.get(&job.dest_id).is_none_or(|d| !d.formatted);
        if is_hopeless || is_untouched {
            return plan.propose(Action::CloseJob { job: job.id });
        }
        let waited_ms = self.now_ms.saturating_sub(job.ended_ms.unwrap_or(job.progress_ms));
        let is_silent = job.status == BackupJobStatus::Canceling && trouble.is_some();
        if is_silent || waited_ms >= limits::CLOSE_MS_MAX {
            return plan.propose(Action::BackupLeft { job: job.id });
        }
        self.work(plan, failed_end(self.dest(), self.set), Action::CloseJob { job: job.id });
    }
}
