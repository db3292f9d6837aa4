//! Archiving: which streams of which rounds are archived here, and what they report.
//!
//! The orders say everything: a driver runs for every ordered round of every log stream that this worker leads, and
//! for nothing else; a tenant with several destinations has a round, and a driver per stream, for each. A stream that
//! has stopped, paused or was interrupted keeps its last word until the order goes.

mod append_limit;
mod driver;
mod feed;
mod files;
mod keys;
mod memory;
mod opening;
mod ordered;
mod parts;
mod shown;
mod tidy;
mod trouble;

use crate::clock::WallClock;
use crate::task_ctx::MediumOpener;
use append_limit::AppendLimit;
use driver::{Driver, Wanted};
use feed::LogFeed;
use keys::Keys;
use memory::Memory;
use opening::Opening;
use ordered::Ordered;
use parking_lot::Mutex;
use shown::{Picture, Shown};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use strandline_engine_api::Engine;
use strandline_format::secret::round_salt;
use strandline_proto::{OnWire, v1};
use strandline_types::{ArchiveLsState, DestId, Failure, LsId, Lsn, PieceClock, PieceId, RoundId, Scn, TenantId, Term};
use strandline_worker_core::archiver::{ArchiveOrder, Archiver, Goal, KnownProgress, Progress};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// One log stream in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StreamKey {
    tenant: TenantId,
    ls: LsId,
    dest: DestId,
    round: RoundId,
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} d{}r{}", self.tenant, self.ls, self.dest, self.round)
    }
}

/// A log stream that this worker leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// Tenant.
    pub tenant: TenantId,
    /// Log stream.
    pub ls: LsId,
    /// In this term.
    pub term: Term,
}

#[derive(Debug)]
struct Running {
    term: Term,
    start_scn: Scn,
    wanted: watch::Sender<Wanted>,
    shown: Arc<Shown>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// How far behind one stream's archive is, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLag {
    /// Tenant.
    pub tenant: TenantId,
    /// Log stream.
    pub ls: LsId,
    /// Destination.
    pub dest: DestId,
    /// Log bytes that are committed and not durable on the medium: the local spool.
    pub bytes: u64,
    /// SCN time between the newest committed group and what is durable, in milliseconds.
    pub behind_ms: u64,
    /// How long something has held it up, in milliseconds; 0 = nothing does.
    pub trouble_ms: u64,
    /// Requests to the medium since this worker leads the stream.
    pub requests: u64,
}

/// The shared readers; each lives as long as one of its drivers does.
type Feeds = BTreeMap<(TenantId, LsId, Term), Weak<LogFeed>>;
/// The limits of the destinations; each lives as long as one of its drivers does.
type AppendLimits = BTreeMap<(TenantId, DestId), Weak<AppendLimit>>;

/// Every archiver of this worker.
pub struct ArchiveManager {
    engine: Arc<dyn Engine>,
    open_medium: MediumOpener,
    memory: Arc<Memory>,
    keys: Arc<Keys>,
    feeds: Mutex<Feeds>,
    append_limits: Mutex<AppendLimits>,
    clock: WallClock,
    report_due: Arc<Notify>,
    streams: Mutex<BTreeMap<StreamKey, Running>>,
    /// Streams whose orders are not understood, and since when.
    refused: Mutex<BTreeMap<StreamKey, (Failure, u64)>>,
}

