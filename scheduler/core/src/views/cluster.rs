//! Tenants, servers, log streams, tables, and what waits.

use super::value::{n, scn, scn_display, t, time, yes_no};
use super::{Build, Table, Value};
use crate::checkpoint::tenant_max_scn;
use crate::damaged::{outlook, trouble_of};
use crate::lost::{lost_members, seen_replica};
use crate::plan::plan;
use crate::state::{ReplicaStanding, State};
use crate::waiting::LOST_TODO;
use strandline_types::{ErrorClass, Scn};

/// Every tenant.
pub(super) fn tenants(state: &State) -> Table {
    let mut view = Build::new(&[
        "TENANT_ID",
        "TENANT_NAME",
        "TENANT_TYPE",
        "CREATE_TIME",
        "STATUS",
        "LOG_MODE",
        "LOG_STREAMS",
        "REPLICAS",
        "TABLES",
        "MAX_SCN",
        "MAX_SCN_DISPLAY",
        "ARCHIVE_CHECKPOINT_SCN",
        "ARCHIVE_LAG_TARGET_MS",
    ]);
    for tenant in state.tenants.values() {
        let max = tenant_max_scn(state, tenant.id);
        let checkpoint = state.newest_round(tenant.id).map_or(Scn::MIN, |r| r.checkpoint_scn);
        view.row([
            n(tenant.id.0),
            t(&tenant.name),
            t("USER"),
            time(Some(tenant.created_ms)),
            t(tenant.status),
            t(if tenant.archive.log_mode { "ARCHIVELOG" } else { "NOARCHIVELOG" }),
            n(tenant.log_streams.len() as u64),
            n(u64::from(tenant.replicas)),
            n(tenant.tables.values().filter(|t| !t.is_hidden()).count() as u64),
            scn(max),
            scn_display(max),
            scn(checkpoint),
            n(tenant.archive.lag_target_ms),
        ]);
    }
    view.done()
}

/// Every scheduler node and worker.
pub(super) fn servers(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&[
        "SVR_ID",
        "SVR_ADDRESS",
        "SVR_TYPE",
        "STATUS",
        "WITH_LEADER",
        "REPLICAS",
        "LEADERS",
        "START_SERVICE_TIME",
        "LAST_HEARD",
        "FREE_BYTES",
        "CLOCK_OFFSET_MS",
    ]);
    for (id, address) in &state.schedulers.nodes {
        let leads = *id == state.schedulers.leader;
        let since = leads.then_some(state.schedulers.leader_since_ms);
        // Liveness of scheduler nodes is Raft's own matter; the state knows only who leads.
        let status = if leads { t("ACTIVE") } else { Value::Null };
        view.row([
            n(id.0),
            t(address),
            t("SCHEDULER"),
            status,
            yes_no(leads),
            Value::Null,
            Value::Null,
            time(since),
            Value::Null,
            Value::Null,
            Value::Null,
        ]);
    }
    for w in state.workers.values() {
        let leaders = w.replicas.values().filter(|r| r.is_leader).count() as u64;
        let status = if state.is_known(w.id, now_ms) { "ACTIVE" } else { "UNKNOWN" };
        view.row([
            n(w.id.0),
            t(&w.address),
            t("WORKER"),
            t(status),
            yes_no(leaders > 0),
            n(w.replicas.len() as u64),
            n(leaders),
            time(Some(w.first_heard_ms)),
            time(Some(w.last_heard_ms)),
            w.free_bytes.map_or(Value::Null, n),
            Value::Int(w.clock_offset_ms()),
        ]);
    }
    view.done()
}

