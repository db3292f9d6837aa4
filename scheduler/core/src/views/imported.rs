//! Imported destinations. Their sets and pieces stand in the same views as this cluster's own, under the tenant that
//! stands for their owner.

use super::column::{Column, RowKind, Rows, text, unsigned};
use super::value::{len, n, t, time, yes_no};
use super::view::{Context, Tenancy, View};
use crate::state::{Destination, ImportedFrom, State, Tenant};

pub(super) static CATALOGS: View = View {
    name: "CDB_STRANDLINE_IMPORTED_CATALOGS",
    aliases: &[],
    about: "A destination of another cluster that was imported.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<Catalog> { of: catalogs, columns: COLUMNS },
};

struct Catalog<'a> {
    tenant: &'a Tenant,
    from: &'a ImportedFrom,
    dest: &'a Destination,
    /// Sets and pieces.
    objects: usize,
}

impl RowKind for Catalog<'static> {
    type Row<'a> = Catalog<'a>;
}

fn catalogs<'a>(cx: &Context<'a>) -> Vec<Catalog<'a>> {
    let of_dest = |dest: &'a Destination| {
        let tenant = cx.state.tenants.get(&dest.tenant_id)?;
        let from = tenant.imported.as_ref()?;
        Some(Catalog { tenant, from, dest, objects: objects(cx.state, dest) })
    };
    cx.state.destinations.values().filter_map(of_dest).collect()
}

fn objects(state: &State, dest: &Destination) -> usize {
    let sets = state.backup_sets.values().filter(|s| s.dest_id == dest.id).count();
    let rounds = state.rounds_of(dest.tenant_id).filter(|r| r.dest_id == dest.id);
    sets + rounds.map(|r| r.pieces.len()).sum::<usize>()
}

const COLUMNS: &[Column<Catalog<'static>>] = &[
    unsigned("TENANT_ID", |c| n(c.tenant.id.0)),
    text("TENANT_NAME", |c| t(&c.tenant.name)),
    unsigned("DEST_ID", |c| n(c.dest.id.0)),
    text("DEST_TYPE", |c| t(c.dest.kind)),
    text("PATH", |c| t(&c.dest.uri)),
    text("AUTHORIZATION", |c| t(&c.dest.access)),
    unsigned("SOURCE_CLUSTER_ID", |c| n(c.from.cluster_id.0)),
    text("SOURCE_CLUSTER_NAME", |c| t(&c.from.cluster_name)),
    unsigned("SOURCE_TENANT_ID", |c| n(c.from.tenant_id.0)),
    text("SOURCE_TENANT_NAME", |c| t(&c.from.tenant_name)),
    text("ALLOW_DELETE", |c| yes_no(c.from.allow_delete)),
    unsigned("OBJECTS", |c| len(c.objects)),
    text("IMPORT_TIMESTAMP", |c| time(Some(c.dest.checked_ms))),
];