impl fmt::Debug for ArchiveManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveManager").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl ArchiveManager {
    /// A manager without streams; `report_due` is notified whenever there is something to report.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, open_medium: MediumOpener, clock: WallClock, report_due: Arc<Notify>) -> Self {
        let (keys, feeds, append_limits, streams) =
            (Arc::default(), Mutex::default(), Mutex::default(), Mutex::default());
        let (memory, refused) = (Memory::new(), Mutex::default());
        Self { engine, open_medium, memory, keys, feeds, append_limits, clock, report_due, streams, refused }
    }

    /// Makes what runs here equal to the orders.
    pub fn reconcile(&self, rounds: &[v1::RoundOrder], led: &[Led]) {
        let mut streams = self.lock();
        let (mut ordered, mut refused) = (BTreeMap::new(), BTreeMap::new());
        for round in rounds {
            let understood = Ordered::read(round);
            for stream in led.iter().filter(|l| l.tenant.0 == round.tenant_id) {
                let (dest, round_id) = (DestId(round.dest_id), RoundId(round.round_id));
                let key = StreamKey { tenant: stream.tenant, ls: stream.ls, dest, round: round_id };
                match &understood {
                    Ok(order) => drop(ordered.insert(key, (round, *order, stream.term))),
                    Err(failure) => drop(refused.insert(key, failure.clone())),
                }
            }
        }
        let now_ms = self.clock.now_ms();
        self.refuse(refused, now_ms);
        streams.retain(|key, running| {
            let keep = ordered.get(key).is_some_and(|(_, order, term)| running.is_good_for(*term, order.goal, now_ms));
            if !keep {
                running.stop.cancel();
            }
            keep
        });
        for (key, (round, order, term)) in ordered {
            let wanted = wanted(round, order.goal, key.ls);
            self.append_limit(key, round.concurrency).set(round.concurrency);
            if let Some(running) = streams.get(&key) {
                running.wanted.send_if_modified(|w| {
                    let is_new = *w != wanted;
                    *w = wanted;
                    is_new
                });
            } else if let Some(running) = self.start(key, (round, order), term, wanted) {
                streams.insert(key, running);
            }
        }
    }

    /// Notes what is not understood; what was noted before keeps its time.
    fn refuse(&self, refused: BTreeMap<StreamKey, Failure>, now_ms: u64) {
        let mut noted = self.refused.lock();
        let since = |key: &StreamKey| noted.get(key).map_or(now_ms, |(_, since)| *since);
        let now = refused.into_iter().map(|(key, failure)| (key, (failure, since(&key)))).collect();
        *noted = now;
    }

    fn start(
        &self,
        key: StreamKey,
        (round, ordered): (&v1::RoundOrder, Ordered),
        term: Term,
        wanted: Wanted,
    ) -> Option<Running> {
        let feed = self.feed(key, term)?;
        let (order, has_stopped) = order(round, key.ls, &wanted);
        let (send, receive) = watch::channel(wanted);
        let (shown, stop) = (Arc::new(Shown::default()), CancellationToken::new());
        let log_format = self.engine.log_format();
        let opening = Opening {
            key,
            log_format,
            uri: round.dest_uri.clone(),
            owner: round.owner.map(Into::into).unwrap_or_default(),
            form: ordered.form,
            salt: round_salt(key.tenant, key.dest, key.round, order.clock.round_start),
            open_medium: Arc::clone(&self.open_medium),
            keys: Arc::clone(&self.keys),
            append_limit: self.append_limit(key, round.concurrency),
        };
        let driver = Driver {
            key,
            term,
            feed,
            opening,
            archiver: match has_stopped {
                true => Archiver::stopped(log_format, order),
                false => Archiver::new(log_format, order),
            },
            wanted: receive,
            stop: stop.clone(),
            share: self.memory.join(key.dest),
            clock: self.clock,
            shown: Arc::clone(&shown),
            report_due: Arc::clone(&self.report_due),
        };
        tracing::info!(stream = %key, %term, "archiving begins here");
        let task = tokio::spawn(driver.run());
        Some(Running { term, start_scn: order.clock.round_start, wanted: send, shown, stop, task })
    }

    /// The shared reader of a log stream.
    fn feed(&self, key: StreamKey, term: Term) -> Option<Arc<LogFeed>> {
        let mut feeds = self.feeds.lock();
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let name = (key.tenant, key.ls, term);
        if let Some(feed) = feeds.get(&name).and_then(Weak::upgrade) {
            return Some(feed);
        }
        let feed = LogFeed::new(self.engine.log_stream(key.tenant, key.ls)?);
        feeds.insert(name, Arc::downgrade(&feed));
        Some(feed)
    }

    /// The limit of a destination of a tenant.
    fn append_limit(&self, key: StreamKey, concurrency: u32) -> Arc<AppendLimit> {
        let mut append_limits = self.append_limits.lock();
        append_limits.retain(|_, append_limit| append_limit.strong_count() > 0);
        let name = (key.tenant, key.dest);
        append_limits.get(&name).and_then(Weak::upgrade).unwrap_or_else(|| {
            let append_limit = AppendLimit::new(concurrency);
            append_limits.insert(name, Arc::downgrade(&append_limit));
            append_limit
        })
    }

    /// What every stream reports.
    #[must_use]
    pub fn progress(&self) -> Vec<v1::ArchiveProgress> {
        let (streams, now_ms) = (self.lock(), self.clock.now_ms());
        let said = streams.iter().filter_map(|(key, running)| {
            let picture = running.shown.get(now_ms)?;
            let progress = picture.progress.clone()?;
            Some(report(*key, running, progress, &picture))
        });
        said.collect()
    }

    /// What holds up streams that have no progress to report yet.
    #[must_use]
    pub fn waiting(&self) -> Vec<v1::ArchiveWaiting> {
        let (streams, now_ms) = (self.lock(), self.clock.now_ms());
        let refused = self.refused.lock();
        let waiting = streams.iter().filter_map(|(key, running)| {
            let picture = running.shown.get(now_ms).filter(|p| p.progress.is_none())?;
            Some((*key, picture.trouble?))
        });
        let waiting = waiting.chain(refused.iter().map(|(key, trouble)| (*key, trouble.clone())));
        let message = |(key, (failure, since_ms)): (StreamKey, (Failure, u64))| v1::ArchiveWaiting {
            tenant_id: key.tenant.0,
            ls_id: key.ls.0,
            dest_id: key.dest.0,
            round_id: key.round.0,
            trouble: Some(failure.into()),
            since_ms,
        };
        waiting.map(message).collect()
    }

    /// How far behind every stream is.
    #[must_use]
    pub fn lags(&self) -> Vec<StreamLag> {
        let (streams, now_ms) = (self.lock(), self.clock.now_ms());
        let lags = streams.iter().filter_map(|(key, running)| {
            let picture = running.shown.get(now_ms)?;
            let (archived, covered) = picture.progress.map_or((0, Scn::MIN), |p| (p.archived.0, p.checkpoint));
            let log = picture.log;
            Some(StreamLag {
                tenant: key.tenant,
                ls: key.ls,
                dest: key.dest,
                bytes: log.end_lsn.0.saturating_sub(archived.max(log.log_start.0)),
                behind_ms: log.max_scn.0.saturating_sub(covered.0.max(running.start_scn.0)) / 1_000_000,
                trouble_ms: picture.trouble.map_or(0, |(_, since)| now_ms.saturating_sub(since).max(1)),
                requests: picture.requests,
            })
        });
        lags.collect()
    }

    /// Log bytes that all streams hold in memory now, and the most so far.
    #[must_use]
    pub fn memory(&self) -> (usize, usize) {
        self.memory.held()
    }

    /// Stops every driver; what is on the medium stays as it is.
    pub async fn shutdown(&self) {
        let streams = std::mem::take(&mut *self.lock());
        for running in streams.values() {
            running.stop.cancel();
        }
        for (_, running) in streams {
            // A driver that panicked has nothing left to stop.
            let _ = running.task.await;
        }
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<StreamKey, Running>> {
        self.streams.lock()
    }
}

