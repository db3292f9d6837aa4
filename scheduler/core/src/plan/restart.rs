//! The next step of AUTO_RESTART: stop what was interrupted, open the next round, take a full backup.

use super::round_ctx::Ctx;
use crate::command::{Action, RoundAction};
use crate::state::{DestState, Restart, Round, State};
use crate::step::Plan;
use crate::waiting::{On, Who};
use strandline_types::RoundState;

/// For an open round: an interrupted one stops; a new one that is DOING wants its full backup.
pub(super) fn plan(ctx: &Ctx<'_>, plan: &mut Plan) {
    let round = ctx.round;
    let tenant = round.tenant_id;
    let Some(owner) = ctx.state.tenants.get(&tenant) else { return };
    if round.state == RoundState::Interrupted && round.options.auto_restart && owner.archive.log_mode {
        return plan.propose(ctx.action(RoundAction::Restart));
    }
    if round.state != RoundState::Doing || round.restart != Restart::FullBackup {
        return;
    }
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let dest = owner.data_dest.and_then(|d| ctx.state.destinations.get(&d));
    let on = match (ctx.state.open_backup_job(tenant), dest) {
        (Some(job), _) => On::BackupJobBeforeFull(job.id),
        (None, Some(dest)) if !dest.formatted => On::DataDestination,
        _ => return plan.propose(ctx.action(RoundAction::BackupAfter { version })),
    };
    plan.wait(tenant, ctx.who(), on, round.state_since_ms);
}

/// For rounds that have stopped because they were interrupted: the next one opens once the destination is usable.
pub(super) fn plan_reopen(state: &State, plan: &mut Plan) {
    let due = |r: &&Round| r.state == RoundState::Stop && r.restart == Restart::NewRound;
    for round in state.rounds.values().filter(due) {
        let (tenant, id) = (round.tenant_id, round.round_id);
        let config = state.tenants.get(&tenant).filter(|t| t.archive.log_mode);
        let config = config.and_then(|t| t.archive.dests.get(&round.dest_no)).filter(|c| c.dest_id == round.dest_id);
        let is_usable = state.destinations.get(&round.dest_id).is_some_and(|d| d.formatted);
        let on = match config {
            // Nobody wants it any more: the word that it is so clears the request.
            None => None,
            Some(config) if config.state == DestState::Defer => Some(On::Enable),
            Some(_) if !is_usable => Some(On::Destination(None)),
            Some(_) => None,
        };
        match on {
            Some(on) => plan.wait(tenant, Who::RoundAfter(id), on, round.state_since_ms),
            None => plan.propose(Action::Round { tenant, round: id, what: RoundAction::Reopen }),
        }
    }
}
