//! One task per log stream and destination: does what the archiver core decides, one thing at a time.
//!
//! It lives on the stream's leader only and stops at once when the leadership, the term or the order goes; the next
//! leader finds everything on the medium. Order rules: log is read within the worker's memory budget and the budget is
//! given back when the appends are durable or dropped; who waits for memory holds none; progress is published after the
//! core has seen the outcome. Parts are merged beside the appends, never in their way. Whether the local log still has
//! what is needed next is looked at all the time, also while the medium does not answer: what is lost is told when it is.

use super::StreamKey;
use super::feed::{LogFeed, Stretch};
use super::files::RoundFiles;
use super::memory::Share;
use super::opening::Opening;
use super::shown::Shown;
use super::trouble::Trouble;
use crate::clock::WallClock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strandline_engine_api::{LogStatus, LogStream, SourceError};
use strandline_types::{ErrorClass, LsId, Lsn, PieceId, Term};
use strandline_worker_core::archiver::{Action, Archiver, Cut, Goal, LogView, Progress};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Leadership and orders are looked at this often even when nothing happens.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Merging that failed is tried again after this.
const TIDY_AGAIN_MS: u64 = 5_000;

/// The changeable part of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub goal: Goal,
    pub lag_target_ms: u64,
    /// Access parameters of the destination.
    pub access: String,
    /// Where the key of an encrypted archive comes from.
    pub key_source: String,
    /// The newest piece of the stream that the scheduler knows.
    pub known_piece: PieceId,
}

/// Everything that a driver is given.
pub(super) struct Driver {
    pub key: StreamKey,
    pub term: Term,
    pub feed: Arc<LogFeed>,
    pub opening: Opening,
    pub archiver: Archiver,
    pub wanted: watch::Receiver<Wanted>,
    pub stop: CancellationToken,
    pub share: Share,
    pub clock: WallClock,
    pub shown: Arc<Shown>,
    pub report_due: Arc<Notify>,
}

/// The driver at work.
struct Work {
    driver: Driver,
    /// What it was opened with last.
    opened_as: Wanted,
    files: Option<RoundFiles>,
    /// Log that is cut and not durable yet.
    held: Option<Stretch>,
    /// Log that was read while the medium worked.
    ahead: Option<Stretch>,
    /// Merging in the background, and how to hurry it.
    tidying: Option<(JoinHandle<()>, CancellationToken)>,
    tidy_after_ms: u64,
}

impl Driver {
    /// Runs until the stream's part in the round is over here.
    pub(super) async fn run(mut self) {
        let stop = self.stop.clone();
        let opened_as = self.wanted.borrow_and_update().clone();
        let (files, held, ahead, tidying) = (None, None, None, None);
        let mut work = Work { driver: self, opened_as, files, held, ahead, tidying, tidy_after_ms: 0 };
        // Dropping the work in the middle of an append is harmless: the next writer writes the same bytes there.
        tokio::select! {
            () = stop.cancelled() => {}
            () = work.run() => {}
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.driver.feed.leave(self.driver.key.dest);
        if let Some((tidying, _)) = &self.tidying {
            tidying.abort();
        }
    }
}

impl Work {
    async fn run(&mut self) {
        loop {
            let log = self.driver.feed.source().log_status();
            if !log.is_leader || log.term != self.driver.term {
                return;
            }
            self.take_order();
            let view = LogView { start: log.log_start, end: log.end_lsn };
            if let Some((from, _)) = self.driver.archiver.needs().filter(|(_, next)| *next < view.start) {
                self.lost(from, view.start).await;
            }
            let action = self.driver.archiver.next(self.driver.clock.now_ms(), view);
            if !matches!(action, Action::Append(_)) {
                self.held = None;
            }
            self.publish(log);
            match action {
                Action::Done => return,
                Action::Wait { until_ms } => {
                    self.ahead = None;
                    self.wait(until_ms, log.end_lsn).await;
                }
                action => {
                    let asks_medium = !matches!(action, Action::ReadLog { .. });
                    self.driver.shown.asks(asks_medium.then(|| self.driver.clock.now_ms()));
                    let is_lost = loses(Arc::clone(self.driver.feed.source()), self.driver.archiver.needs());
                    // A medium that hangs is no reason not to tell what is lost meanwhile.
                    let done = tokio::select! {
                        done = self.act_or_tell(action, view) => done,
                        () = is_lost => Ok(()),
                    };
                    self.driver.shown.asks(None);
                    if let Err(trouble) = done {
                        self.failed(trouble);
                    }
                }
            }
            self.tidy();
        }
    }