impl Running {
    /// False when a new driver has to take over: another term, or one that ended for a goal that is no longer wanted.
    fn is_good_for(&self, term: Term, goal: Goal, now_ms: u64) -> bool {
        let ended = self.shown.get(now_ms).and_then(|p| p.progress).map(|p| p.state);
        match ended {
            Some(ArchiveLsState::Interrupted) => true,
            Some(ArchiveLsState::Stopped) => goal == Goal::Stop,
            Some(ArchiveLsState::Suspended) => goal == Goal::Suspend,
            Some(ArchiveLsState::Doing) | None => term == self.term && !self.task.is_finished(),
        }
    }
}

fn wanted(round: &v1::RoundOrder, goal: Goal, ls: LsId) -> Wanted {
    let resume = round.log_streams.iter().find(|l| l.ls_id == ls.0);
    Wanted {
        known_piece: resume.map_or(PieceId(round.base_piece_id), |l| PieceId(l.piece_id)),
        goal,
        lag_target_ms: round.lag_target_ms,
        access: round.access.clone(),
        key_source: round.key_source.clone(),
    }
}

/// The order for one stream, and whether it has stopped already under an earlier leader.
fn order(round: &v1::RoundOrder, ls: LsId, wanted: &Wanted) -> (ArchiveOrder, bool) {
    let resume = round.log_streams.iter().find(|l| l.ls_id == ls.0);
    let known = resume.map(|l| KnownProgress {
        piece: PieceId(l.piece_id),
        piece_start: Lsn(l.piece_start_lsn),
        start: Lsn(l.start_lsn),
        archived: Lsn(l.archived_lsn),
        checkpoint: Scn(l.checkpoint_scn),
    });
    let has_stopped = wanted.goal == Goal::Stop && resume.is_some_and(|l| l.stopped);
    let order = ArchiveOrder {
        goal: wanted.goal,
        clock: PieceClock {
            round_start: Scn(round.start_scn),
            base_piece: PieceId(round.base_piece_id),
            interval_ns: round.piece_interval_ns,
        },
        lag_target_ms: wanted.lag_target_ms,
        known,
    };
    (order, has_stopped)
}

fn report(key: StreamKey, running: &Running, progress: Progress, picture: &Picture) -> v1::ArchiveProgress {
    let gap = progress.gap.map(|gap| v1::LogGap {
        start_lsn: gap.start.0,
        end_lsn: gap.end.0,
        start_scn: gap.start_scn.0,
        end_scn: gap.end_scn.map_or(0, |scn| scn.0),
    });
    let pieces = progress.pieces.iter().map(|(piece, span)| v1::ArchivedPiece {
        piece_id: piece.0,
        start_lsn: span.start.0,
        end_lsn: span.end.0,
        checkpoint_scn: span.checkpoint.0,
        output_bytes: picture.stored.get(piece).copied().unwrap_or(0),
    });
    let (trouble, since) = progress.trouble.map_or((None, 0), |(failure, since)| (Some(failure.into()), since));
    v1::ArchiveProgress {
        tenant_id: key.tenant.0,
        ls_id: key.ls.0,
        dest_id: key.dest.0,
        round_id: key.round.0,
        term: running.term.0,
        state: progress.state.on_wire(),
        piece_id: progress.piece.0,
        start_scn: running.start_scn.0,
        start_lsn: progress.start.0,
        archived_lsn: progress.archived.0,
        checkpoint_scn: progress.checkpoint.0,
        trouble,
        trouble_since_ms: since,
        requests: picture.requests,
        gap,
        pieces: pieces.collect(),
    }
}