/// Every replica of every log stream.
pub(super) fn locations(state: &State, now_ms: u64) -> Table {
    let columns =
        ["TENANT_ID", "LS_ID", "SVR_ID", "SVR_ADDRESS", "ROLE", "TERM", "END_LSN", "MAX_SCN", "STATUS", "COMMENT"];
    let mut view = Build::new(&columns);
    for (tenant, ls) in state.tenants.values().flat_map(|t| t.log_streams.values().map(move |ls| (t, ls))) {
        let lost = lost_members(state, tenant.id, ls);
        for member in &ls.members {
            let worker = state.workers.get(member);
            let seen = seen_replica(state, tenant.id, ls, *member);
            let role = if ls.leader == Some(*member) { "LEADER" } else { "FOLLOWER" };
            let trouble = trouble_of(state, tenant.id, ls, *member);
            let is_known = state.is_known(*member, now_ms);
            let (status, comment) = match (seen, trouble) {
                (_, Some(trouble)) if is_known && trouble.class == ErrorClass::Corrupt => {
                    ("DAMAGED", format!("{}: {trouble}", outlook(state, tenant.id, ls, *member, now_ms)))
                }
                (None, Some(trouble)) if is_known => ("STOPPED", trouble.to_string()),
                (None, _) => ("MISSING", String::new()),
                (Some(_), _) if !is_known => ("UNKNOWN", String::new()),
                (Some(_), _) if lost.contains(member) => (
                    "LOST",
                    format!("the worker lost the disk with this replica, and no majority is left: {LOST_TODO}"),
                ),
                (Some(r), trouble) => {
                    let (status, comment) = match r.standing {
                        ReplicaStanding::Full => ("NORMAL", ""),
                        ReplicaStanding::CatchingUp => ("CATCHING_UP", "it began empty and does not vote yet"),
                        ReplicaStanding::Empty => ("EMPTY", "it began empty and waits for its leader"),
                    };
                    (status, trouble.map_or_else(|| comment.to_owned(), ToString::to_string))
                }
            };
            view.row([
                n(tenant.id.0),
                n(ls.id.0),
                n(member.0),
                t(worker.map(|w| w.address.clone()).unwrap_or_default()),
                t(role),
                seen.map_or(Value::Null, |r| n(r.term.0)),
                seen.map_or(Value::Null, |r| n(r.end_lsn.0)),
                seen.map_or(Value::Null, |r| scn(r.max_scn)),
                t(status),
                t(comment),
            ]);
        }
    }
    view.done()
}

/// Every table.
pub(super) fn tables(state: &State) -> Table {
    let mut view = Build::new(&["TENANT_ID", "TABLE_ID", "TABLE_NAME", "TABLETS", "DICTIONARY_VERSION"]);
    for tenant in state.tenants.values() {
        for table in tenant.tables.values().filter(|t| !t.is_hidden()) {
            let tablets = table.tablets.len() as u64;
            view.row([n(tenant.id.0), n(table.id.0), t(&table.name), n(tablets), n(tenant.dictionary_version)]);
        }
    }
    view.done()
}

/// Every tablet and its log stream.
pub(super) fn tablets(state: &State) -> Table {
    let mut view = Build::new(&["TENANT_ID", "TABLET_ID", "LS_ID", "TABLE_ID"]);
    for tenant in state.tenants.values() {
        let shown = tenant.tables.values().filter(|t| !t.is_hidden());
        for (table, tablet) in shown.flat_map(|t| t.tablets.iter().map(move |x| (t, x))) {
            view.row([n(tenant.id.0), n(tablet.id.0), n(tablet.ls_id.0), n(table.id.0)]);
        }
    }
    view.done()
}

/// Why nothing happens: what the plan would do if it could.
pub(super) fn waiting(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&["TENANT_ID", "WHAT", "WAITING_ON", "SINCE", "SECONDS"]);
    for w in plan(state, now_ms).waiting {
        let seconds = w.since_ms.map_or(Value::Null, |s| n(now_ms.saturating_sub(s) / 1000));
        view.row([n(w.tenant_id.0), t(w.who), t(w.on), time(w.since_ms), seconds]);
    }
    view.done()
}
