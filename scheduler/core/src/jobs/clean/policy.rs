//! Delete policies: who may have which (docs/oceanbase.md, 1.5, 4.10).
//!
//! Order rule: a policy's first turn comes a whole period after it was added; nothing is deleted before somebody could
//! look at its plan.

use super::allowed::cleanable;
use super::logic as clean;
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::state::{CleanPolicy, State};
use strandline_catalogue::retention::Policy;
use strandline_types::{Failure, TenantId};

/// Gives a tenant its policy.
pub(crate) fn add(state: &mut State, id: TenantId, policy: Policy) -> Outcome {
    check_add(state, id, &policy)?;
    // Who wants it at once says DELETE OBSOLETE BACKUP.
    state.clean_policies.insert(id, CleanPolicy { policy, last_run_ms: state.clock_ms });
    Ok(Done::Ok)
}

/// Whether a tenant may have this policy.
///
/// # Errors
/// What stands in the way.
pub(crate) fn check_add(state: &State, id: TenantId, policy: &Policy) -> Result<(), Failure> {
    let tenant = cleanable(state, id)?;
    if let Some(there) = state.clean_policies.get(&id) {
        return Err(refuse::policy_exists(&tenant.name, there.name()));
    }
    if policy.log_only && tenant.data_dest.is_some() {
        return Err(refuse::log_only_with_data(&tenant.name));
    }
    Ok(())
}

/// Takes a policy away, and back what it wanted to delete and has not begun.
pub(crate) fn drop(state: &mut State, id: TenantId, name: &str) -> Outcome {
    let tenant = state.tenant(id)?.name.clone();
    if state.clean_policies.get(&id).is_none_or(|p| !p.name().eq_ignore_ascii_case(name)) {
        return Err(refuse::no_policy(&tenant, name));
    }
    state.clean_policies.remove(&id);
    clean::ask_again(state, id);
    Ok(Done::Ok)
}

/// A tenant may have data backups, unless a policy cares for its log alone: that one would delete log which they need.
///
/// # Errors
/// Names the policy.
pub(crate) fn check_may_have_data(state: &State, id: TenantId) -> Result<(), Failure> {
    match state.clean_policies.get(&id).filter(|p| p.policy.log_only) {
        Some(_) => Err(refuse::log_only_without_data(&state.tenant(id)?.name)),
        None => Ok(()),
    }
}
