//! Replicas of log streams.

use super::column::{Column, RowKind, Rows, text, unsigned};
use super::value::{n, scn, t};
use super::view::{Context, Tenancy, View};
use crate::damaged::{outlook, trouble_of};
use crate::lost::{lost_members, seen_replica};
use crate::state::{LogStream, ReplicaSeen, ReplicaStanding, State, Tenant};
use crate::waiting::LOST_TODO;
use strandline_types::{ErrorClass, NodeId, TenantId};

pub(super) static LOCATIONS: View = View {
    name: "CDB_OB_LS_LOCATIONS",
    aliases: &[],
    about: "A replica of a log stream.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<ReplicaRow> { of: replicas, columns: COLUMNS },
};

struct ReplicaRow<'a> {
    tenant_id: TenantId,
    ls: &'a LogStream,
    member: NodeId,
    address: &'a str,
    seen: Option<&'a ReplicaSeen>,
    status: &'static str,
    comment: String,
}

impl RowKind for ReplicaRow<'static> {
    type Row<'a> = ReplicaRow<'a>;
}

fn replicas<'a>(cx: &Context<'a>) -> Vec<ReplicaRow<'a>> {
    let mut rows = Vec::new();
    for tenant in cx.state.tenants.values() {
        for ls in tenant.log_streams.values() {
            let lost = lost_members(cx.state, tenant.id, ls);
            rows.extend(ls.members.iter().map(|member| replica(cx, tenant, ls, *member, lost.contains(member))));
        }
    }
    rows
}

fn replica<'a>(cx: &Context<'a>, tenant: &Tenant, ls: &'a LogStream, member: NodeId, is_lost: bool) -> ReplicaRow<'a> {
    let (status, comment) = status(cx, tenant.id, ls, member, is_lost);
    ReplicaRow {
        tenant_id: tenant.id,
        ls,
        member,
        address: cx.state.workers.get(&member).map(|w| w.address.as_str()).unwrap_or_default(),
        seen: seen_replica(cx.state, tenant.id, ls, member),
        status,
        comment,
    }
}

const COLUMNS: &[Column<ReplicaRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.tenant_id.0)),
    unsigned("LS_ID", |r| n(r.ls.id.0)),
    unsigned("SVR_ID", |r| n(r.member.0)),
    text("SVR_ADDRESS", |r| t(r.address)),
    text("ROLE", |r| t(if r.ls.leader == Some(r.member) { "LEADER" } else { "FOLLOWER" })),
    unsigned("TERM", |r| r.seen.and_then(|s| n(s.term.0))),
    unsigned("END_LSN", |r| r.seen.and_then(|s| n(s.end_lsn.0))),
    unsigned("MAX_SCN", |r| r.seen.and_then(|s| scn(s.max_scn))),
    text("STATUS", |r| t(r.status)),
    text("COMMENT", |r| t(&r.comment)),
];

/// STATUS and COMMENT of a replica.
fn status(cx: &Context<'_>, tenant: TenantId, ls: &LogStream, member: NodeId, is_lost: bool) -> (&'static str, String) {
    let state: &State = cx.state;
    let trouble = trouble_of(state, tenant, ls, member);
    let is_known = state.is_known(member, cx.now_ms);
    match (seen_replica(state, tenant, ls, member), trouble) {
        (_, Some(trouble)) if is_known && trouble.class == ErrorClass::Corrupt => {
            ("DAMAGED", format!("{}: {trouble}", outlook(state, tenant, ls, member, cx.now_ms)))
        }
        (None, Some(trouble)) if is_known => ("STOPPED", trouble.to_string()),
        (None, _) => ("MISSING", String::new()),
        (Some(_), _) if !is_known => ("UNKNOWN", String::new()),
        (Some(_), _) if is_lost => {
            ("LOST", format!("the worker lost the disk with this replica, and no majority is left: {LOST_TODO}"))
        }
        (Some(seen), trouble) => {
            let (status, comment) = standing(seen.standing);
            (status, trouble.map_or_else(|| comment.to_owned(), ToString::to_string))
        }
    }
}

const fn standing(standing: ReplicaStanding) -> (&'static str, &'static str) {
    match standing {
        ReplicaStanding::Full => ("NORMAL", ""),
        ReplicaStanding::CatchingUp => ("CATCHING_UP", "it began empty and does not vote yet"),
        ReplicaStanding::Empty => ("EMPTY", "it began empty and waits for its leader"),
    }
}
