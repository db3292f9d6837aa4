//! Destinations as steps name them.

use crate::state::{DestKind, Destination, State};
use crate::step::DestRef;
use crate::waiting::Who;
use strandline_types::DestNo;

/// A destination with the names that its files carry.
#[must_use]
pub fn dest_ref(state: &State, dest: &Destination) -> DestRef {
    DestRef {
        uri: dest.uri.clone(),
        access: dest.access.clone(),
        dest_id: dest.id,
        dest_no: DestNo(0),
        made_below: dest.made_below.clone(),
        tenant_id: dest.tenant_id,
        tenant_name: state.tenants.get(&dest.tenant_id).map(|t| t.name.clone()).unwrap_or_default(),
        cluster_id: state.cluster.id,
        cluster_name: state.cluster.name.clone(),
        owner: state.owner_of(dest),
    }
}

/// A destination that waits, or is waited for.
pub(crate) const fn who_of(dest: &Destination) -> Who {
    match dest.kind {
        DestKind::Archive => Who::ArchiveDest(dest.id),
        DestKind::Data => Who::DataDest(dest.id),
    }
}
