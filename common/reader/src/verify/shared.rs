//! What sets of one destination share while they are checked.

use super::data::Known;
use crate::set_names::SetNames;
use std::sync::Arc;
use strandline_types::TenantId;

/// What sets of one destination share while they are checked.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) tenant: Option<TenantId>,
    /// The sets of the destination by id: an index names blocks of earlier ones.
    pub(super) names: Arc<SetNames>,
    pub(super) known: Arc<Known>,
}
