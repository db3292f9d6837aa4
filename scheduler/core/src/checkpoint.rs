//! The strandline itself: up to which SCN everything of a round is safe on the medium (fact sheet 4.2).

use crate::state::{Round, State};
use strandline_types::{Scn, TenantId};

/// The checkpoint that a round's progress proves, or `None` while a log stream has not started.
#[must_use]
pub fn round_checkpoint(state: &State, round: &Round) -> Option<Scn> {
    let _ = (state, round);
    None
}

/// Highest SCN that any log stream of a tenant has applied.
#[must_use]
pub fn tenant_max_scn(state: &State, tenant: TenantId) -> Scn {
    let _ = (state, tenant);
    Scn::MIN
}
