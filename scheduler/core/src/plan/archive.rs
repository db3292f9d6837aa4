//! The next step of each open archive round (docs/oceanbase.md, 2.7; docs/protocols.md, section 3).
//!
//! Order rule: medium first, then the command that says it happened. A round has at most one step at a time.

use super::dest::dest_ref;
use super::round_ctx::Ctx;
use super::{pieces, restart};
use crate::checkpoint::{all_stopped, all_suspended};
use crate::command::RoundAction;
use crate::round_machine::{RoundEvent, next};
use crate::spool;
use crate::state::{DestState, State};
use crate::step::{DestRef, MediumWork, Plan};
use crate::waiting::On;
use strandline_types::{ArchiveLsState, LsId, PieceStatus, RoundState, limits};

pub(super) fn plan(state: &State, now_ms: u64, plan: &mut Plan) {
    restart::plan_reopen(state, plan);
    for round in state.rounds.values().filter(|r| r.is_open()) {
        let Some(dest) = state.destinations.get(&round.dest_id) else { continue };
        let dest_ref = DestRef { dest_no: round.dest_no, ..dest_ref(state, dest) };
        let ctx = Ctx { state, round, dest: dest_ref, now_ms };
        if let Some(trouble) = &round.trouble {
            plan.wait(round.tenant_id, ctx.who(), On::failure(trouble.failure.clone()), trouble.since_ms);
        }
        ctx.wait_for_log_streams(plan);
        ctx.warn_of_spool(plan);
        if !dest.formatted {
            plan.wait(round.tenant_id, ctx.who(), On::Destination(None), round.state_since_ms);
        }
        if round.state == RoundState::Stopping {
            ctx.plan_stop(plan);
        } else if dest.formatted {
            ctx.plan_running(plan);
        }
    }
}

