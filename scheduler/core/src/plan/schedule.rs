//! Runs that are due. A tenant whose last backup still runs waits with the next one.

use crate::command::{Action, BackupWish};
use crate::cron;
use crate::state::{BackupSchedule, State, TenantStatus};
use crate::step::Plan;
use strandline_types::{BackupMode, Scn, scn_text};

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    for schedule in state.schedules.values() {
        let is_open = state.tenants.get(&schedule.tenant_id).is_some_and(|t| t.status == TenantStatus::Normal);
        if is_open {
            plan_one(state, schedule, now_ms, plan);
        }
    }
}

fn plan_one(state: &State, schedule: &BackupSchedule, now_ms: u64, plan: &mut Plan) {
    let Some(due) = cron::due(schedule, now_ms) else { return };
    let tenant = schedule.tenant_id;
    if let Some(job) = state.open_backup_job(tenant).filter(|_| !due.is_skipped) {
        let what = format!("scheduled {} backup of {}", due.mode, scn_text(Scn::from_ms(due.due_ms)));
        return plan.wait(tenant, what, format!("backup job {} to end", job.id), due.due_ms);
    }
    let wish = (!due.is_skipped).then(|| BackupWish {
        plus_archivelog: schedule.plan.plus_archivelog && due.mode != BackupMode::Synthetic,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..BackupWish::new(due.mode, format!("scheduled for {}", scn_text(Scn::from_ms(due.due_ms))))
    });
    let revision = schedule.revision;
    plan.propose(Action::RunSchedule { tenant, revision, due_ms: due.due_ms, mode: due.mode, wish });
}
