//! `RESTORE_LOG`: replays the archive of a source log stream into a restored one, on its leader.
//!
//! Reads ahead, proposes in LSN order with a bounded number of batches waiting for their commit, and stops at the
//! target. Re-entrant: the replayed position lies in the restored log stream itself, and a batch that does not start
//! there is refused by it. Never proposes into an open tenant; never says *done* before a group at or beyond the
//! target was seen and everything up to it is applied.

use crate::source::{ReplayBatch, RestoreTarget, SourceError};
use crate::task_ctx::{TaskCtx, cancelled};
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use std::sync::Arc;
use strandline_proto::TaskKey;
use strandline_proto::v1::{RestoreLogResult, RestoreLogSpec};
use strandline_reader::{Keys, LogGroup, LogReader, LogSource};
use strandline_types::limits::REPLAY_BATCHES_IN_FLIGHT_MAX;
use strandline_types::{DestId, ErrorClass, Failure, LsId, Lsn, PalfBase, PieceId, PieceKey, RoundId, Scn};
use strandline_worker_core::replay::{Fed, ReplayCore, SourceGroup};

/// Runs the task.
///
/// # Errors
/// `Transient` when leadership moved (the next leader goes on where this one stopped); `NotFound` or `Corrupt` with
/// the object for log that is missing or damaged; `Invalid` when the tenant is open already.
pub async fn run_restore_log(ctx: &TaskCtx, spec: &RestoreLogSpec, id: TaskKey) -> Result<RestoreLogResult, Failure> {
    let target = ctx.engine.restore_target(id.tenant_id, id.ls_id, id.job_id);
    if target.is_open() {
        let object = format!("log stream {}/{}", id.tenant_id, id.ls_id);
        return Err(Failure::new(ErrorClass::Invalid, "the restored tenant is open already", object, ""));
    }
    tokio::select! {
        done = replay(ctx, &target, spec) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

async fn replay(
    ctx: &TaskCtx,
    target: &Arc<dyn RestoreTarget>,
    spec: &RestoreLogSpec,
) -> Result<RestoreLogResult, Failure> {
    let base = PalfBase::from(spec.base.unwrap_or_default());
    let target_scn = Scn(spec.target_scn);
    let replayed = target.replayed().await?;
    let (start, start_scn) = replayed.map_or((base.lsn, base.prev_scn), |r| (r.lsn, r.scn));
    let mut core = ReplayCore::new(start, start_scn, target_scn);
    if core.has_reached_target() {
        return Ok(result(&core, base));
    }
    let medium = ctx.medium(&spec.archive_uri)?;
    let source = |piece| LogSource { medium: Arc::clone(&medium), piece: piece_key(piece) };
    let sources = spec.pieces.iter().map(source).collect();
    let known_base = (start == base.lsn).then_some(base);
    let (ls, keys) = (LsId(spec.source_ls_id), Arc::new(Keys::none()));
    let mut reader = LogReader::open(sources, ls, start, known_base, keys).await?;
    ctx.progress.set_total(reader.end().0 - start.0);

    let mut proposals = Proposals::new(Arc::clone(target));
    while !core.has_reached_target() {
        let Some(groups) = reader.next_groups().await? else { break };
        let before = core.position();
        for group in groups {
            let fed = core.feed(&source_group(group)).map_err(|e| source_failure(&e.to_string(), spec))?;
            if fed == Fed::Beyond {
                break;
            }
            if let Some(batch) = core.take_full_batch() {
                proposals.push(batch).await?;
            }
        }
        ctx.progress.add_done(core.position().0 - before.0);
    }
    if let Some(batch) = core.take_rest() {
        proposals.push(batch).await?;
    }
    proposals.drain().await?;
    if !core.has_reached_target() {
        return Err(ends_too_early(&core, target_scn, reader.last_object()));
    }
    ctx.progress.set_total(ctx.progress.done());
    Ok(result(&core, base))
}

fn source_group(group: LogGroup) -> SourceGroup {
    SourceGroup { range: group.range, scn: group.header.max_scn, entries: group.entries }
}

/// Batches that wait for their commit, in order, never more than the bound.
struct Proposals {
    target: Arc<dyn RestoreTarget>,
    waiting: FuturesOrdered<BoxFuture<'static, Result<(), SourceError>>>,
}

impl Proposals {
    fn new(target: Arc<dyn RestoreTarget>) -> Self {
        Self { target, waiting: FuturesOrdered::new() }
    }

    async fn push(&mut self, batch: ReplayBatch) -> Result<(), Failure> {
        while self.waiting.len() >= REPLAY_BATCHES_IN_FLIGHT_MAX {
            self.wait_for_oldest().await?;
        }
        self.waiting.push_back(self.target.append_replayed(batch).await?);
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), Failure> {
        while !self.waiting.is_empty() {
            self.wait_for_oldest().await?;
        }
        Ok(())
    }

    async fn wait_for_oldest(&mut self) -> Result<(), Failure> {
        match self.waiting.next().await {
            Some(applied) => Ok(applied?),
            None => Ok(()),
        }
    }
}

fn result(core: &ReplayCore, base: PalfBase) -> RestoreLogResult {
    // The position of the last group, not the target: the scheduler waits for a leader that reports at least this, and
    // a replica only knows the groups that there were.
    RestoreLogResult { replayed_scn: core.scn().0, replayed_bytes: core.position().0.saturating_sub(base.lsn.0) }
}

fn piece_key(piece: &strandline_proto::v1::RestorePiece) -> PieceKey {
    PieceKey { dest_id: DestId(piece.dest_id), round_id: RoundId(piece.round_id), piece_id: PieceId(piece.piece_id) }
}

fn source_failure(what: &str, spec: &RestoreLogSpec) -> Failure {
    let object = format!("{} log stream {}", spec.archive_uri, spec.source_ls_id);
    Failure::new(ErrorClass::Corrupt, what, object, "use another copy of the destination")
}

fn ends_too_early(core: &ReplayCore, target_scn: Scn, object: String) -> Failure {
    let position: Lsn = core.position();
    Failure::new(
        ErrorClass::NotFound,
        format!("the archive ends at lsn {position}, scn {}, before the target scn {target_scn}", core.scn()),
        object,
        format!("restore up to scn {} or earlier, or bring the missing log back", core.scn()),
    )
}
