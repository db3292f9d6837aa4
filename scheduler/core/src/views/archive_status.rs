//! How well archiving goes: state of each destination, what waits locally, what was lost, how the lag was.

use super::value::{n, ratio_real, scn, scn_display, t, time, yes_no};
use super::{Build, Table, Value};
use crate::checkpoint::{round_lag_ms, tenant_max_scn};
use crate::spool;
use crate::state::{Round, State};
use strandline_types::ArchiveLsState;

const STATUS_COLUMNS: [&str; 12] = [
    "TENANT_ID",
    "DEST_ID",
    "PATH",
    "STATUS",
    "CHECKPOINT_SCN",
    "SYNCHRONIZED",
    "COMMENT",
    "DEST_NO",
    "ROUND_ID",
    "LAG_MS",
    "TROUBLE_SINCE",
    "REQUESTS",
];

/// `V$OB_ARCHIVE_DEST_STATUS`: each destination that is set, with its newest round.
pub(super) fn dest_status(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&STATUS_COLUMNS);
    for (tenant, no, config) in
        state.tenants.values().flat_map(|t| t.archive.dests.iter().map(move |(no, d)| (t, no, d)))
    {
        let Some(dest) = state.destinations.get(&config.dest_id) else { continue };
        let rounds = state.newest_rounds(tenant.id);
        let round = rounds.get(no).filter(|r| r.dest_id == dest.id);
        let is_synchronized = round.is_some_and(|r| r.checkpoint_scn >= tenant_max_scn(state, tenant.id));
        view.row([
            n(tenant.id.0),
            n(dest.id.0),
            t(&dest.uri),
            round.map_or_else(|| t(config.state), |r| t(r.state)),
            round.map_or(Value::Null, |r| scn(r.checkpoint_scn)),
            yes_no(is_synchronized),
            t(round.map_or_else(
                || dest.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default(),
                |r| super::archive::comment(r),
            )),
            n(no.0),
            round.map_or(Value::Null, |r| n(r.round_id.0)),
            round.filter(|r| r.is_open()).map_or(Value::Null, |r| n(round_lag_ms(state, r, now_ms))),
            time(round.and_then(|r| trouble_since(r))),
            n(round.map_or(0, |r| r.progress.values().map(|p| p.requests).sum())),
        ]);
    }
    view.done()
}

/// Since when anything holds a round up.
fn trouble_since(round: &Round) -> Option<u64> {
    round.trouble.iter().chain(round.troubles().map(|(_, t)| t)).map(|t| t.since_ms).min().filter(|_| round.is_open())
}

const SPOOL_COLUMNS: [&str; 12] = [
    "TENANT_ID",
    "DEST_ID",
    "DEST_NO",
    "ROUND_ID",
    "LS_ID",
    "BINDING",
    "SPOOL_BYTES",
    "SPOOL_BYTES_MAX",
    "SPOOL_AGE_MS",
    "SPOOL_AGE_MS_MAX",
    "FILL_RATIO",
    "SECONDS_LEFT",
];

/// Log that waits locally, per destination and log stream, and how long it may still do so.
pub(super) fn spools(state: &State, now_ms: u64) -> Table {
    let mut view = Build::new(&SPOOL_COLUMNS);
    for tenant in state.tenants.values() {
        for (round, ls) in state.open_rounds(tenant.id).flat_map(|r| tenant.log_streams.values().map(move |ls| (r, ls)))
        {
            let Some(spool) = spool::spool(round, ls, now_ms) else { continue };
            let streams = tenant.log_streams.len() as u64;
            view.row([
                n(tenant.id.0),
                n(round.dest_id.0),
                n(round.dest_no.0),
                n(round.round_id.0),
                n(ls.id.0),
                t(round.options.binding),
                n(spool.waiting_bytes),
                n(spool.bytes_max),
                n(spool.age_ms),
                n(spool.age_ms_max),
                ratio_real(spool.fill_ratio()),
                seconds_left(round, &spool, streams).map_or(Value::Null, n),
            ]);
        }
    }
    view.done()
}

/// How long the spool lasts if log goes on coming as in the last looks; `None` when it does not fill up.
fn seconds_left(round: &Round, spool: &spool::Spool, streams: u64) -> Option<u64> {
    let by_age =
        (spool.age_ms > 0 && spool.age_ms_max > 0).then(|| spool.age_ms_max.saturating_sub(spool.age_ms) / 1000);
    let history = &round.lag_history;
    let (last, first) =
        (history.last(), history.len().checked_sub(13).and_then(|i| history.get(i)).or(history.first()));
    let by_size = last.zip(first).and_then(|(last, first)| {
        let ms = last.at_ms.saturating_sub(first.at_ms);
        let per_stream = last.log_bytes.saturating_sub(first.log_bytes) / streams.max(1);
        let left = spool.bytes_max.saturating_sub(spool.waiting_bytes);
        (spool.waiting_bytes > 0 && per_stream > 0 && ms > 0)
            .then(|| (u128::from(left) * u128::from(ms) / u128::from(per_stream) / 1000) as u64)
    });
    match (by_size, by_age) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

const GAP_COLUMNS: [&str; 12] = [
    "TENANT_ID",
    "DEST_ID",
    "DEST_NO",
    "ROUND_ID",
    "LS_ID",
    "START_LSN",
    "END_LSN",
    "START_SCN",
    "START_SCN_DISPLAY",
    "END_SCN",
    "END_SCN_DISPLAY",
    "COMMENT",
];

/// Log that no archive has, of every round.
pub(super) fn gaps(state: &State) -> Table {
    let mut view = Build::new(&GAP_COLUMNS);
    for (round, ls, row) in state.rounds.values().flat_map(|r| r.progress.iter().map(move |(ls, p)| (r, ls, p))) {
        let Some(gap) = row.gap.filter(|_| row.state == ArchiveLsState::Interrupted) else { continue };
        view.row([
            n(round.tenant_id.0),
            n(round.dest_id.0),
            n(round.dest_no.0),
            n(round.round_id.0),
            n(ls.0),
            n(gap.start_lsn.0),
            n(gap.end_lsn.0),
            scn(gap.start_scn),
            scn_display(gap.start_scn),
            scn(gap.end_scn),
            scn_display(gap.end_scn),
            t(row.trouble.as_ref().map(|t| t.failure.to_string()).unwrap_or_default()),
        ]);
    }
    view.done()
}

const LAG_COLUMNS: [&str; 11] = [
    "TENANT_ID",
    "DEST_ID",
    "DEST_NO",
    "ROUND_ID",
    "SAMPLE_TIME",
    "CHECKPOINT_SCN",
    "CHECKPOINT_SCN_DISPLAY",
    "APPLIED_SCN",
    "LAG_MS",
    "LOG_BYTES",
    "SPOOL_BYTES",
];

/// How the lag of each round was, over the last half hour.
pub(super) fn lag_history(state: &State) -> Table {
    let mut view = Build::new(&LAG_COLUMNS);
    for (r, look) in state.rounds.values().flat_map(|r| r.lag_history.iter().map(move |l| (r, l))) {
        view.row([
            n(r.tenant_id.0),
            n(r.dest_id.0),
            n(r.dest_no.0),
            n(r.round_id.0),
            time(Some(look.at_ms)),
            scn(look.checkpoint_scn),
            scn_display(look.checkpoint_scn),
            scn(look.applied_scn),
            n(look.lag_ms),
            n(look.log_bytes),
            n(look.spool_bytes),
        ]);
    }
    view.done()
}
