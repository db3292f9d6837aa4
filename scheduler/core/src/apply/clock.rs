//! The state's own clock: it never falls, and one leader whose clock is far ahead does not drag it along
//! ([`State::believed`]): it would freeze every deadline until real time has caught up.

use crate::command::{Action, Command};
use crate::state::State;

/// Moves the clock to what a command's proposer says, as far as that is believed.
pub(crate) fn advance(state: &mut State, command: &Command) {
    let said_ms = command.proposed_at_ms;
    let workers_ms = match &command.action {
        Action::Heartbeats(reports) => reports.iter().map(|r| r.clock_ms).max(),
        _ => None,
    };
    let is_first_word = matches!(command.action, Action::TakeLead { .. });
    if is_first_word || workers_ms.is_some() {
        state.schedulers.heard_raw_ms = said_ms;
    }
    state.clock_ms = state.clock_ms.max(state.believed(said_ms, workers_ms));
    // A cluster that was down has the right time only now: every worker gets its time to be heard.
    if workers_ms.is_some() && !state.schedulers.has_heard {
        state.schedulers.has_heard = true;
        state.schedulers.leader_since_ms = state.clock_ms;
    }
}
