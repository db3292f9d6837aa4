//! The piece machine (docs/oceanbase.md, 2.9): ACTIVE and incomplete, ACTIVE and available, FROZEN.
//!
//! Order rules: pieces freeze in order; a piece's final figures are decided (`sealed`) before a byte of its frozen
//! files is written; a checkpoint enters a piece only once the one before it is frozen.

use crate::checkpoint::{all_stopped, is_sealable, round_checkpoint, tenant_max_scn};
use crate::command::{Done, Outcome};
use crate::state::{PieceRow, Round, State};
use strandline_types::{FileStatus, PieceId, PieceStatus, RoundId, RoundState, Scn, TenantId};

pub(crate) fn started(state: &mut State, key: (TenantId, RoundId), upto: PieceId) -> Outcome {
    let Some(round) = state.rounds.get_mut(&key).filter(|r| r.is_open() && r.begun) else { return Ok(Done::Nothing) };
    let first = round.pieces.keys().next_back().map_or(round.clock.base_piece, |p| p.next());
    if upto < first {
        return Ok(Done::Nothing);
    }
    for id in first.0..=upto.0 {
        let piece = new_piece(round, PieceId(id));
        round.pieces.insert(PieceId(id), piece);
    }
    round.trouble = None;
    if let Some(tenant) = state.tenants.get_mut(&key.0) {
        // Piece ids count on over the rounds of all destinations.
        tenant.next.piece = tenant.next.piece.max(upto.next());
    }
    Ok(Done::Ok)
}

fn new_piece(round: &Round, id: PieceId) -> PieceRow {
    let range = round.clock.range(id);
    PieceRow {
        key: round.piece_key(id),
        status: PieceStatus::Active,
        file_status: FileStatus::Incomplete,
        start_scn: range.start,
        end_scn: range.end,
        checkpoint_scn: range.start,
        max_scn: range.start,
        input_bytes: 0,
        output_bytes: 0,
        sealed: false,
    }
}

pub(crate) fn checkpoint_published(
    state: &mut State,
    key: (TenantId, RoundId),
    piece: PieceId,
    checkpoint: Scn,
) -> Outcome {
    let Some(round) = state.rounds.get(&key) else { return Ok(Done::Nothing) };
    // What is published must be proven by what this state knows, whichever node proposes it.
    if round_checkpoint(state, round).is_none_or(|proven| checkpoint > proven) {
        return Ok(Done::Nothing);
    }
    let (applied, now_ms) = (tenant_max_scn(state, key.0), state.clock_ms);
    let Some(round) = state.rounds.get_mut(&key) else { return Ok(Done::Nothing) };
    if round.active_piece().map(|p| p.key.piece_id) != Some(piece) {
        return Ok(Done::Nothing);
    }
    let (input, output, max_scn) = figures(round, piece);
    let Some(row) = round.pieces.get_mut(&piece) else { return Ok(Done::Nothing) };
    let is_forward = row.file_status == FileStatus::Incomplete || checkpoint > row.checkpoint_scn;
    if row.sealed || !is_forward || checkpoint < row.start_scn || checkpoint >= row.end_scn {
        return Ok(Done::Nothing);
    }
    row.file_status = FileStatus::Available;
    row.checkpoint_scn = checkpoint;
    row.max_scn = max_scn.max(checkpoint);
    row.input_bytes = input;
    row.output_bytes = output;
    round.published_ms = now_ms;
    round.checkpoint_scn = round.checkpoint_scn.max(checkpoint);
    if round.checkpoint_scn >= applied {
        round.uncovered_since_ms = None;
    }
    round.trouble = None;
    Ok(Done::Ok)
}

pub(crate) fn seal(state: &mut State, key: (TenantId, RoundId), piece: PieceId) -> Outcome {
    let Some(round) = state.rounds.get(&key) else { return Ok(Done::Nothing) };
    let is_due =
        round.active_piece().is_some_and(|p| p.key.piece_id == piece && !p.sealed && is_sealable(state, round, p));
    let is_end = round.state == RoundState::Stopping && all_stopped(state, round);
    let (input, output, max_scn) = figures(round, piece);
    let Some(round) = state.rounds.get_mut(&key).filter(|_| is_due) else { return Ok(Done::Nothing) };
    round.drained |= is_end;
    let Some(row) = round.pieces.get_mut(&piece) else { return Ok(Done::Nothing) };
    row.input_bytes = input;
    row.output_bytes = output;
    row.max_scn = max_scn.max(row.checkpoint_scn);
    row.sealed = true;
    Ok(Done::Ok)
}

pub(crate) fn frozen(state: &mut State, key: (TenantId, RoundId), piece: PieceId) -> Outcome {
    let Some(round) = state.rounds.get_mut(&key) else { return Ok(Done::Nothing) };
    if round.active_piece().map(|p| p.key.piece_id) != Some(piece) {
        return Ok(Done::Nothing);
    }
    let Some(row) = round.pieces.get_mut(&piece).filter(|p| p.sealed) else { return Ok(Done::Nothing) };
    row.status = PieceStatus::Frozen;
    round.trouble = None;
    Ok(Done::Ok)
}

/// Log bytes, bytes on the medium and highest SCN of a piece.
fn figures(round: &Round, piece: PieceId) -> (u64, u64, Scn) {
    let parts = round.progress.values().filter_map(|p| p.pieces.get(&piece));
    let (input, output) = parts.fold((0, 0), |sum, p| (sum.0 + p.input_bytes(), sum.1 + p.output_bytes));
    let range = round.clock.range(piece);
    let max_scn = round.max_scn.min(range.end.prev()).max(range.start);
    (input, output, max_scn)
}
