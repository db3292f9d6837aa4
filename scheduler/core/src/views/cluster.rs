//! Tenants with their tables and tablets, servers, and what waits.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::value::{len, n, scn, scn_display, t, time, yes_no};
use super::view::{Context, Tenancy, View};
use crate::checkpoint::tenant_max_scn;
use crate::plan::plan;
use crate::state::{State, Table, Tablet, Tenant, Worker};
use crate::waiting::Waiting;
use strandline_types::{NodeId, Scn};

pub(super) static TENANTS: View = View {
    name: "CDB_OB_TENANTS",
    aliases: &[],
    about: "A tenant.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TenantRow> {
        of: tenants,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.tenant.id.0)),
            text("TENANT_NAME", |r| t(&r.tenant.name)),
            text("TENANT_TYPE", |_| t("USER")),
            text("CREATE_TIME", |r| time(Some(r.tenant.created_ms))),
            text("STATUS", |r| t(r.tenant.status)),
            text("LOG_MODE", |r| t(if r.tenant.archive.log_mode { "ARCHIVELOG" } else { "NOARCHIVELOG" })),
            unsigned("LOG_STREAMS", |r| len(r.tenant.log_streams.len())),
            unsigned("REPLICAS", |r| n(r.tenant.replicas)),
            unsigned("TABLES", |r| len(visible_tables(r.tenant).count())),
            unsigned("MAX_SCN", |r| scn(r.max_scn)),
            text("MAX_SCN_DISPLAY", |r| scn_display(r.max_scn)),
            unsigned("ARCHIVE_CHECKPOINT_SCN", |r| scn(r.checkpoint_scn)),
            unsigned("ARCHIVE_LAG_TARGET_MS", |r| n(r.tenant.archive.lag_target_ms)),
        ],
    },
};

struct TenantRow<'a> {
    tenant: &'a Tenant,
    max_scn: Scn,
    checkpoint_scn: Scn,
}

impl RowKind for TenantRow<'static> {
    type Row<'a> = TenantRow<'a>;
}

fn tenants<'a>(cx: &Context<'a>) -> Vec<TenantRow<'a>> {
    let state = cx.state;
    let row = |tenant: &'a Tenant| TenantRow {
        tenant,
        max_scn: tenant_max_scn(state, tenant.id),
        checkpoint_scn: state.newest_round(tenant.id).map_or(Scn::MIN, |r| r.checkpoint_scn),
    };
    state.tenants.values().map(row).collect()
}

fn visible_tables(tenant: &Tenant) -> impl Iterator<Item = &Table> {
    tenant.tables.values().filter(|table| !table.is_hidden())
}

pub(super) static SERVERS: View = View {
    name: "CDB_OB_SERVERS",
    aliases: &[],
    about: "A scheduler node or a worker, with the room on its disk and how far its clock is off.",
    tenancy: Tenancy::CLUSTER,
    content: &Rows::<ServerRow> { of: servers, columns: SERVER_COLUMNS },
};

struct ServerRow<'a> {
    id: NodeId,
    address: &'a str,
    server_type: &'static str,
    /// `None` for a scheduler node that does not lead: Raft knows who lives, the state does not.
    status: Option<&'static str>,
    leads: bool,
    start_ms: Option<u64>,
    /// What is known of workers only.
    worker: Option<&'a Worker>,
}

impl RowKind for ServerRow<'static> {
    type Row<'a> = ServerRow<'a>;
}

fn servers<'a>(cx: &Context<'a>) -> Vec<ServerRow<'a>> {
    let state = cx.state;
    let nodes = state.schedulers.nodes.iter().map(|(id, address)| scheduler(state, *id, address));
    nodes.chain(state.workers.values().map(|w| worker(state, w, cx.now_ms))).collect()
}

fn scheduler<'a>(state: &State, id: NodeId, address: &'a str) -> ServerRow<'a> {
    let leads = id == state.schedulers.leader;
    ServerRow {
        id,
        address,
        server_type: "SCHEDULER",
        status: leads.then_some("ACTIVE"),
        leads,
        start_ms: leads.then_some(state.schedulers.leader_since_ms),
        worker: None,
    }
}

fn worker<'a>(state: &State, w: &'a Worker, now_ms: u64) -> ServerRow<'a> {
    ServerRow {
        id: w.id,
        address: &w.address,
        server_type: "WORKER",
        status: Some(if state.is_known(w.id, now_ms) { "ACTIVE" } else { "UNKNOWN" }),
        leads: leaders(w) > 0,
        start_ms: Some(w.first_heard_ms),
        worker: Some(w),
    }
}

