//! Archiving: which streams of which rounds are archived here, and what they report.
//!
//! The orders are the whole wish: a driver runs for every ordered round of every log stream that this worker leads, and
//! for nothing else. A stream that has stopped, paused or was interrupted keeps its last word until the order goes.

mod driver;
mod files;

use crate::clock::WallClock;
use crate::source::Engine;
use crate::task_ctx::MediumOpener;
use driver::{Driver, Shown, Wanted};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use strandline_proto::{archive_state_number, v1};
use strandline_types::limits::ARCHIVE_MEMORY_BYTES_MAX;
use strandline_types::{ArchiveLsState, DestId, LsId, Lsn, PieceClock, PieceId, RoundId, Scn, TenantId, Term};
use strandline_worker_core::archiver::{ArchiveOrder, Archiver, Goal, KnownProgress, Progress};
use tokio::sync::{Notify, Semaphore, watch};
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
    /// Log bytes that are committed and not durable on the medium.
    pub bytes: u64,
    /// True while something holds it up.
    pub is_in_trouble: bool,
}

/// Every archiver of this worker.
pub struct ArchiveManager {
    engine: Arc<dyn Engine>,
    open_medium: MediumOpener,
    memory: Arc<Semaphore>,
    clock: WallClock,
    news: Arc<Notify>,
    streams: Mutex<BTreeMap<StreamKey, Running>>,
}

impl fmt::Debug for ArchiveManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchiveManager").field("streams", &self.streams).finish_non_exhaustive()
    }
}

impl ArchiveManager {
    /// A manager without streams; `news` is notified whenever there is something to report.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, open_medium: MediumOpener, clock: WallClock, news: Arc<Notify>) -> Self {
        let memory = Arc::new(Semaphore::new(ARCHIVE_MEMORY_BYTES_MAX));
        Self { engine, open_medium, memory, clock, news, streams: Mutex::default() }
    }

    /// Makes what runs here equal to the orders.
    pub fn reconcile(&self, rounds: &[v1::RoundOrder], led: &[Led]) {
        let mut streams = self.lock();
        let mut wished = BTreeMap::new();
        for round in rounds {
            for stream in led.iter().filter(|l| l.tenant.0 == round.tenant_id) {
                let (dest, round_id) = (DestId(round.dest_id), RoundId(round.round_id));
                let key = StreamKey { tenant: stream.tenant, ls: stream.ls, dest, round: round_id };
                wished.insert(key, (round, stream.term));
            }
        }
        streams.retain(|key, running| {
            let keep = wished.get(key).is_some_and(|(round, term)| running.is_good_for(*term, goal(round)));
            if !keep {
                running.stop.cancel();
            }
            keep
        });
        for (key, (round, term)) in wished {
            let wanted = Wanted { goal: goal(round), lag_target_ms: round.lag_target_ms };
            if let Some(running) = streams.get(&key) {
                running.wanted.send_if_modified(|w| std::mem::replace(w, wanted) != wanted);
            } else if let Some(running) = self.start(key, round, term, wanted) {
                streams.insert(key, running);
            }
        }
    }

    fn start(&self, key: StreamKey, round: &v1::RoundOrder, term: Term, wanted: Wanted) -> Option<Running> {
        let source = self.engine.log_stream(key.tenant, key.ls)?;
        let order = order(round, key.ls, wanted);
        let (send, receive) = watch::channel(wanted);
        let (shown, stop) = (Arc::new(Shown::default()), CancellationToken::new());
        let driver = Driver {
            key,
            term,
            source,
            medium: (self.open_medium)(&round.dest_uri, &round.access),
            archiver: Archiver::new(order),
            wanted: receive,
            stop: stop.clone(),
            memory: Arc::clone(&self.memory),
            clock: self.clock,
            shown: Arc::clone(&shown),
            news: Arc::clone(&self.news),
        };
        tracing::info!(stream = %key, %term, "archiving begins here");
        let task = tokio::spawn(driver.run());
        Some(Running { term, start_scn: order.clock.round_start, wanted: send, shown, stop, task })
    }

    /// What every stream reports.
    #[must_use]
    pub fn progress(&self) -> Vec<v1::ArchiveProgress> {
        let streams = self.lock();
        let said = streams.iter().filter_map(|(key, running)| {
            let (progress, _) = running.shown.get()?;
            Some(report(*key, running, progress))
        });
        said.collect()
    }

    /// How far behind every stream is.
    #[must_use]
    pub fn lags(&self) -> Vec<StreamLag> {
        let streams = self.lock();
        let lags = streams.iter().filter_map(|(key, running)| {
            let (progress, log) = running.shown.get()?;
            let bytes = log.end_lsn.0.saturating_sub(progress.archived.0);
            Some(StreamLag { tenant: key.tenant, ls: key.ls, bytes, is_in_trouble: progress.trouble.is_some() })
        });
        lags.collect()
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

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<StreamKey, Running>> {
        // Entries are inserted and removed whole: a poisoned map is still good.
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// False when a new driver has to take over: another term, or one that ended for a goal that is no longer wanted.
    fn is_good_for(&self, term: Term, goal: Goal) -> bool {
        let ended = self.shown.get().map(|(progress, _)| progress.state);
        match ended {
            Some(ArchiveLsState::Interrupted) => true,
            Some(ArchiveLsState::Stopped) => goal == Goal::Stop,
            Some(ArchiveLsState::Suspended) => goal == Goal::Suspend,
            Some(ArchiveLsState::Doing) | None => term == self.term && !self.task.is_finished(),
        }
    }
}

fn goal(round: &v1::RoundOrder) -> Goal {
    match round.state {
        2 => Goal::Stop,
        3 => Goal::Suspend,
        _ => Goal::Write,
    }
}

fn order(round: &v1::RoundOrder, ls: LsId, wanted: Wanted) -> ArchiveOrder {
    let known = round.log_streams.iter().find(|l| l.ls_id == ls.0).map(|l| KnownProgress {
        piece: PieceId(l.piece_id),
        start: Lsn(l.start_lsn),
        archived: Lsn(l.archived_lsn),
    });
    ArchiveOrder {
        goal: wanted.goal,
        clock: PieceClock {
            round_start: Scn(round.start_scn),
            base_piece: PieceId(round.base_piece_id),
            interval_ns: round.piece_interval_ns,
        },
        lag_target_ms: wanted.lag_target_ms,
        known,
    }
}

fn report(key: StreamKey, running: &Running, progress: Progress) -> v1::ArchiveProgress {
    let archived_bytes = progress.archived.0 - progress.start.0;
    let (trouble, since) = progress.trouble.map_or((None, 0), |(failure, since)| (Some(failure.into()), since));
    v1::ArchiveProgress {
        tenant_id: key.tenant.0,
        ls_id: key.ls.0,
        dest_id: key.dest.0,
        round_id: key.round.0,
        term: running.term.0,
        state: archive_state_number(progress.state),
        piece_id: progress.piece.0,
        start_scn: running.start_scn.0,
        start_lsn: progress.start.0,
        archived_lsn: progress.archived.0,
        checkpoint_scn: progress.checkpoint.0,
        // Archive files hold the log as it is; their headers are not counted.
        input_bytes: archived_bytes,
        output_bytes: archived_bytes,
        trouble,
        trouble_since_ms: since,
        ..Default::default()
    }
}
