//! Archive destinations as they are now, how the lag of rounds was, and log that no archive has.

use super::column::{Column, RowKind, Rows, text, unsigned};
use super::value::{n, scn, scn_display, t, time, yes_no};
use super::view::{Context, Tenancy, View};
use crate::checkpoint::{round_lag_ms, tenant_max_scn};
use crate::state::{ArchiveDest, Destination, LagSample, LogGap, LsProgress, Round, State, Tenant};
use strandline_types::{ArchiveLsState, DestNo, LsId, Lsn, Scn, TenantId};

pub(super) static DEST_STATUS: View = View {
    name: "V$OB_ARCHIVE_DEST_STATUS",
    aliases: &[],
    about: "An archive destination that is set, with its newest round.",
    tenancy: Tenancy::TENANTS_WITHOUT_TWIN,
    content: &Rows::<DestStatus> { of: dest_status, columns: STATUS_COLUMNS },
};

struct DestStatus<'a> {
    tenant_id: TenantId,
    dest_no: DestNo,
    config: &'a ArchiveDest,
    dest: &'a Destination,
    round: Option<&'a Round>,
    tenant_max_scn: Scn,
    lag_ms: Option<u64>,
}

impl RowKind for DestStatus<'static> {
    type Row<'a> = DestStatus<'a>;
}

fn dest_status<'a>(cx: &Context<'a>) -> Vec<DestStatus<'a>> {
    let state = cx.state;
    let configs = state.tenants.values().flat_map(|t| t.archive.dests.iter().map(move |(no, config)| (t, *no, config)));
    let of_config = |(tenant, dest_no, config): (&'a Tenant, DestNo, &'a ArchiveDest)| {
        let dest = state.destinations.get(&config.dest_id)?;
        let round = state.newest_rounds(tenant.id).get(&dest_no).copied().filter(|r| r.dest_id == dest.id);
        Some(DestStatus {
            tenant_id: tenant.id,
            dest_no,
            config,
            dest,
            round,
            tenant_max_scn: tenant_max_scn(state, tenant.id),
            lag_ms: round.filter(|r| r.is_open()).map(|r| round_lag_ms(state, r, cx.now_ms)),
        })
    };
    configs.filter_map(of_config).collect()
}

const STATUS_COLUMNS: &[Column<DestStatus<'static>>] = &[
    unsigned("TENANT_ID", |d| n(d.tenant_id.0)),
    unsigned("DEST_ID", |d| n(d.dest.id.0)),
    text("PATH", |d| t(&d.dest.uri)),
    text("STATUS", |d| d.round.map_or_else(|| t(d.config.state), |r| t(r.state))),
    unsigned("CHECKPOINT_SCN", |d| d.round.and_then(|r| scn(r.checkpoint_scn))),
    text("SYNCHRONIZED", |d| yes_no(d.round.is_some_and(|r| r.checkpoint_scn >= d.tenant_max_scn))),
    text("COMMENT", |d| t(comment(d))),
    // Not in the original.
    unsigned("DEST_NO", |d| n(d.dest_no.0)),
    unsigned("ROUND_ID", |d| d.round.and_then(|r| n(r.round_id.0))),
    unsigned("LAG_MS", |d| d.lag_ms),
    text("TROUBLE_SINCE", |d| time(d.round.and_then(trouble_since))),
    unsigned("REQUESTS", |d| n(d.round.map_or(0, |r| r.progress.values().map(|p| p.requests).sum::<u64>()))),
];

fn comment(d: &DestStatus<'_>) -> String {
    let of_dest = || d.dest.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default();
    d.round.map_or_else(of_dest, super::archive::comment)
}

/// Since when an open round has the oldest of its troubles.
fn trouble_since(round: &Round) -> Option<u64> {
    round.trouble.iter().chain(round.troubles().map(|(_, t)| t)).map(|t| t.since_ms).min().filter(|_| round.is_open())
}

pub(super) static GAPS: View = View {
    name: "CDB_STRANDLINE_ARCHIVE_GAPS",
    aliases: &[],
    about: "Log of a log stream that no archive has; it ends where the next round begins.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<GapRow> { of: gaps, columns: GAP_COLUMNS },
};

struct GapRow<'a> {
    round: &'a Round,
    ls_id: LsId,
    ls: &'a LsProgress,
    gap: LogGap,
    end: Option<(Lsn, Scn)>,
}

