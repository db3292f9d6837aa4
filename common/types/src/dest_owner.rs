//! Whose a destination has to be before anything is written into it.

use crate::{ClusterId, DestId, TenantId};

/// The identity that a writer expects in `format.obbak`. A part that is 0 is not known and is not compared: the id of an
/// imported destination is that of another cluster, and an older scheduler says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DestOwner {
    /// Cluster.
    pub cluster_id: ClusterId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The id under which the tenant knows the destination.
    pub dest_id: DestId,
}

impl DestOwner {
    /// True when what the medium says is what is expected.
    #[must_use]
    pub fn is(&self, there: &Self) -> bool {
        let agrees = |wanted: u64, there: u64| wanted == 0 || wanted == there;
        agrees(self.cluster_id.0, there.cluster_id.0)
            && agrees(self.tenant_id.0, there.tenant_id.0)
            && agrees(self.dest_id.0, there.dest_id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(cluster: u64, tenant: u64, dest: u64) -> DestOwner {
        DestOwner { cluster_id: ClusterId(cluster), tenant_id: TenantId(tenant), dest_id: DestId(dest) }
    }

    #[test]
    fn every_part_that_was_said_has_to_agree() {
        let there = owner(1, 1002, 1001);
        for wanted in [there, owner(1, 1002, 0), owner(0, 0, 0)] {
            assert!(wanted.is(&there), "{wanted:?}");
        }
        for wanted in [owner(2, 1002, 1001), owner(1, 1003, 1001), owner(1, 1002, 1002)] {
            assert!(!wanted.is(&there), "{wanted:?}");
        }
    }
}