    fn take_order(&mut self) {
        let wanted = self.driver.wanted.borrow_and_update().clone();
        self.driver.archiver.set_order(wanted.goal, wanted.lag_target_ms);
        if wanted.known_piece != self.opened_as.known_piece {
            self.driver.archiver.pieces_known(wanted.known_piece);
            if let Some(files) = &mut self.files {
                files.forget_before(wanted.known_piece);
            }
        }
        if (&wanted.access, &wanted.key_source) != (&self.opened_as.access, &self.opened_as.key_source) {
            // Other keys of the same destination: what is known of it stays.
            match self.driver.opening.medium(&wanted.access) {
                Ok(medium) => {
                    if let Some(files) = &mut self.files {
                        files.set_medium(medium);
                    }
                    self.driver.archiver.retry_now();
                }
                Err(failure) => self.failed(failure.into()),
            }
        }
        self.opened_as = wanted;
    }

    fn failed(&mut self, trouble: Trouble) {
        let Trouble { failure, retry_after_ms } = trouble;
        tracing::warn!(stream = %self.driver.key, %failure, "archiving is held up");
        let may_be_the_key = failure.class == ErrorClass::Permission && self.driver.opening.is_encrypted();
        self.held = None;
        self.ahead = None;
        self.driver.archiver.on_failed(self.driver.clock.now_ms(), failure, retry_after_ms);
        if may_be_the_key {
            self.reopen_with_another_key();
        }
    }

    /// The key may have been put right meanwhile: it is read again, and everything that was opened with it is opened anew.
    fn reopen_with_another_key(&mut self) {
        self.driver.opening.forget_key(&self.opened_as.key_source);
        if let Some((tidying, _)) = self.tidying.take() {
            tidying.abort();
        }
        self.files = None;
        self.driver.archiver.begin_anew();
    }

    /// The local log begins behind what the round needs: the rest of it is in no archive.
    async fn lost(&mut self, from: Lsn, log_start: Lsn) {
        let Driver { feed, archiver, clock, opening, .. } = &mut self.driver;
        let first = feed.source().read_committed(log_start, 1).await.ok();
        let first = first.and_then(|log| opening.log_format.group(&log.bytes, log.start, None).ok().flatten());
        let first = first.map(|group| group.scn());
        archiver.on_recycled(clock.now_ms(), from, log_start, first);
        (self.held, self.ahead) = (None, None);
    }

    /// Acts. What looks like missing or other log because the destination is away, is told as that.
    async fn act_or_tell(&mut self, action: Action, log: LogView) -> Result<(), Trouble> {
        match (self.act(action, log).await, &self.files) {
            (Err(trouble), Some(files)) => Err(files.told(trouble).await),
            (done, _) => done,
        }
    }

    async fn act(&mut self, action: Action, log: LogView) -> Result<(), Trouble> {
        if self.files.is_none() {
            self.files = Some(self.driver.opening.open(&self.opened_as).await?);
        }
        let Some(files) = self.files.as_mut() else { return Ok(()) };
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
            Action::Append(cut) => return self.append(&cut, log).await,
            Action::Seal { through } => {
                self.ahead = None;
                if let Some((tidying, hurry)) = self.tidying.take() {
                    // What it could not do is done here, or fails here.
                    hurry.cancel();
                    let _ = tidying.await;
                }
                files.seal(through, &self.driver.share).await?;
                archiver.on_sealed(through);
            }
            Action::Wait { .. } | Action::Done => {}
        }
        Ok(())
    }

