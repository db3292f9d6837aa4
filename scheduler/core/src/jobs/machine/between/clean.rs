//! What is asked of cleaning.

use crate::jobs::clean;
use crate::state::State;
use strandline_types::{Failure, TenantId};

/// Whether a policy leaves room for data backups.
///
/// # Errors
/// Names the policy.
pub(crate) fn check_may_have_data(state: &State, tenant: TenantId) -> Result<(), Failure> {
    clean::policy::check_may_have_data(state, tenant)
}

/// Something was found damaged, or sound: deletions that have not begun are decided anew.
pub(crate) fn ask_again(state: &mut State, tenant: TenantId) {
    clean::logic::ask_again(state, tenant);
}
