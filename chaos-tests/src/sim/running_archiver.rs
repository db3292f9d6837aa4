//! One archiver of a worker, its operation under way, and what its worker reports of it.

use super::settings::TENANT;
use super::worker_key::WorkerKey;
use strandline_engine_api::PALF;
use strandline_scheduler_core::state::{LsPiece, Trouble};
use strandline_scheduler_core::{ArchiveReport, ArchiveWaiting, LsResume, RoundOrder, RoundWork};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{ArchiveLsState, DestId, LsId, NodeId, PieceClock, Term};
use strandline_worker_core::archiver::{Action, ArchiveOrder, Archiver, Goal, KnownProgress, PieceSpan};

/// One archiver.
#[derive(Debug)]
pub(super) struct Running {
    pub archiver: Archiver,
    pub number: u64,
    pub term: Term,
    pub goal: Goal,
    pub dest: DestId,
    pub clock: PieceClock,
    /// The operation under way.
    pub op: Option<u64>,
}

/// An operation on its way to the medium. It takes effect even when its archiver is gone meanwhile.
#[derive(Debug)]
pub(super) struct Op {
    pub worker: NodeId,
    pub key: WorkerKey,
    pub number: u64,
    pub dest: DestId,
    pub action: Action,
}

impl Running {
    pub fn new(number: u64, ls: LsId, term: Term, goal: Goal, order: &RoundOrder) -> Self {
        let known = order.log_streams.iter().find(|l| l.ls_id == ls).map(|l: &LsResume| KnownProgress {
            piece: l.piece_id,
            piece_start: l.piece_start_lsn,
            start: l.start_lsn,
            archived: l.archived_lsn,
            checkpoint: l.checkpoint_scn,
        });
        let has_stopped = goal == Goal::Stop && order.log_streams.iter().any(|l| l.ls_id == ls && l.stopped);
        let (dest, clock) = (order.dest_id, order.clock);
        let order = ArchiveOrder { goal, clock, lag_target_ms: order.lag_target_ms, known };
        let archiver = if has_stopped { Archiver::stopped(&PALF, order) } else { Archiver::new(&PALF, order) };
        Self { archiver, number, term, goal, dest, clock, op: None }
    }

    /// False when another one has to take over: in another term, or when it has ended for a goal that is no longer
    /// wanted. What has stopped stays so as long as that is wanted, in later terms as well.
    pub fn is_good_for(&self, term: Option<Term>, goal: Goal) -> bool {
        match self.archiver.progress().map(|p| p.state) {
            Some(ArchiveLsState::Interrupted) => true,
            Some(ArchiveLsState::Stopped) => goal == Goal::Stop,
            Some(ArchiveLsState::Suspended) => goal == Goal::Suspend,
            Some(ArchiveLsState::Doing) | None => term == Some(self.term),
        }
    }
}

pub(super) fn goal(work: RoundWork) -> Goal {
    match work {
        RoundWork::Write => Goal::Write,
        RoundWork::Stop => Goal::Stop,
        RoundWork::Suspend => Goal::Suspend,
    }
}

/// What its worker reports; `None` before it has begun.
pub(super) fn archive_report((round_id, ls_id): WorkerKey, running: &Running) -> Option<ArchiveReport> {
    let progress = running.archiver.progress()?;
    Some(ArchiveReport {
        tenant_id: TENANT,
        ls_id,
        dest_id: running.dest,
        round_id,
        term: running.term,
        state: progress.state,
        piece_id: progress.piece,
        start_scn: running.clock.round_start,
        start_lsn: progress.start,
        archived_lsn: progress.archived,
        checkpoint_scn: progress.checkpoint,
        trouble: progress.trouble.as_ref().map(|(failure, _)| failure.clone()),
        requests: 0,
        gap: None,
        pieces: progress.pieces.iter().map(|(id, span)| (*id, piece(span))).collect(),
        trouble_since_ms: progress.trouble.as_ref().map_or(0, |(_, since)| *since),
    })
}

fn piece(span: &PieceSpan) -> LsPiece {
    let output_bytes = ARCHIVE_FILE_HEADER_BYTES + (span.end.0 - span.start.0);
    LsPiece { start_lsn: span.start, end_lsn: span.end, checkpoint_scn: span.checkpoint, output_bytes }
}

/// What holds up an archiver that has no progress to report.
pub(super) fn archive_waiting((round_id, ls_id): WorkerKey, running: &Running) -> Option<ArchiveWaiting> {
    let (failure, since_ms) = running.archiver.trouble().filter(|_| running.archiver.progress().is_none())?.clone();
    Some(ArchiveWaiting { tenant_id: TENANT, ls_id, round_id, trouble: Trouble { failure, since_ms } })
}
