//! ARCHIVELOG mode and the round's state machine (docs/oceanbase.md, 2.7).

use super::audit;
use super::normal::normal;
use crate::checkpoint::tenant_max_scn;
use crate::command::{Done, Outcome};
use crate::refuse;
use crate::round_machine::{RoundEvent, next};
use crate::state::{DestState, Restart, Round, State};
use std::collections::BTreeMap;
use strandline_types::{DestNo, PieceClock, PieceStatus, RoundId, RoundState, Scn, TenantId, limits};

pub(crate) fn set_lag(state: &mut State, id: TenantId, lag_target_ms: u64) -> Outcome {
    normal(state, id)?;
    if lag_target_ms > limits::ARCHIVE_LAG_TARGET_MS_MAX {
        return Err(refuse::bad_lag_target(lag_target_ms));
    }
    Ok(change(state, id, |config| config.lag_target_ms = lag_target_ms))
}

pub(crate) fn set_concurrency(state: &mut State, id: TenantId, threads: u32) -> Outcome {
    normal(state, id)?;
    if threads > limits::ARCHIVE_CONCURRENCY_MAX {
        return Err(refuse::bad_concurrency(threads));
    }
    Ok(change(state, id, |config| config.concurrency = threads))
}

pub(crate) fn archive_log(state: &mut State, id: TenantId) -> Outcome {
    let tenant = normal(state, id)?;
    if tenant.archive.dests.is_empty() {
        return Err(refuse::no_archive_dest(&tenant.name));
    }
    if tenant.archive.log_mode {
        return Err(refuse::archive_mode(&tenant.name, true));
    }
    if let Some(round) = state.open_rounds(id).find(|r| tenant.archive.dests.contains_key(&r.dest_no)) {
        return Err(refuse::round_stopping(round));
    }
    let numbers: Vec<DestNo> = tenant.archive.dests.keys().copied().collect();
    change(state, id, |config| config.log_mode = true);
    // The statement names the round of the lowest destination; the others are in the views.
    let opened = numbers.into_iter().map(|no| open_round_if_wanted(state, id, no)).collect::<Vec<_>>();
    Ok(opened.into_iter().find(|done| matches!(done, Done::Round(_))).unwrap_or(Done::Ok))
}

pub(crate) fn no_archive_log(state: &mut State, id: TenantId) -> Outcome {
    let tenant = normal(state, id)?;
    if !tenant.archive.log_mode {
        return Err(refuse::archive_mode(&tenant.name, false));
    }
    change(state, id, |config| config.log_mode = false);
    let open: Vec<_> = state.open_rounds(id).map(|r| (r.round_id, r.state)).collect();
    for (round, from) in open {
        move_round(state, (id, round), from, RoundEvent::StopWanted, String::new())?;
    }
    Ok(Done::Ok)
}

fn change(state: &mut State, id: TenantId, edit: impl FnOnce(&mut crate::state::ArchiveConfig)) -> Done {
    match state.tenants.get_mut(&id) {
        Some(tenant) => {
            edit(&mut tenant.archive);
            Done::Ok
        }
        None => Done::Nothing,
    }
}

