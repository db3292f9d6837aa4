//! The next steps of each restore drill.

use crate::command::{Action, Subject};
use crate::cron;
use crate::jobs::machine::stage::Stage;
use crate::jobs::machine::supervise as tasks;
use crate::plan::dest::dest_ref;
use crate::refuse;
use crate::state::{Drill, DrillStage, JobKind, State, Tenant, TenantStatus};
use crate::step::{DrillWork, MediumWork, Plan};
use crate::task::TaskKind;
use crate::waiting::{On, Who};
use strandline_types::{RestoreStage, limits};

/// The turns of schedules.
pub(crate) fn plan_schedules(state: &State, now_ms: u64, plan: &mut Plan) {
    for (&tenant, row) in &state.drill_plans {
        let by_interval = row.interval_ms > 0 && now_ms.saturating_sub(row.last_ms) >= row.interval_ms;
        let is_due =
            by_interval || (!row.cron.is_empty() && cron::has_come(&row.cron, &row.time_zone, row.last_ms, now_ms));
        let is_normal = state.tenants.get(&tenant).is_some_and(|t| t.status == TenantStatus::Normal);
        let can = state.open_round(tenant).is_some() && state.open_drill(tenant).is_none();
        if is_due && is_normal && can && state.tenants.get(&tenant).is_some_and(|t| t.data_dest.is_some()) {
            plan.propose(Action::StartDrill { tenant, last_ms: Some(row.last_ms) });
        }
    }
}

pub(super) fn plan(state: &State, drill: &Drill, now_ms: u64, plan: &mut Plan) {
    Ctx { state, drill, now_ms }.plan(plan);
}

struct Ctx<'a> {
    state: &'a State,
    drill: &'a Drill,
    now_ms: u64,
}

impl Ctx<'_> {
    fn who(&self) -> Who {
        Who::Drill(self.drill.id)
    }

    fn move_to(&self, to: DrillStage) -> Action {
        Action::AdvanceJob { job: self.drill.id, from: Stage::Drill(self.drill.stage), to: Stage::Drill(to) }
    }

    fn advance(&self, plan: &mut Plan, to: DrillStage) {
        plan.propose(self.move_to(to));
    }

    fn fail(&self, plan: &mut Plan, failure: strandline_types::Failure) {
        plan.propose(Action::JobFailed { job: self.drill.id, failure });
    }

    fn plan(&self, plan: &mut Plan) {
        let drill = self.drill;
        let is_stalled = self.now_ms.saturating_sub(drill.progress_ms) >= limits::JOB_STALL_MS;
        let waits_for_itself = matches!(drill.stage, DrillStage::Restore | DrillStage::Drop);
        if is_stalled && !waits_for_itself {
            return self.fail(plan, refuse::stalled(&self.who()));
        }
        let all_seen = drill.runs.are_finished(TaskKind::Fingerprint);
        match drill.stage {
            DrillStage::Source if all_seen => self.advance(plan, DrillStage::Choose),
            DrillStage::Source => self.plan_runs(self.state.tenants.get(&drill.tenant_id), plan),
            DrillStage::Choose => self.plan_choose(plan),
            DrillStage::Restore => self.plan_restore(plan),
            DrillStage::Restored if all_seen => self.advance(plan, DrillStage::Drop),
            DrillStage::Restored => {
                let tenant = drill.restore.and_then(|(_, t)| self.state.tenants.get(&t));
                self.plan_runs(tenant, plan);
            }
            DrillStage::Drop => {
                let is_gone = drill.restore.is_none_or(|(_, t)| !self.state.tenants.contains_key(&t));
                // What was found is known; a tenant that some worker does not let go of is dropped without the drill.
                if is_gone || is_stalled {
                    self.advance(plan, DrillStage::Proven);
                } else {
                    plan.wait(drill.tenant_id, self.who(), On::DropOfDrill, drill.progress_ms);
                }
            }
            DrillStage::Proven | DrillStage::Failed => {}
        }
    }

    /// Every log stream is digested by its leader.
    fn plan_runs(&self, tenant: Option<&Tenant>, plan: &mut Plan) {
        let Some(tenant) = tenant else { return };
        for (key, run) in tasks::attempts(self.drill, TaskKind::Fingerprint) {
            if !tasks::supervise(self.state, self.now_ms, key, run, plan) {
                let leader = key.part.ls().and_then(|ls| tenant.log_streams.get(&ls)?.leader);
                let live = leader.filter(|l| self.state.is_known(*l, self.now_ms));
                tasks::assign(self.now_ms, key, run, live.as_slice(), plan);
            }
        }
    }

    /// Once the archive has everything up to the SCN, the body chooses what is restored, as for any administrator.
    fn plan_choose(&self, plan: &mut Plan) {
        let drill = self.drill;
        let Some(round) = self.state.open_round(drill.tenant_id) else {
            return self.fail(plan, refuse::archive_not_running("the archive of the tenant"));
        };
        if round.checkpoint_scn < drill.scn {
            let on = On::Checkpoint { at: round.checkpoint_scn, needed: drill.scn, name: None };
            return plan.wait(drill.tenant_id, self.who(), on, drill.progress_ms);
        }
        let dest = |id| self.state.destinations.get(&id).map(|d| dest_ref(self.state, d));
        let data = self.state.tenants.get(&drill.tenant_id).and_then(|t| t.data_dest).and_then(dest);
        let (Some(data), Some(archive)) = (data, dest(round.dest_id)) else { return };
        let work = DrillWork {
            tenant_name: drill.tenant_name(),
            replicas: self.state.tenants.get(&drill.tenant_id).map_or(1, |t| t.replicas),
            dest: data,
            archive,
            key_source: round.options.encryption.key_source().to_owned(),
            scn: drill.scn,
        };
        let then = self.move_to(DrillStage::Restore);
        plan.work(Subject::Drill(drill.id), vec![MediumWork::Drill(Box::new(work))], then);
    }

    fn plan_restore(&self, plan: &mut Plan) {
        let job = self.drill.restore.and_then(|(job, _)| self.state.restore_job(job));
        match job.map(|j| (j.stage, &j.failure)) {
            Some((RestoreStage::Success, _)) => self.advance(plan, DrillStage::Restored),
            Some((RestoreStage::Failed, Some(failure))) => self.fail(plan, failure.clone()),
            Some(_) => {}
            None => self.fail(plan, refuse::no_job_running(JobKind::Restore, &self.drill.tenant_name())),
        }
    }
}
