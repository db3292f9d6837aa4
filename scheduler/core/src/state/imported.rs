//! Tenants of other clusters whose destinations were imported: a name for their sets and pieces, without log streams.
//!
//! Order rule: nothing is ever written to an imported destination, and nothing is deleted from it unless an
//! administrator has said that nobody else writes it any more.

use serde::{Deserialize, Serialize};
use strandline_types::{ClusterId, TenantId};

/// Whose sets and pieces they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedFrom {
    /// The cluster that made them.
    pub cluster_id: ClusterId,
    /// Its name.
    pub cluster_name: String,
    /// The tenant there.
    pub tenant_id: TenantId,
    /// Its name there.
    pub tenant_name: String,
    /// ALLOW DELETE: files may be deleted from here.
    pub allow_delete: bool,
}

impl ImportedFrom {
    /// True for the same tenant of the same cluster.
    #[must_use]
    pub fn is_same_owner(&self, other: &Self) -> bool {
        (self.cluster_id, self.tenant_id) == (other.cluster_id, other.tenant_id)
    }
}
