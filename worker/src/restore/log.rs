//! `RESTORE_LOG`: replays the archive of a source log stream into a restored one, on its leader.
//!
//! Reads ahead, proposes in LSN order with a bounded number of batches waiting for their commit, and stops at the
//! target. Re-entrant: the replayed position lies in the restored log stream itself, and a batch that does not start
//! there is refused by it. Never proposes into an open tenant; never says *done* before a group at or beyond the
//! target was seen and everything up to it is applied.

use super::follow;
use crate::task_ctx::{TaskCtx, cancelled};
use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, StreamExt};
use futures::{FutureExt, TryFutureExt};
use std::collections::VecDeque;
use std::sync::Arc;
use strandline_engine_api::{ReplayBatch, Replayed, RestoreTarget, SourceError};
use strandline_media::Looks;
use strandline_media::key_source::read_secret;
use strandline_proto::TaskKey;
use strandline_proto::v1::{RestoreLogResult, RestoreLogSpec, RestorePiece};
use strandline_reader::{Keys, LogGroup, LogReader, LogSource, later_pieces};
use strandline_types::limits::REPLAY_BATCHES_IN_FLIGHT_MAX;
use strandline_types::{DestId, ErrorClass, Failure, LsId, Lsn, PalfBase, PieceId, PieceKey, RoundId, Scn};
use strandline_worker_core::replay::{Fed, ReplayCore, SourceGroup};

/// Runs the task.
///
/// # Errors
/// `Transient` when leadership moved (the next leader goes on where this one stopped); `NotFound` or `Corrupt` with
/// the object for log that is missing or damaged; `Invalid` when clients may write to the tenant already.
pub async fn run_restore_log(ctx: &TaskCtx, spec: &RestoreLogSpec, id: TaskKey) -> Result<RestoreLogResult, Failure> {
    let target = ctx.engine.restore_target(id.tenant_id, id.ls_id, id.job_id);
    if target.is_open() {
        let object = format!("log stream {}/{}", id.tenant_id, id.ls_id);
        return Err(Failure::new(ErrorClass::Invalid, "the restored tenant is open already", object, ""));
    }
    tokio::select! {
        done = follow::run(ctx, target, spec) => done,
        () = ctx.cancel.cancelled() => Err(cancelled()),
    }
}

/// Where replayed log goes.
#[async_trait]
pub(super) trait LogSink: Send + Sync {
    /// How far source log is applied; `None` before the first batch.
    async fn replayed(&self) -> Result<Option<Replayed>, SourceError>;

    /// Takes the next batch; the future that comes back completes when it is applied.
    async fn append(&self, batch: ReplayBatch) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError>;
}

/// A restored log stream.
pub(super) struct TargetSink(pub(super) Arc<dyn RestoreTarget>);

#[async_trait]
impl LogSink for TargetSink {
    async fn replayed(&self) -> Result<Option<Replayed>, SourceError> {
        self.0.replayed().await
    }

    async fn append(&self, batch: ReplayBatch) -> Result<BoxFuture<'static, Result<(), SourceError>>, SourceError> {
        self.0.append_replayed(batch).await
    }
}

/// How a replay ended that did not fail.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: RestoreLogResult,
    /// `None` = the target is reached; else the failure of a replay that ends here.
    pub(super) missing: Option<Failure>,
}