impl RowKind for GapRow<'static> {
    type Row<'a> = GapRow<'a>;
}

fn gaps<'a>(cx: &Context<'a>) -> Vec<GapRow<'a>> {
    let streams = cx.state.rounds.values().flat_map(|r| r.progress.iter().map(move |(id, ls)| (r, *id, ls)));
    let of_stream = |(round, ls_id, ls): (&'a Round, LsId, &'a LsProgress)| {
        let gap = ls.gap.filter(|_| ls.state == ArchiveLsState::Interrupted)?;
        Some(GapRow { round, ls_id, ls, gap, end: next_start(cx.state, round, ls_id) })
    };
    streams.filter_map(of_stream).collect()
}

/// Where the next round of the same destination number begins for a log stream: what was written before, and after the
/// end of an interrupted round, is in none of its archives. `None` while there is no such round.
fn next_start(state: &State, round: &Round, ls: LsId) -> Option<(Lsn, Scn)> {
    let is_next =
        |r: &&Round| (r.tenant_id, r.dest_no) == (round.tenant_id, round.dest_no) && r.round_id > round.round_id;
    // Rounds are in their order.
    let mut later = state.rounds.values().filter(is_next);
    later.find_map(|r| Some((r.progress.get(&ls)?.start_lsn, r.clock.round_start)))
}

const GAP_COLUMNS: &[Column<GapRow<'static>>] = &[
    unsigned("TENANT_ID", |g| n(g.round.tenant_id.0)),
    unsigned("DEST_ID", |g| n(g.round.dest_id.0)),
    unsigned("DEST_NO", |g| n(g.round.dest_no.0)),
    unsigned("ROUND_ID", |g| n(g.round.round_id.0)),
    unsigned("LS_ID", |g| n(g.ls_id.0)),
    unsigned("START_LSN", |g| n(g.gap.start_lsn.0)),
    unsigned("END_LSN", |g| g.end.map(|(lsn, _)| lsn.0)),
    unsigned("START_SCN", |g| scn(g.gap.start_scn)),
    text("START_SCN_DISPLAY", |g| scn_display(g.gap.start_scn)),
    unsigned("END_SCN", |g| g.end.and_then(|(_, at)| scn(at))),
    text("END_SCN_DISPLAY", |g| g.end.and_then(|(_, at)| scn_display(at))),
    text("COMMENT", |g| t(g.ls.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default())),
];

pub(super) static LAG_HISTORY: View = View {
    name: "CDB_STRANDLINE_ARCHIVE_LAG_HISTORY",
    aliases: &[],
    about: "One sample of the lag of a round; every 5 s, for half an hour.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<LagRow> { of: lag_history, columns: LAG_COLUMNS },
};

struct LagRow<'a> {
    round: &'a Round,
    sample: &'a LagSample,
}

impl RowKind for LagRow<'static> {
    type Row<'a> = LagRow<'a>;
}

fn lag_history<'a>(cx: &Context<'a>) -> Vec<LagRow<'a>> {
    let of_round = |round: &'a Round| round.lag_history.iter().map(move |sample| LagRow { round, sample });
    cx.state.rounds.values().flat_map(of_round).collect()
}

const LAG_COLUMNS: &[Column<LagRow<'static>>] = &[
    unsigned("TENANT_ID", |l| n(l.round.tenant_id.0)),
    unsigned("DEST_ID", |l| n(l.round.dest_id.0)),
    unsigned("DEST_NO", |l| n(l.round.dest_no.0)),
    unsigned("ROUND_ID", |l| n(l.round.round_id.0)),
    text("SAMPLE_TIME", |l| time(Some(l.sample.at_ms))),
    unsigned("CHECKPOINT_SCN", |l| scn(l.sample.checkpoint_scn)),
    text("CHECKPOINT_SCN_DISPLAY", |l| scn_display(l.sample.checkpoint_scn)),
    unsigned("APPLIED_SCN", |l| scn(l.sample.applied_scn)),
    unsigned("LAG_MS", |l| n(l.sample.lag_ms)),
    unsigned("LOG_BYTES", |l| n(l.sample.log_bytes)),
    unsigned("SPOOL_BYTES", |l| n(l.sample.spool_bytes)),
];
