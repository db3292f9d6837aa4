//! How well archiving goes: state of each destination, what waits locally, what was lost, how the lag was.

use super::value::{n, ratio_real, scn, scn_display, t, time, yes_no};
use super::{Build, Table, Value};
use crate::checkpoint::{round_lag_ms, tenant_max_scn};
use crate::spool;
use crate::state::{Round, State};
use strandline_types::{ArchiveLsState, LsId, Lsn, Scn};

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
                seconds_left(&spool).map_or(Value::Null, n),
            ]);
        }
    }
    view.done()
}

/// How long the spool lasts if log of this stream goes on coming as it has since it began to wait; `None` when it does not
/// fill up.
fn seconds_left(spool: &spool::Spool) -> Option<u64> {
    let age_ms = Some(spool.age_ms).filter(|ms| *ms > 0)?;
    let by_age = (spool.age_ms_max > 0).then(|| spool.age_ms_max.saturating_sub(age_ms) / 1000);
    let left = u128::from(spool.bytes_max.saturating_sub(spool.waiting_bytes));
    let by_size = (left * u128::from(age_ms)).checked_div(u128::from(spool.waiting_bytes)).map(|ms| (ms / 1000) as u64);
    by_size.into_iter().chain(by_age).min()
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

/// Where the next round of the same destination number begins for a log stream: what was written before, and after the
/// end of an interrupted round, is in none of its archives. `None` while there is no such round.
fn goes_on(state: &State, round: &Round, ls: LsId) -> Option<(Lsn, Scn)> {
    let is_next =
        |r: &&Round| (r.tenant_id, r.dest_no) == (round.tenant_id, round.dest_no) && r.round_id > round.round_id;
    // Rounds are in their order.
    let mut later = state.rounds.values().filter(is_next);
    later.find_map(|r| Some((r.progress.get(&ls)?.start_lsn, r.clock.round_start)))
}

/// Log that no archive has, of every round. A gap ends where the next round begins.
pub(super) fn gaps(state: &State) -> Table {
    let mut view = Build::new(&GAP_COLUMNS);
    for (round, ls, row) in state.rounds.values().flat_map(|r| r.progress.iter().map(move |(ls, p)| (r, ls, p))) {
        let Some(gap) = row.gap.filter(|_| row.state == ArchiveLsState::Interrupted) else { continue };
        let end = goes_on(state, round, *ls);
        view.row([
            n(round.tenant_id.0),
            n(round.dest_id.0),
            n(round.dest_no.0),
            n(round.round_id.0),
            n(ls.0),
            n(gap.start_lsn.0),
            end.map_or(Value::Null, |(lsn, _)| n(lsn.0)),
            scn(gap.start_scn),
            scn_display(gap.start_scn),
            end.map_or(Value::Null, |(_, at)| scn(at)),
            end.map_or(Value::Null, |(_, at)| scn_display(at)),
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
