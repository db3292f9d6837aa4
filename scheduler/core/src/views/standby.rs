//! Standby tenants and how far they are.

use super::column::{Column, RowKind, Rows, signed, text, unsigned};
use super::value::{n, scn, scn_display, t};
use super::view::{Context, Tenancy, View};
use crate::state::{LogStream, Standby, StandbyStage};
use strandline_types::{CODE_NOT_ENOUGH_LOG, Failure, Scn, scn_text};

pub(super) static SOURCES: View = View {
    name: "CDB_OB_LOG_RESTORE_SOURCE",
    aliases: &[],
    about: "The archive that a standby tenant gets its log from, and up to which SCN.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<Standby> {
        of: |cx| cx.state.standbys().collect(),
        columns: &[
            unsigned("TENANT_ID", |s| n(s.tenant_id.0)),
            unsigned("ID", |_| n(1u64)),
            text("TYPE", |_| t("LOCATION")),
            text("VALUE", |s| t(s.source.archive().map(|a| format!("LOCATION={a}")).unwrap_or_default())),
            unsigned("RECOVERY_UNTIL_SCN", |s| scn(s.until.unwrap_or(Scn::MAX))),
            text("RECOVERY_UNTIL_SCN_DISPLAY", |s| until_display(s.until.unwrap_or(Scn::MAX))),
            text("STATUS", |s| t(s.stage)),
        ],
    },
};

impl RowKind for Standby {
    type Row<'a> = &'a Self;
}

fn until_display(until: Scn) -> Option<String> {
    if until == Scn::MAX { t("UNLIMITED") } else { scn_display(until) }
}

pub(super) static STATUS: View = View {
    name: "V$OB_LS_LOG_RESTORE_STATUS",
    aliases: &[],
    about: "A log stream of a standby tenant, and how far it is.",
    tenancy: Tenancy::TENANTS_WITHOUT_TWIN,
    content: &Rows::<StreamRow> { of: streams, columns: STATUS_COLUMNS },
};

struct StreamRow<'a> {
    standby: &'a Standby,
    ls: &'a LogStream,
    replayed_scn: Scn,
    failure: Option<&'a Failure>,
    now_ms: u64,
}

impl RowKind for StreamRow<'static> {
    type Row<'a> = StreamRow<'a>;
}

fn streams<'a>(cx: &Context<'a>) -> Vec<StreamRow<'a>> {
    let log_streams =
        |s: &'a Standby| cx.state.tenants.get(&s.tenant_id).into_iter().flat_map(|t| t.log_streams.values());
    let of_standby = |s: &'a Standby| log_streams(s).map(move |ls| stream(cx, s, ls));
    cx.state.standbys().flat_map(of_standby).collect()
}

fn stream<'a>(cx: &Context<'a>, standby: &'a Standby, ls: &'a LogStream) -> StreamRow<'a> {
    let leader = ls.leader.and_then(|l| cx.state.workers.get(&l)?.replicas.get(&(standby.tenant_id, ls.id)));
    let of_task = standby.log_tasks().find(|(id, _)| *id == ls.id).and_then(|(_, r)| r.failure.as_ref());
    StreamRow {
        standby,
        ls,
        replayed_scn: leader.map_or(Scn::MIN, |r| r.replayed_scn),
        failure: standby.trouble.as_ref().map(|t| &t.failure).or(of_task),
        now_ms: cx.now_ms,
    }
}

const STATUS_COLUMNS: &[Column<StreamRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.standby.tenant_id.0)),
    unsigned("LS_ID", |r| n(r.ls.id.0)),
    unsigned("SYNC_LSN", |r| n(r.ls.end_lsn.0)),
    unsigned("SYNC_SCN", |r| scn(r.replayed_scn)),
    text("SYNC_STATUS", |r| t(r.sync_status())),
    signed("ERR_CODE", |r| Some(r.failure.map_or(0, |f| f.code).into())),
    text("COMMENT", |r| t(r.failure.map_or_else(|| comment(r.standby), ToString::to_string))),
    // Not in the original.
    unsigned("TARGET_SCN", |r| scn(r.standby.target_scn)),
    unsigned("LAG_SECONDS", |r| n(r.now_ms.saturating_sub(r.replayed_scn.as_ms()) / 1000)),
];

impl StreamRow<'_> {
    fn sync_status(&self) -> &'static str {
        match self.standby.stage {
            StandbyStage::Stopped => "RESTORE SUSPEND",
            StandbyStage::Reached => "REACHED",
            _ if self.ls.leader.is_none() => "RESTORE HANDLER HAS NO LEADER",
            _ if self.failure.is_some_and(|f| f.code == CODE_NOT_ENOUGH_LOG) => "SOURCE HAS A GAP",
            _ if self.failure.is_some() => "NOT AVAILABLE",
            _ => "NORMAL",
        }
    }
}

fn comment(standby: &Standby) -> String {
    match (standby.stage, standby.until) {
        (StandbyStage::Reached, Some(until)) => format!("it holds everything up to SCN {until} ({})", scn_text(until)),
        _ => String::new(),
    }
}
