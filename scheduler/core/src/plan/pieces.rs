//! The next step of a round's pieces (docs/oceanbase.md, 2.9, 3.1): start placeholders ahead of the log, then per piece infos,
//! checkpoints, the decision of its final figures, its frozen files.
//!
//! Order rules: the checkpoint enters a piece only once all earlier ones are frozen, so that the piece's
//! `tenant_archive_piece_infos` can be written once and for all; the last checkpoint of a piece is published before
//! its figures are decided; its files are written after that.

use super::round_ctx::Ctx;
use crate::checkpoint::{is_sealable, piece_checkpoint, round_checkpoint};
use crate::command::RoundAction;
use crate::state::{LsProgress, PieceRow, State};
use crate::step::{FreezePiece, MediumWork, Plan};
use strandline_types::{DestId, FileStatus, PieceId, PieceKey, PieceStatus, RoundState, Scheme, Scn, TenantId, limits};

pub(super) fn plan(ctx: &Ctx<'_>, plan: &mut Plan) {
    if !ctx.round.begun || plan_starts(ctx, plan) {
        return;
    }
    let Some(piece) = ctx.round.active_piece() else { return };
    let (tenant, id) = (ctx.round.tenant_id, piece.key.piece_id);
    if piece.sealed {
        let work = MediumWork::FreezePiece(Box::new(FreezePiece {
            dest: ctx.dest.clone(),
            piece: PieceRow { status: PieceStatus::Frozen, ..*piece },
            log_streams: ctx.round.progress.keys().copied().collect(),
            start_lsns: ctx.round.progress.iter().map(|(ls, p)| (*ls, p.start_lsn)).collect(),
            frozen: earlier_frozen(ctx.state, tenant, piece.key),
        }));
        let mut works = Vec::with_capacity(2);
        // A piece that the round's end froze before the checkpoint came into it has no infos yet.
        if piece.file_status == FileStatus::Incomplete {
            works.push(infos(ctx, piece));
        }
        works.push(work);
        return plan.work(ctx.subject(), works, ctx.action(RoundAction::PieceFrozen { piece: id }));
    }
    if publish(ctx, piece, plan) {
        return;
    }
    if is_sealable(ctx.state, ctx.round, piece) {
        plan.propose(ctx.action(RoundAction::SealPiece { piece: id }));
    }
}

/// Start placeholders up to the piece that log will come into soon. True when there is something to write.
fn plan_starts(ctx: &Ctx<'_>, plan: &mut Plan) -> bool {
    let round = ctx.round;
    let last = round.pieces.keys().next_back().copied();
    let first_new = last.map_or(round.clock.base_piece, PieceId::next);
    let used = round.clock.piece_of(highest_scn(ctx));
    if first_new > used {
        return false;
    }
    let upto = PieceId(used.0.min(first_new.0 + limits::PIECES_PER_STEP_MAX - 1));
    let work = (first_new.0..=upto.0).map(|id| {
        let key = round.piece_key(PieceId(id));
        MediumWork::PieceStart { dest: ctx.dest.clone(), key, start_scn: round.clock.range(PieceId(id)).start }
    });
    let then = ctx.action(RoundAction::PiecesStarted { upto });
    plan.work(ctx.subject(), work.collect(), then);
    true
}

/// The highest SCN that any log stream has archived or may archive before the next plan.
fn highest_scn(ctx: &Ctx<'_>) -> Scn {
    let archived = ctx.round.max_scn;
    if !matches!(ctx.round.state, RoundState::Beginning | RoundState::Doing) {
        return archived;
    }
    let ahead_ms = (ctx.round.clock.interval_ns / 2_000_000).min(limits::PIECE_AHEAD_MS);
    let applied = crate::checkpoint::tenant_max_scn(ctx.state, ctx.round.tenant_id);
    archived.max(applied).max(Scn::from_ms(ctx.now_ms + ahead_ms))
}

/// Brings the active piece's checkpoint forward. True when there is something to write.
fn publish(ctx: &Ctx<'_>, piece: &PieceRow, plan: &mut Plan) -> bool {
    let proven = round_checkpoint(ctx.state, ctx.round);
    let Some(checkpoint_scn) = proven.and_then(|c| piece_checkpoint(ctx.round, piece, c)) else { return false };
    let is_first = piece.file_status == FileStatus::Incomplete;
    if !is_first && (checkpoint_scn <= piece.checkpoint_scn || is_too_soon(ctx, piece, checkpoint_scn)) {
        return false;
    }
    let old_scn = (!is_first).then_some(piece.checkpoint_scn);
    let mut work = Vec::with_capacity(2);
    if is_first {
        work.push(infos(ctx, piece));
    }
    work.push(MediumWork::PublishCheckpoint { dest: ctx.dest.clone(), piece: *piece, checkpoint_scn, old_scn });
    let then = ctx.action(RoundAction::CheckpointPublished { piece: piece.key.piece_id, checkpoint_scn });
    plan.work(ctx.subject(), work, then);
    true
}

/// An object store bills requests: there a checkpoint follows the one before it after a quarter of the lag target, as
/// appends do. What completes a piece, or ends the round, never waits.
fn is_too_soon(ctx: &Ctx<'_>, piece: &PieceRow, checkpoint: Scn) -> bool {
    let is_running = matches!(ctx.round.state, RoundState::Beginning | RoundState::Doing);
    if !is_running || ctx.dest.uri.place().scheme == Scheme::File || checkpoint >= piece.end_scn.prev() {
        return false;
    }
    let lag_target_ms = ctx.state.tenants.get(&ctx.round.tenant_id).map_or(0, |t| t.archive.lag_target_ms);
    let pause_ms = (lag_target_ms / 4).min(limits::PUBLISH_PAUSE_MS_MAX);
    ctx.now_ms.max(ctx.state.clock_ms).saturating_sub(ctx.round.published_ms) < pause_ms
}

fn infos(ctx: &Ctx<'_>, piece: &PieceRow) -> MediumWork {
    let frozen = earlier_frozen(ctx.state, ctx.round.tenant_id, piece.key);
    let has_log = |p: &LsProgress| p.archived_lsn > p.start_lsn;
    let log_streams = ctx.round.progress.iter().filter(|(_, p)| has_log(p)).map(|(ls, p)| (*ls, p.start_lsn)).collect();
    MediumWork::PieceInfos { dest: ctx.dest.clone(), piece: *piece, frozen, log_streams }
}

/// All frozen pieces of the same destination before this one, in order.
fn earlier_frozen(state: &State, tenant: TenantId, key: PieceKey) -> Vec<PieceRow> {
    let dest: DestId = key.dest_id;
    let rounds = state.rounds.values().filter(|r| r.tenant_id == tenant && r.dest_id == dest);
    let pieces = rounds.flat_map(|r| r.pieces.values());
    pieces.filter(|p| p.status == PieceStatus::Frozen && p.key < key).copied().collect()
}
