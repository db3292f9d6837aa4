//! One task per log stream and round: does what the archiver core decides, one thing at a time.
//!
//! It lives on the stream's leader only and stops at once when the leadership, the term or the order goes; the next
//! leader finds everything on the medium. Order rules: log is read within the worker's memory budget and the budget is
//! given back when the appends are durable or dropped; progress is published after the core has seen the outcome.

use super::StreamKey;
use super::files::RoundFiles;
use crate::clock::WallClock;
use crate::source::{LogStatus, LogStream, SourceError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strandline_media::Medium;
use strandline_types::{Failure, LsId, Lsn, Term};
use strandline_worker_core::archiver::{Action, Archiver, Goal, LogView, Progress};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// Leadership and orders are looked at this often even when nothing happens.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The changeable part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub goal: Goal,
    pub lag_target_ms: u64,
}

/// What the driver shows to the rest of the worker.
#[derive(Debug, Default)]
pub(super) struct Shown {
    progress: Mutex<Option<(Progress, LogStatus)>>,
}

impl Shown {
    /// The last progress, with the log as it was then.
    pub(super) fn get(&self) -> Option<(Progress, LogStatus)> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows progress; `true` when it is news for the scheduler.
    fn set(&self, progress: &Progress, log: LogStatus) -> bool {
        let mut shown = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = shown.as_ref().is_none_or(|(p, _)| p != progress);
        *shown = Some((progress.clone(), log));
        is_news
    }
}

/// Everything that a driver is given.
pub(super) struct Driver {
    pub key: StreamKey,
    pub term: Term,
    pub source: Arc<dyn LogStream>,
    /// The destination, or why it cannot be opened.
    pub medium: Result<Arc<dyn Medium>, Failure>,
    pub archiver: Archiver,
    pub wanted: watch::Receiver<Wanted>,
    pub stop: CancellationToken,
    pub memory: Arc<Semaphore>,
    pub clock: WallClock,
    pub shown: Arc<Shown>,
    pub news: Arc<Notify>,
}

/// The driver at work.
struct Work {
    driver: Driver,
    files: Result<RoundFiles, Failure>,
    /// Budget of the log that is cut and not durable yet.
    held: Option<OwnedSemaphorePermit>,
}

impl Driver {
    /// Runs until the stream's part in the round is over here.
    pub(super) async fn run(self) {
        let stop = self.stop.clone();
        let files = self.medium.clone().map(|medium| RoundFiles::new(self.key, medium));
        let mut work = Work { driver: self, files, held: None };
        // Dropping the work in the middle of an append is harmless: whoever goes on writes the same bytes there.
        tokio::select! {
            () = stop.cancelled() => {}
            () = work.run() => {}
        }
    }
}

impl Work {
    async fn run(&mut self) {
        loop {
            let log = self.driver.source.log_status();
            if !log.is_leader || log.term != self.driver.term {
                return;
            }
            let wanted = *self.driver.wanted.borrow_and_update();
            self.driver.archiver.set_order(wanted.goal, wanted.lag_target_ms);
            let view = LogView { start: log.log_start, end: log.end_lsn };
            let action = self.driver.archiver.next(self.driver.clock.now_ms(), view);
            if !matches!(action, Action::Append(_)) {
                self.held = None;
            }
            self.publish(log);
            match action {
                Action::Done => return,
                Action::Wait { until_ms } => self.wait(until_ms, log.end_lsn).await,
                action => {
                    if let Err(failure) = self.act(action).await {
                        tracing::warn!(stream = %self.driver.key, %failure, "archiving is held up");
                        self.driver.archiver.on_failed(self.driver.clock.now_ms(), failure);
                    }
                }
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), Failure> {
        let files = self.files.as_mut().map_err(|failure| failure.clone())?;
        let (archiver, clock) = (&mut self.driver.archiver, self.driver.clock);
        match action {
            Action::List { from } => {
                let found = files.list(from).await?;
                archiver.on_listed(clock.now_ms(), found);
            }
            Action::ReadFile { piece, file_id, range } => {
                let bytes = files.read(piece, file_id, range).await?;
                archiver.on_file(clock.now_ms(), bytes);
            }
            Action::ReadLog { from, max_bytes } => return self.read_log(from, max_bytes).await,
            Action::Append(cut) => {
                // What is only made durable may lie in a piece that is frozen by now.
                if self.driver.key.ls == LsId::SYS
                    && !cut.bytes.is_empty()
                    && let Some(dictionary) = self.driver.source.dictionary()
                {
                    files.put_dictionary(cut.file.piece, &dictionary).await?;
                }
                files.append(&cut).await?;
                let (tenant, ls) = (self.driver.key.tenant.to_string(), self.driver.key.ls.to_string());
                metrics::counter!("strandline_archive_bytes_total", "tenant" => tenant, "ls" => ls)
                    .increment(cut.range.bytes());
                archiver.on_appended();
            }
            Action::Wait { .. } | Action::Done => {}
        }
        Ok(())
    }

    async fn read_log(&mut self, from: Lsn, max_bytes: usize) -> Result<(), Failure> {
        let budget = Arc::clone(&self.driver.memory);
        let bytes = u32::try_from(max_bytes).unwrap_or(u32::MAX);
        // The budget is never closed; without it log is read all the same.
        self.held = budget.acquire_many_owned(bytes).await.ok();
        let read = self.driver.source.read_committed(from, max_bytes).await;
        let now = self.driver.clock.now_ms();
        match read {
            Ok(log) => self.driver.archiver.on_log(now, from, log.bytes),
            Err(SourceError::Recycled { log_start, .. }) => self.driver.archiver.on_recycled(now, from, log_start),
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Waits for time, log or another order, whichever is asked for and comes first.
    async fn wait(&mut self, until_ms: Option<u64>, end: Lsn) {
        let Driver { source, wanted, clock, .. } = &mut self.driver;
        let pause = until_ms.map(|until| Duration::from_millis(until.saturating_sub(clock.now_ms())));
        tokio::select! {
            () = tokio::time::sleep(pause.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)) => {}
            // More log changes nothing while a time is waited for.
            () = source.wait_for_log_after(end), if until_ms.is_none() => {}
            _ = wanted.changed() => {}
        }
    }

    fn publish(&self, log: LogStatus) {
        if let Some(progress) = self.driver.archiver.progress()
            && self.driver.shown.set(progress, log)
        {
            self.driver.news.notify_one();
        }
    }
}
