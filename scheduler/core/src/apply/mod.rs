//! The one function that changes the state.

use crate::command::{Command, Done, Outcome};
use crate::state::State;

/// Applies one command: a pure function of state and command. A refusal changes nothing but the state's clock.
///
/// # Errors
/// A [`strandline_types::Failure`] says what was refused, on which object, and what to do.
pub fn apply(state: &mut State, command: Command) -> Outcome {
    state.clock_ms = state.clock_ms.max(command.proposed_at_ms);
    Ok(Done::Nothing)
}