/// Replays what the archive holds now, up to the target.
pub(super) async fn replay(
    ctx: &TaskCtx,
    target: &Arc<dyn LogSink>,
    spec: &RestoreLogSpec,
) -> Result<Outcome, Failure> {
    let base = PalfBase::from(spec.base.unwrap_or_default());
    let target_scn = Scn(spec.target_scn);
    let replayed = target.replayed().await?;
    let (start, start_scn) = replayed.map_or((base.lsn, base.prev_scn), |r| (r.lsn, r.scn));
    let mut core = ReplayCore::new(ctx.engine.log_format(), start, start_scn, target_scn);
    if core.has_reached_target() {
        return Ok(Outcome { result: result(&core, base), missing: None });
    }
    let (ls, keys) = (LsId(spec.source_ls_id), Arc::new(keys(&spec.key_source).await?));
    let mut known_base = (start == base.lsn).then_some(base);
    let mut sources = VecDeque::from([sources(ctx, spec)?]);
    let mut proposals = Proposals::new(Arc::clone(target));
    let (mut last_object, mut has_looked_further, looks) = (String::new(), false, Looks::default());
    let (mut all, mut looked) = (sources.clone(), 1);
    while let Some(pieces) = sources.pop_front() {
        let last_piece = pieces.last().cloned();
        let at = core.position();
        let mut reader = LogReader::open(pieces, ls, at, known_base, Arc::clone(&keys)).await?;
        if reader.end() > at || last_object.is_empty() {
            last_object = reader.last_object();
        }
        ctx.progress.set_total(ctx.progress.done() + (reader.end().0 - at.0));
        replay_pieces(ctx, &mut reader, &mut core, &mut proposals, spec).await?;
        known_base = reader.base().filter(|base| base.lsn == core.position());
        if core.has_reached_target() {
            break;
        }
        // The stream may have been silent over the chosen pieces; one after the other, the next of its groups is found.
        // A standby needs no look: later orders bring it the pieces, and it asks too often to list them each time.
        let may_look = !spec.follow && !std::mem::replace(&mut has_looked_further, true);
        if let Some(last) = last_piece.filter(|_| may_look) {
            sources.extend(later_pieces(&last).await?.into_iter().map(|piece| vec![piece]));
            all.extend(sources.iter().cloned());
        }
        // A listing that was taken while parts are merged may end early: one is not enough to say that log is missing.
        if sources.is_empty() && !spec.follow && looked < looks.most {
            looks.pause(looked).await;
            looked += 1;
            sources.extend(all.clone());
        }
    }
    while let Some(batch) = core.take_rest() {
        proposals.push(batch).await?;
    }
    proposals.drain().await?;
    ctx.progress.set_total(ctx.progress.done());
    let missing = (!core.has_reached_target()).then(|| ends_too_early(&core, target_scn, last_object));
    Ok(Outcome { result: result(&core, base), missing })
}

/// Feeds everything that these pieces hold, up to the target.
async fn replay_pieces(
    ctx: &TaskCtx,
    reader: &mut LogReader,
    core: &mut ReplayCore,
    proposals: &mut Proposals,
    spec: &RestoreLogSpec,
) -> Result<(), Failure> {
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
    Ok(())
}

/// Every piece with the archive that holds it, each opened with its own attributes and keys.
fn sources(ctx: &TaskCtx, spec: &RestoreLogSpec) -> Result<Vec<LogSource>, Failure> {
    let first = (&spec.archive_uri, &spec.access, &spec.pieces);
    let more = spec.more.iter().map(|log| (&log.archive_uri, &log.access, &log.pieces));
    let mut sources = Vec::new();
    for (uri, access, pieces) in [first].into_iter().chain(more).filter(|(_, _, pieces)| !pieces.is_empty()) {
        let medium = ctx.medium_with(uri, access)?;
        sources.extend(pieces.iter().map(|p| LogSource { medium: Arc::clone(&medium), piece: piece_key(p) }));
    }
    Ok(sources)
}

/// The secret of an encrypted archive, when there is one.
pub(crate) async fn keys(key_source: &str) -> Result<Keys, Failure> {
    if key_source.is_empty() {
        return Ok(Keys::none());
    }
    Ok(Keys::new([read_secret(key_source).await?]))
}

fn source_group(group: LogGroup) -> SourceGroup {
    SourceGroup { range: group.range, scn: group.header.max_scn, entries: group.entries }
}

/// Batches that wait for their commit, in order, never more than the bound.
struct Proposals {
    target: Arc<dyn LogSink>,
    waiting: FuturesOrdered<BoxFuture<'static, Result<u64, SourceError>>>,
}

impl Proposals {
    fn new(target: Arc<dyn LogSink>) -> Self {
        Self { target, waiting: FuturesOrdered::new() }
    }

    async fn push(&mut self, batch: ReplayBatch) -> Result<(), Failure> {
        while self.waiting.len() >= REPLAY_BATCHES_IN_FLIGHT_MAX {
            self.wait_for_oldest().await?;
        }
        let bytes = batch.end.0 - batch.start.0;
        let applied = self.target.append(batch).await?;
        self.waiting.push_back(applied.map_ok(move |()| bytes).boxed());
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
            Some(applied) => {
                metrics::counter!("strandline_replayed_bytes_total").increment(applied?);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

fn result(core: &ReplayCore, base: PalfBase) -> RestoreLogResult {
    // The position of the last group, not the target: the scheduler waits for a leader that reports at least this, and
    // a replica only knows the groups that there were.
    RestoreLogResult { replayed_scn: core.scn().0, replayed_bytes: core.position().0.saturating_sub(base.lsn.0) }
}

fn piece_key(piece: &RestorePiece) -> PieceKey {
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
