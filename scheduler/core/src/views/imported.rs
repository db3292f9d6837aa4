//! Imported destinations. Their sets and pieces stand in the same views as this cluster's own, under the tenant that
//! stands for their owner.

use super::value::{n, t, time, yes_no};
use super::{Build, Table};
use crate::state::State;

const COLUMNS: [&str; 13] = [
    "TENANT_ID",
    "TENANT_NAME",
    "DEST_ID",
    "DEST_TYPE",
    "PATH",
    "AUTHORIZATION",
    "SOURCE_CLUSTER_ID",
    "SOURCE_CLUSTER_NAME",
    "SOURCE_TENANT_ID",
    "SOURCE_TENANT_NAME",
    "ALLOW_DELETE",
    "OBJECTS",
    "IMPORT_TIMESTAMP",
];

/// Every imported destination.
pub(super) fn catalogs(state: &State) -> Table {
    let mut view = Build::new(&COLUMNS);
    for dest in state.destinations.values() {
        let Some(tenant) = state.tenants.get(&dest.tenant_id) else { continue };
        let Some(from) = &tenant.imported else { continue };
        let sets = state.backup_sets.values().filter(|s| s.dest_id == dest.id).count();
        let rounds = state.rounds_of(tenant.id).filter(|r| r.dest_id == dest.id);
        let pieces: usize = rounds.map(|r| r.pieces.len()).sum();
        view.row([
            n(tenant.id.0),
            t(&tenant.name),
            n(dest.id.0),
            t(dest.kind),
            t(&dest.uri),
            t(&dest.access),
            n(from.cluster_id.0),
            t(&from.cluster_name),
            n(from.tenant_id.0),
            t(&from.tenant_name),
            yes_no(from.allow_delete),
            n((sets + pieces) as u64),
            time(Some(dest.checked_ms)),
        ]);
    }
    view.done()
}