/// Opens a round when the tenant is in ARCHIVELOG mode, the destination is enabled and has no open round.
///
/// Everything that the start placeholder will say is decided here, before a byte of it is written.
pub(crate) fn open_round_if_wanted(state: &mut State, id: TenantId, no: DestNo) -> Done {
    let start = tenant_max_scn(state, id).max(Scn::from_ms(state.clock_ms));
    let is_open = state.open_round_of(id, no).is_some();
    let now_ms = state.clock_ms;
    let Some(tenant) = state.tenants.get_mut(&id) else { return Done::Nothing };
    let Some(config) = tenant.archive.dests.get(&no) else { return Done::Ok };
    let Some(dest) = state.destinations.get(&config.dest_id) else { return Done::Ok };
    if is_open || !tenant.archive.log_mode || config.state == DestState::Defer {
        return Done::Ok;
    }
    let round_id = tenant.next.round;
    tenant.next.round = round_id.next();
    let clock = PieceClock {
        round_start: start,
        base_piece: tenant.next.piece,
        interval_ns: config.options.piece_interval_s * 1_000_000_000,
    };
    let round = Round {
        tenant_id: id,
        dest_id: dest.id,
        dest_no: no,
        uri: dest.uri.to_string(),
        round_id,
        state: RoundState::Prepare,
        state_since_ms: now_ms,
        options: config.options.clone(),
        clock,
        begun: false,
        drained: false,
        checkpoint_scn: start,
        uncovered_since_ms: None,
        max_scn: start,
        floor: tenant.log_streams.values().map(|ls| (ls.id, ls.end_lsn)).collect(),
        progress: BTreeMap::new(),
        waiting: BTreeMap::new(),
        published_ms: 0,
        pieces: BTreeMap::new(),
        trouble: None,
        comment: String::new(),
        stopped_ms: None,
        restart: Restart::None,
        lag_history: Vec::new(),
    };
    state.rounds.insert((id, round_id), round);
    Done::Round(round_id)
}

pub(crate) fn round_begun(state: &mut State, tenant: TenantId, id: RoundId) -> Outcome {
    let Some(round) = state.rounds.get_mut(&(tenant, id)).filter(|r| r.state == RoundState::Prepare) else {
        return Ok(Done::Nothing);
    };
    round.begun = true;
    round.trouble = None;
    set_state(state, (tenant, id), RoundState::Beginning);
    Ok(Done::Ok)
}

pub(crate) fn move_round(
    state: &mut State,
    key: (TenantId, RoundId),
    from: RoundState,
    event: RoundEvent,
    comment: String,
) -> Outcome {
    let Some(round) = state.rounds.get_mut(&key).filter(|r| r.state == from) else { return Ok(Done::Nothing) };
    // What stands for files on the medium comes with the word of the step that wrote them.
    let Some(to) = next(from, event).filter(|_| !event.is_of_medium()) else { return Ok(Done::Nothing) };
    if !comment.is_empty() {
        round.comment = comment;
    }
    set_state(state, key, to);
    Ok(Done::Ok)
}

pub(crate) fn round_stopped(state: &mut State, key: (TenantId, RoundId), forced: bool) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&key).filter(|r| r.state == RoundState::Stopping) else {
        return Ok(Done::Nothing);
    };
    let all_frozen = round.pieces.values().all(|p| p.status == PieceStatus::Frozen);
    if !forced && !all_frozen {
        return Ok(Done::Nothing);
    }
    if forced {
        let forced = "the stop was forced: the medium or a log stream did not answer";
        let before = if round.comment.is_empty() { String::new() } else { format!("{}; ", round.comment) };
        round.comment = format!("{before}{forced}");
        for piece in round.pieces.values_mut() {
            piece.status = PieceStatus::Frozen;
            piece.sealed = true;
        }
    }
    round.trouble = None;
    round.stopped_ms = Some(now_ms);
    let dest = round.dest_id;
    set_state(state, key, RoundState::Stop);
    // A destination that was given up has to prove itself before anything begins on it again.
    if let Some(dest) = state.destinations.get_mut(&dest).filter(|_| forced) {
        dest.formatted = false;
    }
    Ok(Done::Ok)
}

fn set_state(state: &mut State, key: (TenantId, RoundId), to: RoundState) {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&key) else { return };
    let from = std::mem::replace(&mut round.state, to);
    round.state_since_ms = now_ms;
    let values = [
        ("dest_no", round.dest_no.to_string()),
        ("round_id", key.1.to_string()),
        ("from", from.to_string()),
        ("to", to.to_string()),
        ("comment", round.comment.clone()),
    ];
    audit::note(state, key.0, ("log_archive", "change_status"), values);
}
