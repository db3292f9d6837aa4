//! The archive destination and the round's state machine (fact sheet 2.7).

use super::cluster::find_or_add_dest;
use super::tenant::normal;
use crate::checkpoint::tenant_max_scn;
use crate::command::{ArchiveDestSpec, Done, Outcome};
use crate::refuse;
use crate::state::{DestKind, DestState, Round, State};
use std::collections::BTreeMap;
use strandline_types::{PieceClock, PieceStatus, RoundId, RoundState, Scn, TenantId, Transition, limits};

const LAG_TARGET_MS_MAX: u64 = 7_200_000;

pub(super) fn set_dest(state: &mut State, id: TenantId, spec: Option<ArchiveDestSpec>) -> Outcome {
    normal(state, id)?;
    if let Some(round) = state.open_round(id) {
        return Err(refuse::archive_running(round));
    }
    let Some(spec) = spec else {
        return Ok(change(state, id, |config| config.dest = None));
    };
    let legal = limits::PIECE_INTERVAL_SECONDS_MIN..=limits::PIECE_INTERVAL_SECONDS_MAX;
    if !legal.contains(&spec.piece_interval_s) {
        return Err(refuse::bad_interval(spec.piece_interval_s));
    }
    let dest = find_or_add_dest(state, id, DestKind::Archive, &spec.uri)?;
    change(state, id, |config| {
        config.dest = Some(dest);
        config.binding = spec.binding;
        config.piece_interval_s = spec.piece_interval_s;
    });
    Ok(Done::Dest(dest))
}

pub(super) fn set_dest_state(state: &mut State, id: TenantId, to: DestState) -> Outcome {
    let tenant = normal(state, id)?;
    if tenant.archive.dest.is_none() {
        return Err(refuse::no_archive_dest(&tenant.name));
    }
    if tenant.archive.state == to {
        return Ok(Done::Nothing);
    }
    change(state, id, |config| config.state = to);
    Ok(open_round_if_wanted(state, id))
}

pub(super) fn set_lag(state: &mut State, id: TenantId, lag_target_ms: u64) -> Outcome {
    normal(state, id)?;
    if lag_target_ms > LAG_TARGET_MS_MAX {
        return Err(refuse::bad_lag_target(lag_target_ms));
    }
    Ok(change(state, id, |config| config.lag_target_ms = lag_target_ms))
}

pub(super) fn archive_log(state: &mut State, id: TenantId) -> Outcome {
    let tenant = normal(state, id)?;
    if tenant.archive.dest.is_none() {
        return Err(refuse::no_archive_dest(&tenant.name));
    }
    if tenant.archive.log_mode {
        return Err(refuse::archive_mode(&tenant.name, true));
    }
    if let Some(round) = state.open_round(id) {
        return Err(refuse::round_stopping(round));
    }
    change(state, id, |config| config.log_mode = true);
    Ok(open_round_if_wanted(state, id))
}

pub(super) fn no_archive_log(state: &mut State, id: TenantId) -> Outcome {
    let tenant = normal(state, id)?;
    if !tenant.archive.log_mode {
        return Err(refuse::archive_mode(&tenant.name, false));
    }
    change(state, id, |config| config.log_mode = false);
    if let Some((key, from)) = state.open_round(id).map(|r| ((id, r.round_id), r.state)) {
        return move_round(state, key, from, RoundState::Stopping, String::new());
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

/// Opens a round when the tenant is in ARCHIVELOG mode, its destination is enabled and no round is open.
///
/// Everything that the start placeholder will say is decided here, before a byte of it is written.
fn open_round_if_wanted(state: &mut State, id: TenantId) -> Done {
    let start = tenant_max_scn(state, id).max(Scn::from_ms(state.clock_ms));
    let is_open = state.open_round(id).is_some();
    let now_ms = state.clock_ms;
    let Some(tenant) = state.tenants.get_mut(&id) else { return Done::Nothing };
    let config = &tenant.archive;
    let Some(dest) = config.dest.and_then(|d| state.destinations.get(&d)) else { return Done::Ok };
    if is_open || !config.log_mode || config.state == DestState::Defer {
        return Done::Ok;
    }
    let round_id = tenant.next.round;
    tenant.next.round = round_id.next();
    let clock = PieceClock {
        round_start: start,
        base_piece: tenant.next.piece,
        interval_ns: config.piece_interval_s * 1_000_000_000,
    };
    let round = Round {
        tenant_id: id,
        dest_id: dest.id,
        uri: dest.uri.clone(),
        round_id,
        state: RoundState::Prepare,
        state_since_ms: now_ms,
        binding: config.binding,
        clock,
        begun: false,
        drained: false,
        checkpoint_scn: start,
        max_scn: start,
        progress: BTreeMap::new(),
        pieces: BTreeMap::new(),
        trouble: None,
        comment: String::new(),
        stopped_ms: None,
    };
    state.rounds.insert((id, round_id), round);
    Done::Round(round_id)
}

pub(super) fn round_begun(state: &mut State, tenant: TenantId, id: RoundId) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&(tenant, id)).filter(|r| r.state == RoundState::Prepare) else {
        return Ok(Done::Nothing);
    };
    round.begun = true;
    round.trouble = None;
    set_state(round, RoundState::Beginning, now_ms);
    Ok(Done::Ok)
}

pub(super) fn move_round(
    state: &mut State,
    key: (TenantId, RoundId),
    from: RoundState,
    to: RoundState,
    comment: String,
) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&key) else { return Ok(Done::Nothing) };
    // PREPARE is left by `RoundBegun` and STOP is reached by `RoundStopped`: both stand for files on the medium.
    let is_ours = to != RoundState::Stop && (from != RoundState::Prepare || to == RoundState::Stopping);
    if round.state != from || !from.may_become(to) || !is_ours {
        return Ok(Done::Nothing);
    }
    if !comment.is_empty() {
        round.comment = comment;
    }
    set_state(round, to, now_ms);
    Ok(Done::Ok)
}

pub(super) fn round_stopped(state: &mut State, key: (TenantId, RoundId), forced: bool) -> Outcome {
    let now_ms = state.clock_ms;
    let Some(round) = state.rounds.get_mut(&key).filter(|r| r.state == RoundState::Stopping) else {
        return Ok(Done::Nothing);
    };
    let all_frozen = round.pieces.values().all(|p| p.status == PieceStatus::Frozen);
    if !forced && !all_frozen {
        return Ok(Done::Nothing);
    }
    if forced {
        round.comment = "the stop was forced: the medium or a log stream did not answer".to_owned();
        for piece in round.pieces.values_mut() {
            piece.status = PieceStatus::Frozen;
            piece.sealed = true;
        }
    }
    round.trouble = None;
    round.stopped_ms = Some(now_ms);
    set_state(round, RoundState::Stop, now_ms);
    Ok(Done::Ok)
}

fn set_state(round: &mut Round, to: RoundState, now_ms: u64) {
    round.state = to;
    round.state_since_ms = now_ms;
}