/// How many log streams the worker leads.
fn leaders(worker: &Worker) -> usize {
    worker.replicas.values().filter(|r| r.is_leader).count()
}

const SERVER_COLUMNS: &[Column<ServerRow<'static>>] = &[
    unsigned("SVR_ID", |r| n(r.id.0)),
    text("SVR_ADDRESS", |r| t(r.address)),
    text("SVR_TYPE", |r| t(r.server_type)),
    text("STATUS", |r| r.status.and_then(t)),
    text("WITH_LEADER", |r| yes_no(r.leads)),
    unsigned("REPLICAS", |r| r.worker.and_then(|w| len(w.replicas.len()))),
    unsigned("LEADERS", |r| r.worker.and_then(|w| len(leaders(w)))),
    text("START_SERVICE_TIME", |r| time(r.start_ms)),
    text("LAST_HEARD", |r| time(r.worker.map(|w| w.last_heard_ms))),
    unsigned("FREE_BYTES", |r| r.worker.and_then(|w| w.free_bytes)),
    signed("CLOCK_OFFSET_MS", |r| r.worker.map(Worker::clock_offset_ms)),
];

pub(super) static TABLES: View = View {
    name: "CDB_OB_TABLES",
    aliases: &[],
    about: "A table.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TableRow> {
        of: tables,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.tenant.id.0)),
            unsigned("TABLE_ID", |r| n(r.table.id.0)),
            text("TABLE_NAME", |r| t(&r.table.name)),
            unsigned("TABLETS", |r| len(r.table.tablets.len())),
            unsigned("DICTIONARY_VERSION", |r| n(r.tenant.dictionary_version)),
        ],
    },
};

struct TableRow<'a> {
    tenant: &'a Tenant,
    table: &'a Table,
}

impl RowKind for TableRow<'static> {
    type Row<'a> = TableRow<'a>;
}

fn tables<'a>(cx: &Context<'a>) -> Vec<TableRow<'a>> {
    let of_tenant = |tenant: &'a Tenant| visible_tables(tenant).map(move |table| TableRow { tenant, table });
    cx.state.tenants.values().flat_map(of_tenant).collect()
}

pub(super) static TABLETS: View = View {
    name: "CDB_OB_TABLET_TO_LS",
    aliases: &[],
    about: "A tablet with its log stream.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<TabletRow> {
        of: tablets,
        columns: &[
            unsigned("TENANT_ID", |r| n(r.of.tenant.id.0)),
            unsigned("TABLET_ID", |r| n(r.tablet.id.0)),
            unsigned("LS_ID", |r| n(r.tablet.ls_id.0)),
            unsigned("TABLE_ID", |r| n(r.of.table.id.0)),
        ],
    },
};

struct TabletRow<'a> {
    of: TableRow<'a>,
    tablet: &'a Tablet,
}

impl RowKind for TabletRow<'static> {
    type Row<'a> = TabletRow<'a>;
}

fn tablets<'a>(cx: &Context<'a>) -> Vec<TabletRow<'a>> {
    let of_table = |TableRow { tenant, table }: TableRow<'a>| {
        table.tablets.iter().map(move |tablet| TabletRow { of: TableRow { tenant, table }, tablet })
    };
    tables(cx).into_iter().flat_map(of_table).collect()
}

pub(super) static WAITING: View = View {
    name: "CDB_STRANDLINE_WAITING",
    aliases: &[],
    about: "Something that waits, what it waits for, and since when.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<WaitingRow> {
        of: |cx| plan(cx.state, cx.now_ms).waiting.into_iter().map(|w| WaitingRow { w, now_ms: cx.now_ms }).collect(),
        columns: &[
            unsigned("TENANT_ID", |r| n(r.w.tenant_id.0)),
            text("WHAT", |r| t(&r.w.who)),
            text("WAITING_ON", |r| t(&r.w.on)),
            text("SINCE", |r| time(r.w.since_ms)),
            unsigned("SECONDS", |r| r.w.since_ms.map(|since| r.now_ms.saturating_sub(since) / 1000)),
        ],
    },
};

struct WaitingRow {
    w: Waiting,
    now_ms: u64,
}

impl RowKind for WaitingRow {
    type Row<'a> = Self;
}
