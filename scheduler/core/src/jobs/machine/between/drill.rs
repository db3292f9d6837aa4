//! What is asked of drills.

use crate::jobs::drill;
use crate::state::State;
use strandline_types::JobId;

/// A restore has begun: a drill may have asked for it.
pub(crate) fn restore_began(state: &mut State, job: JobId) {
    drill::logic::note_restore(state, job);
}
