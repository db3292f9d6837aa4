//! The strandline itself: up to which SCN everything of a round is safe on the medium (docs/oceanbase.md, 4.2), and what that
//! means for each piece.

use crate::state::{LogStream, LsProgress, PieceRow, Round, State};
use strandline_types::{ArchiveLsState, FileStatus, RoundState, Scn, TenantId, limits};

/// The checkpoint that a round's progress proves, or `None` while a live log stream has not started.
///
/// It is the least of what the log streams have archived, never below the round's start and never below what was
/// published: a stream that says less than before (a new leader that has just taken over) does not pull it back.
#[must_use]
pub fn round_checkpoint(state: &State, round: &Round) -> Option<Scn> {
    let tenant = state.tenants.get(&round.tenant_id)?;
    let mut least = Scn::MAX;
    for ls in tenant.log_streams.keys() {
        least = least.min(round.progress.get(ls)?.checkpoint_scn);
    }
    (least < Scn::MAX).then(|| least.max(round.clock.round_start).max(round.checkpoint_scn))
}

/// How old the oldest write is that the published checkpoint of an open round does not cover, in milliseconds; 0 when
/// it covers everything. After idling it is counted from the first write, not from the old checkpoint.
#[must_use]
pub fn round_lag_ms(state: &State, round: &Round, now_ms: u64) -> u64 {
    if tenant_max_scn(state, round.tenant_id) <= round.checkpoint_scn {
        return 0;
    }
    let since_ms = round.uncovered_since_ms.unwrap_or(now_ms).max(round.checkpoint_scn.as_ms());
    now_ms.saturating_sub(since_ms)
}

/// Highest SCN that any log stream of a tenant has applied.
#[must_use]
pub fn tenant_max_scn(state: &State, tenant: TenantId) -> Scn {
    let streams = state.tenants.get(&tenant).into_iter().flat_map(|t| t.log_streams.values());
    streams.map(|ls| ls.max_scn).max().unwrap_or_default()
}

/// The checkpoint that a piece should carry, or `None` while the round's has not entered it.
///
/// A piece is half-open, a checkpoint inclusive: a piece that is passed carries its last SCN.
pub(crate) fn piece_checkpoint(round: &Round, piece: &PieceRow, checkpoint: Scn) -> Option<Scn> {
    // At the round's own start nothing is archived yet.
    let has_entered = checkpoint >= piece.start_scn && checkpoint > round.clock.round_start;
    has_entered.then(|| checkpoint.min(piece.end_scn.prev()))
}

/// True when a piece's final figures may be decided: its last checkpoint is published and nothing can come into it.
///
/// The checkpoint has to be *past* the piece, not at its last SCN: a membership entry takes the SCN of the group before
/// it, so a stream that stands exactly at the last SCN may still write there.
pub(crate) fn is_sealable(state: &State, round: &Round, piece: &PieceRow) -> bool {
    let checkpoint = round_checkpoint(state, round);
    if checkpoint.is_some_and(|c| c >= piece.end_scn) {
        return is_published(piece, piece.end_scn.prev());
    }
    if round.state != RoundState::Stopping || !all_stopped(state, round) {
        return false;
    }
    let last = checkpoint.unwrap_or(round.checkpoint_scn);
    piece_checkpoint(round, piece, last).is_none_or(|c| is_published(piece, c))
}

fn is_published(piece: &PieceRow, checkpoint: Scn) -> bool {
    piece.file_status == FileStatus::Available && piece.checkpoint_scn >= checkpoint
}

/// True when every live log stream of the round has paused. One that never reported counts once it had time enough to
/// hear of the order; one that lost log has nothing more to write.
pub(crate) fn all_suspended(state: &State, round: &Round) -> bool {
    streams_all(state, round, |_, p| p.state != ArchiveLsState::Doing)
}

/// True when every live log stream of the round has stopped, so that its last pieces may freeze.
///
/// The word of a leader counts only as long as no newer one is known: its successor may be about to write.
pub(crate) fn all_stopped(state: &State, round: &Round) -> bool {
    round.drained
        || streams_all(state, round, |ls, p| match p.state {
            ArchiveLsState::Stopped => p.term >= ls.term,
            ArchiveLsState::Interrupted => true,
            ArchiveLsState::Doing | ArchiveLsState::Suspended => false,
        })
}

fn streams_all(state: &State, round: &Round, is_still: impl Fn(&LogStream, &LsProgress) -> bool) -> bool {
    let Some(tenant) = state.tenants.get(&round.tenant_id) else { return true };
    let waited_ms = state.clock_ms.saturating_sub(round.state_since_ms);
    tenant.log_streams.values().all(|ls| match round.progress.get(&ls.id) {
        Some(progress) => is_still(ls, progress),
        None => !round.begun || waited_ms >= limits::NEVER_STARTED_MS,
    })
}