    /// Appends, and reads the next log meanwhile when there is much of it.
    async fn append(&mut self, cut: &Cut, log: LogView) -> Result<(), Trouble> {
        let Driver { key, feed, archiver, share, .. } = &mut self.driver;
        let Some(files) = self.files.as_mut() else { return Ok(()) };
        // What is only made durable may lie in a piece that is frozen by now.
        if key.ls == LsId::SYS && !cut.bytes.is_empty() {
            files.put_dictionaries(cut, feed.source().dictionary()).await?;
        }
        let next = archiver.reads_next(log).filter(|_| self.ahead.is_none());
        let read_ahead = async {
            match next {
                Some((from, max_bytes)) => feed.read_ahead(key.dest, share, from, max_bytes).await,
                None => None,
            }
        };
        let (appended, ahead) = tokio::join!(files.append(cut, share), read_ahead);
        self.ahead = ahead.or(self.ahead.take());
        appended?;
        let labels = [("tenant", key.tenant.to_string()), ("ls", key.ls.to_string()), ("dest", key.dest.to_string())];
        metrics::counter!("strandline_archive_bytes_total", &labels).increment(cut.range.bytes());
        archiver.on_appended();
        Ok(())
    }

    async fn read_log(&mut self, from: Lsn, max_bytes: usize) -> Result<(), Trouble> {
        if let Some(ahead) = self.ahead.take().filter(|a| a.start == from) {
            self.driver.archiver.on_log(self.driver.clock.now_ms(), from, ahead.bytes.clone());
            self.held = Some(ahead);
            return Ok(());
        }
        let Driver { key, feed, archiver, share, clock, .. } = &mut self.driver;
        match feed.read(key.dest, share, from, max_bytes).await {
            Ok(stretch) => {
                archiver.on_log(clock.now_ms(), from, stretch.bytes.clone());
                self.held = Some(stretch);
            }
            Err(SourceError::Recycled { log_start, .. }) => self.lost(from, log_start).await,
            Err(other) => return Err(other.into()),
        }
        Ok(())
    }

    /// Starts merging and sealing where there is something to do and no task does it.
    fn tidy(&mut self) {
        let Some(parts) = self.files.as_ref().and_then(RoundFiles::parts) else { return };
        let now_ms = self.driver.clock.now_ms();
        let is_busy = self.tidying.as_ref().is_some_and(|(t, _)| !t.is_finished());
        if is_busy || now_ms < self.tidy_after_ms || !parts.is_untidy() {
            return;
        }
        self.tidy_after_ms = now_ms + TIDY_AGAIN_MS / 10;
        let (parts, share, key) = (Arc::clone(parts), self.driver.share.again(), self.driver.key);
        let hurry = CancellationToken::new();
        let hurried = hurry.clone();
        let task = tokio::spawn(async move {
            if let Err(trouble) = parts.tidy(&share, &hurried).await {
                tracing::warn!(stream = %key, failure = %trouble.failure, "parts of log files are not merged for now");
                let pause = Duration::from_millis(TIDY_AGAIN_MS);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = hurried.cancelled() => {}
                }
            }
        });
        self.tidying = Some((task, hurry));
    }

    /// Waits for time, log or another order, whichever is asked for and comes first.
    async fn wait(&mut self, until_ms: Option<u64>, end: Lsn) {
        let Driver { feed, wanted, clock, .. } = &mut self.driver;
        let pause = until_ms.map(|until| Duration::from_millis(until.saturating_sub(clock.now_ms())));
        tokio::select! {
            () = tokio::time::sleep(pause.unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN)) => {}
            // More log changes nothing while a time is waited for.
            () = feed.source().wait_for_log_after(end), if until_ms.is_none() => {}
            _ = wanted.changed() => {}
        }
    }

    fn publish(&self, log: LogStatus) {
        let archiver = &self.driver.archiver;
        let (mut requests, mut stored) = (0, BTreeMap::new());
        if let Some(files) = &self.files {
            requests = files.requests();
            let pieces = archiver.progress().into_iter().flat_map(|p| p.pieces.keys());
            stored.extend(pieces.map(|piece| (*piece, files.stored(*piece))));
        }
        let damage = self.files.as_ref().and_then(RoundFiles::parts).and_then(|p| p.damage(self.driver.clock.now_ms()));
        let trouble = archiver.trouble().cloned().or(damage);
        let progress = archiver.progress().cloned().map(|p| Progress { trouble: trouble.clone(), ..p });
        if self.driver.shown.set(progress, trouble, log, (requests, stored)) {
            self.driver.report_due.notify_one();
        }
    }
}

/// Comes back when the local log begins behind what is needed next of it.
async fn loses(source: Arc<dyn LogStream>, needs: Option<(Lsn, Lsn)>) {
    let Some((_, next)) = needs else { return std::future::pending().await };
    while source.log_status().log_start <= next {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