impl Ctx<'_> {
    fn happens(&self, plan: &mut Plan, event: RoundEvent, comment: String) {
        plan.propose(self.action(RoundAction::Move { from: self.round.state, event, comment }));
    }

    fn round_start(&self) -> MediumWork {
        MediumWork::RoundStart { dest: self.dest.clone(), round: self.round.round_id, clock: self.round.clock }
    }

    fn dest_state(&self) -> DestState {
        let tenant = self.state.tenants.get(&self.round.tenant_id);
        let dest = tenant.and_then(|t| t.archive.dests.get(&self.round.dest_no));
        dest.map(|d| d.state).unwrap_or_default()
    }

    fn plan_running(&self, plan: &mut Plan) {
        let round = self.round;
        if round.state == RoundState::Prepare {
            let then = self.action(RoundAction::Begun);
            return plan.work(self.subject(), vec![self.round_start()], then);
        }
        if let Some((event, comment)) = self.event() {
            return self.happens(plan, event, comment);
        }
        restart::plan(self, plan);
        pieces::plan(self, plan);
    }

    /// What has happened to the round, as far as its state cares.
    fn event(&self) -> Option<(RoundEvent, String)> {
        let none = String::new;
        let all_pass = |event| match event {
            RoundEvent::Deferred => self.dest_state() == DestState::Defer,
            RoundEvent::AllDoing => self.all_doing(),
            RoundEvent::AllSuspended => all_suspended(self.state, self.round),
            RoundEvent::Enabled => self.dest_state() == DestState::Enable,
            _ => false,
        };
        let is_open_to = |event: &RoundEvent| next(self.round.state, *event).is_some();
        if let Some((ls, why)) = self.interrupted().filter(|_| is_open_to(&RoundEvent::LogLost)) {
            return Some((RoundEvent::LogLost, format!("log stream {ls}: {why}")));
        }
        // In this order: a destination that is deferred while it begins does not become DOING first.
        let events = [RoundEvent::Deferred, RoundEvent::AllDoing, RoundEvent::AllSuspended, RoundEvent::Enabled];
        events.into_iter().filter(is_open_to).find(|e| all_pass(*e)).map(|e| (e, none()))
    }

    /// Pieces first, then the end placeholder, then the word. A medium or a log stream that does not answer is given
    /// up after a while; then nothing more is written, and readers go by what lies on the medium.
    fn plan_stop(&self, plan: &mut Plan) {
        let round = self.round;
        let id = round.round_id;
        if self.now_ms.saturating_sub(round.state_since_ms) >= limits::FORCE_STOP_MS {
            return plan.propose(self.action(RoundAction::Stopped { forced: true }));
        }
        let is_drained = all_stopped(self.state, round);
        let all_frozen = round.pieces.values().all(|p| p.status == PieceStatus::Frozen);
        if !is_drained || !all_frozen {
            return pieces::plan(self, plan);
        }
        let end = MediumWork::RoundEnd {
            dest: self.dest.clone(),
            round: id,
            clock: round.clock,
            checkpoint_scn: round.checkpoint_scn,
        };
        // A round that was stopped before it had begun leaves both placeholders and nothing between them.
        let is_formatted = self.state.destinations.get(&round.dest_id).is_some_and(|d| d.formatted);
        let work = match (round.begun, is_formatted) {
            (true, _) => vec![end],
            (false, true) => vec![self.round_start(), end],
            (false, false) => Vec::new(),
        };
        plan.work(self.subject(), work, self.action(RoundAction::Stopped { forced: false }));
    }

    fn all_doing(&self) -> bool {
        let Some(tenant) = self.state.tenants.get(&self.round.tenant_id) else { return false };
        let is_doing = |ls: &LsId| self.round.progress.get(ls).is_some_and(|p| p.state == ArchiveLsState::Doing);
        tenant.log_streams.keys().all(is_doing)
    }

    /// The first log stream that lost log, and why.
    fn interrupted(&self) -> Option<(LsId, String)> {
        let (ls, row) = self.round.progress.iter().find(|(_, p)| p.state == ArchiveLsState::Interrupted)?;
        let why = row
            .trouble
            .as_ref()
            .map_or_else(|| "log is gone that was not archived".to_owned(), |t| t.failure.to_string());
        let gap = row.gap.map(|g| format!("; missing are {g}")).unwrap_or_default();
        Some((*ls, format!("{why}{gap}")))
    }

    /// Who holds the round up: log streams that have not come as far as the state needs, or are in trouble.
    fn wait_for_log_streams(&self, plan: &mut Plan) {
        let round = self.round;
        let Some(tenant) = self.state.tenants.get(&round.tenant_id) else { return };
        let wanted = match round.state {
            RoundState::Beginning | RoundState::Doing => ArchiveLsState::Doing,
            RoundState::Suspending => ArchiveLsState::Suspended,
            RoundState::Stopping => ArchiveLsState::Stopped,
            _ => return,
        };
        for ls in tenant.log_streams.keys() {
            let row = round.progress.get(ls);
            let waiting = || round.waiting.get(ls).filter(|_| row.is_none());
            if let Some(trouble) = row.and_then(|p| p.trouble.as_ref()).or_else(waiting) {
                let on = On::StreamFailure(*ls, trouble.failure.clone());
                plan.wait(round.tenant_id, self.who(), on, trouble.since_ms);
            } else if row.is_none_or(|p| p.state != wanted) {
                let on = On::StreamState(*ls, wanted);
                plan.wait(round.tenant_id, self.who(), on, round.state_since_ms);
            }
        }
    }

    /// A spool that fills up is told of before anything is lost: whose, how full, and what happens at the end.
    fn warn_of_spool(&self, plan: &mut Plan) {
        let round = self.round;
        let Some(tenant) = self.state.tenants.get(&round.tenant_id) else { return };
        for ls in tenant.log_streams.values() {
            let Some(spool) = spool::spool(round, ls, self.now_ms).filter(spool::Spool::is_alarming) else { continue };
            let (full_percent, binding) = (spool.full_percent(), round.options.binding);
            let on = On::Spool { ls: ls.id, full_percent, binding };
            plan.wait(round.tenant_id, self.who(), on, self.now_ms.saturating_sub(spool.age_ms));
        }
    }
}
