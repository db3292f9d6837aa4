//! Archiver core: decides what one log stream's leader reads, compares and appends in one round.
//!
//! Sans-I/O: the driver asks [`Archiver::next`], does that one thing and answers. There is at most one thing under
//! way, so the order on the medium is the order here. Time and the end of the log come in as arguments.
//!
//! Order rules: *resume → stream → drain*. Nothing is appended before what the medium holds (length, groups) was
//! walked and compared with the local log, and made durable: its writer may have died between its write and its sync.
//! Progress moves only in [`Archiver::on_appended`], after the bytes are durable (freeze → flush → publish). A checkpoint
//! never completes a piece while a group of that piece may still come; and nothing is appended to a piece before the log
//! files of every earlier piece are sealed, so that a piece whose end the checkpoint has passed never changes again.
//! The core must never skip a group, never guess a base and never treat other bytes on the medium as its own: it stops
//! and says so, and begins again from what the medium holds.

mod cut;
mod dictionary;
pub mod parts;
mod pieces;
mod resume;
mod types;

pub use cut::{Cut, LogFile, cut};
pub use dictionary::dictionaries;
pub use pieces::PieceSpan;
pub use resume::FoundFile;
pub use types::{Action, ArchiveOrder, Gap, Goal, KnownProgress, LogView, Progress};

use bytes::Bytes;
use resume::{Resume, ResumeError, Resumed};
use std::collections::{BTreeMap, VecDeque};
use strandline_engine_api::{LogBase, LogDamage, LogFormat};
use strandline_types::limits::{
    ARCHIVE_BACKOFF_MS_FIRST, ARCHIVE_BACKOFF_MS_MAX, ARCHIVE_PAUSE_MS_MAX, ARCHIVE_READ_BYTES_MAX,
    ARCHIVE_UNIT_BYTES_MAX, READ_LOOKS_MAX,
};
use strandline_types::{ArchiveLsState, ErrorClass, Failure, Lsn, PieceClock, PieceId, Scn};

#[derive(Debug)]
enum Phase {
    /// Finding out where to go on.
    Resuming(Resume),
    /// Archiving.
    Streaming(Stream),
    /// Nothing more will be done.
    Ended,
}

/// A position with what is before it.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// The position.
    lsn: Lsn,
    /// Log before it; `None` only at the very first group.
    base: Option<LogBase>,
    /// File of the group before it.
    file: Option<LogFile>,
}

/// Where the appends stand.
#[derive(Debug)]
struct Stream {
    /// Everything before is durable.
    durable: Place,
    /// Cut and not durable yet, in order. Dropped on a failure: while a medium is down, no stream holds memory.
    cuts: VecDeque<Cut>,
    /// False until what an earlier leader wrote is known to be durable.
    is_proved: bool,
    /// When log was read last. What was committed since may wait for more from then on: a stream of small writes makes
    /// few appends, and the first write of an idle one goes at once.
    read_at_ms: u64,
    /// Where a drain ends; fixed when the order comes.
    drain_to: Option<Lsn>,
    /// The log files of every piece up to this one never grow again.
    sealed: Option<PieceId>,
    /// The newest file was sealed by an earlier leader: under a stop order, that was the drain.
    is_drained: bool,
}

/// The archiver of one log stream in one round, on its leader.
#[derive(Debug)]
pub struct Archiver {
    format: &'static dyn LogFormat,
    order: ArchiveOrder,
    phase: Phase,
    progress: Progress,
    /// True once `progress` tells of the medium, not only of the order.
    is_resumed: bool,
    failures: u32,
    retry_at_ms: u64,
}

impl Archiver {
    /// Begins, or goes on where an earlier leader stopped, as far as the medium holds log. `format` is that of the log
    /// stream.
    #[must_use]
    pub fn new(format: &'static dyn LogFormat, order: ArchiveOrder) -> Self {
        let progress = Progress {
            state: ArchiveLsState::Doing,
            piece: order.known.map_or(order.clock.base_piece, |k| k.piece),
            start: order.known.map_or(Lsn::ZERO, |k| k.start),
            archived: order.known.map_or(Lsn::ZERO, |k| k.archived),
            checkpoint: Scn::MIN,
            pieces: BTreeMap::new(),
            trouble: None,
            gap: None,
        };
        let phase = Phase::Resuming(Resume::new(format, order.clock, order.known));
        Self { format, order, phase, progress, is_resumed: false, failures: 0, retry_at_ms: 0 }
    }

    /// The stream has drained in this round, under this leader or an earlier one: it is not written any more.
    #[must_use]
    pub fn stopped(format: &'static dyn LogFormat, order: ArchiveOrder) -> Self {
        let mut archiver = Self::new(format, order);
        archiver.progress.checkpoint = order.known.map_or(Scn::MIN, |k| k.checkpoint);
        archiver.progress.state = ArchiveLsState::Stopped;
        archiver.phase = Phase::Ended;
        archiver
    }

    /// Something changed that may end a trouble: a new key, another access. The pause is over.
    pub fn retry_now(&mut self) {
        self.retry_at_ms = 0;
    }

    /// The scheduler knows this piece as the newest: nothing has to be told of earlier ones any more.
    pub fn pieces_known(&mut self, newest: PieceId) {
        self.progress.pieces.retain(|piece, _| *piece >= newest);
    }

    /// Takes a newer order of the same round.
    pub fn set_order(&mut self, goal: Goal, lag_target_ms: u64) {
        if let (Phase::Streaming(s), true) = (&mut self.phase, goal != self.order.goal) {
            s.drain_to = None;
        }
        self.order.goal = goal;
        self.order.lag_target_ms = lag_target_ms;
    }

    /// What may be reported now; `None` until the medium was looked at. A report fixes where the round begins for this
    /// stream: trouble before that is known cannot be reported as progress.
    #[must_use]
    pub fn progress(&self) -> Option<&Progress> {
        let is_in_known_trouble = self.order.known.is_some() && self.progress.trouble.is_some();
        let is_ended = matches!(self.phase, Phase::Ended);
        (self.is_resumed || is_in_known_trouble || is_ended).then_some(&self.progress)
    }

    /// What holds the stream up and since when, reported as progress or not.
    #[must_use]
    pub fn trouble(&self) -> Option<&(Failure, u64)> {
        self.progress.trouble.as_ref()
    }

    /// True while log waits that nothing but the medium holds up: reading ahead pays.
    #[must_use]
    pub fn reads_next(&self, log: LogView) -> Option<(Lsn, usize)> {
        let Phase::Streaming(s) = &self.phase else { return None };
        let from = s.cuts.back()?.range.end;
        let waiting = log.end.0.checked_sub(from.0)?;
        (waiting >= ARCHIVE_READ_BYTES_MAX as u64).then(|| (from, unit_bytes(waiting)))
    }

    /// What to do now.
    pub fn next(&mut self, now_ms: u64, log: LogView) -> Action {
        if now_ms < self.retry_at_ms && !matches!(self.phase, Phase::Ended) {
            return Action::Wait { until_ms: Some(self.retry_at_ms) };
        }
        match &mut self.phase {
            Phase::Ended => Action::Done,
            // Nothing was ever logged: nothing to drain.
            Phase::Resuming(_) if self.order.goal != Goal::Write && log.end <= log.start => {
                if self.order.known.is_none() {
                    (self.progress.start, self.progress.archived) = (log.start, log.start);
                }
                self.ended()
            }
            Phase::Resuming(resume) => match resume.next(log) {
                Ok(action) => action,
                Err(ResumeError::Recycled { needed, log_start }) => {
                    self.on_recycled(now_ms, needed, log_start, None);
                    Action::Done
                }
                Err(ResumeError::Failure(failure)) => {
                    self.on_failed(now_ms, failure, None);
                    Action::Wait { until_ms: Some(self.retry_at_ms) }
                }
            },
            Phase::Streaming(_) => self.next_of_stream(now_ms, log),
        }
    }

    fn next_of_stream(&mut self, now_ms: u64, log: LogView) -> Action {
        let (goal, hold_ms) = (self.order.goal, self.order.lag_target_ms / 4);
        let Phase::Streaming(s) = &mut self.phase else { return Action::Done };
        if let Some(through) = s.must_be_sealed(self.order.clock.base_piece) {
            // Sealing needs memory of its own: no stream holds log while it waits for that.
            s.cuts.retain(|cut| cut.bytes.is_empty());
            s.read_at_ms = 0;
            return Action::Seal { through };
        }
        if let Some(cut) = s.cuts.front() {
            return Action::Append(cut.clone());
        }
        let next = s.durable.lsn;
        let drain_to = match goal {
            Goal::Write => None,
            Goal::Stop if s.is_drained => Some(next),
            Goal::Stop | Goal::Suspend => Some(*s.drain_to.get_or_insert(log.end)),
        };
        if drain_to.is_some_and(|end| next >= end) {
            let unsealed = s.durable.file.map(|f| f.piece).filter(|piece| s.sealed.is_none_or(|done| done < *piece));
            return match (goal, unsealed) {
                // A pause may end within the same piece; a stopped round never goes on.
                (Goal::Stop, Some(through)) => Action::Seal { through },
                _ => self.ended(),
            };
        }
        if log.end <= next {
            return Action::Wait { until_ms: None };
        }
        let due_ms = s.read_at_ms.saturating_add(hold_ms);
        let waiting = log.end.0 - next.0;
        let is_full = waiting >= ARCHIVE_READ_BYTES_MAX as u64 || log.end >= next.block_end();
        if drain_to.is_none() && !is_full && now_ms < due_ms {
            return Action::Wait { until_ms: Some(due_ms) };
        }
        Action::ReadLog { from: next, max_bytes: unit_bytes(waiting) }
    }

    fn ended(&mut self) -> Action {
        let is_stop = self.order.goal == Goal::Stop;
        self.progress.state = if is_stop { ArchiveLsState::Stopped } else { ArchiveLsState::Suspended };
        self.phase = Phase::Ended;
        Action::Done
    }

    /// Answer to [`Action::Seal`]: the log files of every piece up to `through` never grow again.
    pub fn on_sealed(&mut self, through: PieceId) {
        let Phase::Streaming(s) = &mut self.phase else { return };
        s.sealed = s.sealed.max(Some(through));
        self.recovered();
    }

    /// Answer to [`Action::List`]: every file of the stream in the round from that piece on.
    pub fn on_listed(&mut self, now_ms: u64, files: Vec<FoundFile>) {
        if let Phase::Resuming(resume) = &mut self.phase {
            let outcome = resume.on_listed(files);
            self.resumed(now_ms, outcome);
        }
    }

    /// Answer to [`Action::ReadFile`]: exactly those bytes.
    pub fn on_file(&mut self, now_ms: u64, bytes: Bytes) {
        if let Phase::Resuming(resume) = &mut self.phase {
            let outcome = resume.on_file(bytes);
            self.resumed(now_ms, outcome);
        }
    }

    /// Answer to [`Action::ReadLog`]: whole groups at `from`; empty when nothing is committed there.
    pub fn on_log(&mut self, now_ms: u64, from: Lsn, bytes: Bytes) {
        match &mut self.phase {
            Phase::Resuming(resume) => {
                let outcome = resume.on_log(from, &bytes);
                self.resumed(now_ms, outcome);
            }
            Phase::Streaming(s) if s.durable.lsn == from && s.cuts.is_empty() => {
                match cut(self.format, &self.order.clock, s.durable.file, from, s.durable.base, &bytes) {
                    Ok(cuts) => {
                        s.read_at_ms = now_ms;
                        s.cuts.extend(cuts);
                    }
                    Err(e) => self.on_failed(now_ms, local_log_damaged(e), None),
                }
            }
            Phase::Streaming(_) | Phase::Ended => {}
        }
    }

    /// The local log does not reach back to what the round needs: the round is interrupted for good, and the gap is on
    /// record. `first` is the SCN of the first group that is still there.
    pub fn on_recycled(&mut self, now_ms: u64, needed: Lsn, log_start: Lsn, first: Option<Scn>) {
        let known = self.order.known.map_or(self.order.clock.round_start, |k| k.checkpoint);
        let before = match &self.phase {
            Phase::Streaming(s) => s.durable.base.map(|base| base.scn),
            Phase::Resuming(_) if self.is_resumed => Some(self.progress.checkpoint),
            Phase::Resuming(_) | Phase::Ended => None,
        };
        self.progress.gap =
            Some(Gap { start: needed, end: log_start, start_scn: before.unwrap_or(known), end_scn: first });
        self.progress.checkpoint = self.progress.checkpoint.max(self.order.known.map_or(Scn::MIN, |k| k.checkpoint));
        self.progress.state = ArchiveLsState::Interrupted;
        self.progress.trouble = Some((recycled(needed, log_start), now_ms));
        self.phase = Phase::Ended;
    }

    /// What is needed next of the local log: the medium, or memory, has everything before the second position, and the
    /// medium everything before the first. `None` until the medium was looked at: an earlier leader may have written more
    /// than is known.
    #[must_use]
    pub fn needs(&self) -> Option<(Lsn, Lsn)> {
        match &self.phase {
            Phase::Streaming(s) => Some((s.durable.lsn, s.cuts.back().map_or(s.durable.lsn, |cut| cut.range.end))),
            Phase::Resuming(_) if self.is_resumed => Some((self.progress.archived, self.progress.archived)),
            Phase::Resuming(_) | Phase::Ended => None,
        }
    }

    /// The medium was opened anew: nothing that was known of its files counts, and the round goes on from what it holds.
    pub fn begin_anew(&mut self) {
        if matches!(self.phase, Phase::Ended) {
            return;
        }
        let known = self.is_resumed.then_some(KnownProgress {
            piece: self.progress.piece,
            piece_start: self.piece_start(),
            start: self.progress.start,
            archived: self.progress.archived,
            checkpoint: self.progress.checkpoint,
        });
        self.phase = Phase::Resuming(Resume::new(self.format, self.order.clock, known.or(self.order.known)));
    }

    /// The append under way is durable.
    pub fn on_appended(&mut self) {
        let Phase::Streaming(s) = &mut self.phase else { return };
        let Some(done) = s.cuts.pop_front() else { return };
        s.durable = Place { lsn: done.range.end, base: Some(done.base_after), file: Some(done.file) };
        s.is_proved = true;
        self.is_resumed = true;
        self.progress.archived = done.range.end;
        self.progress.piece = done.file.piece;
        pieces::extend(&mut self.progress.pieces, &done);
        self.progress.checkpoint = self.progress.checkpoint.max(covered(&self.order.clock, done.base_after.scn));
        self.recovered();
    }

    /// The action under way failed. What may pass by itself is tried again later; anything else begins anew from what
    /// the medium holds, and stays visible meanwhile. Bytes of the medium that are not right are soon read again at first:
    /// one answer may have been wrong. `retry_after_ms` is what the medium asked for.
    pub fn on_failed(&mut self, now_ms: u64, failure: Failure, retry_after_ms: Option<u64>) {
        let passes = matches!(
            failure.class,
            ErrorClass::Transient | ErrorClass::Exhausted | ErrorClass::Permission | ErrorClass::NotFound
        );
        let is_first_look = matches!(self.phase, Phase::Resuming(_))
            && matches!(failure.class, ErrorClass::Corrupt | ErrorClass::Fenced)
            && self.failures < READ_LOOKS_MAX;
        let pause = if passes || is_first_look { backoff_ms(self.failures) } else { ARCHIVE_PAUSE_MS_MAX };
        self.failures = self.failures.saturating_add(1);
        self.retry_at_ms = now_ms + pause.max(retry_after_ms.unwrap_or(0).min(ARCHIVE_PAUSE_MS_MAX));
        let since = self.progress.trouble.as_ref().map_or(now_ms, |(_, since)| *since);
        self.progress.trouble = Some((failure, since));
        if let (true, Phase::Streaming(s @ Stream { is_proved: true, .. })) = (passes, &mut self.phase) {
            s.cuts.clear();
            s.read_at_ms = 0;
        } else {
            self.begin_anew();
        }
    }

    fn resumed(&mut self, now_ms: u64, outcome: Result<Option<Resumed>, Failure>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(at)) => {
                self.progress.start = at.start;
                // Pieces before the ones that were looked at stay as they were.
                self.progress.pieces.extend(at.pieces);
                let there = at.file.zip(at.base).map(|(file, base)| Cut::nothing_after(file, base));
                if there.is_none() {
                    self.progress.archived = at.next;
                    self.is_resumed = true;
                    self.recovered();
                }
                self.phase = Phase::Streaming(Stream {
                    durable: Place { lsn: at.next, base: at.base, file: at.file },
                    is_proved: there.is_none(),
                    cuts: there.into_iter().collect(),
                    // How long the log beyond has waited is not known.
                    read_at_ms: 0,
                    drain_to: None,
                    sealed: None,
                    is_drained: at.is_sealed,
                });
            }
            Err(failure) => self.on_failed(now_ms, failure, None),
        }
    }

    /// First position of the stream in its newest piece.
    fn piece_start(&self) -> Lsn {
        self.progress.pieces.get(&self.progress.piece).map_or(self.progress.start, |span| span.start)
    }

    fn recovered(&mut self) {
        self.progress.trouble = None;
        self.failures = 0;
        self.retry_at_ms = 0;
    }
}

impl Stream {
    /// The last piece whose log files have to be sealed before the next append, if they are not.
    fn must_be_sealed(&self, base_piece: PieceId) -> Option<PieceId> {
        let piece = self.cuts.front()?.file.piece;
        let before = PieceId(piece.0.checked_sub(1)?);
        (before >= base_piece && self.sealed.is_none_or(|done| done < before)).then_some(before)
    }
}

/// The original's number for "not enough log".
const CODE_LOG_RECYCLED: i32 = -4018;

/// One read: small while little waits, large while the archive catches up.
fn unit_bytes(waiting: u64) -> usize {
    let is_behind = waiting >= 2 * ARCHIVE_READ_BYTES_MAX as u64;
    if is_behind { ARCHIVE_UNIT_BYTES_MAX } else { ARCHIVE_READ_BYTES_MAX }
}

/// What a durable log up to a group of `max_scn` covers. Groups without an SCN of their own repeat that of the group
/// before: while one with the last SCN of a piece may still come, the piece is not complete.
fn covered(clock: &PieceClock, max_scn: Scn) -> Scn {
    let last_of_piece = clock.range(clock.piece_of(max_scn)).end.prev();
    if max_scn == last_of_piece { max_scn.prev() } else { max_scn }
}

fn backoff_ms(failures: u32) -> u64 {
    (ARCHIVE_BACKOFF_MS_FIRST << failures.min(16)).min(ARCHIVE_BACKOFF_MS_MAX)
}

fn recycled(needed: Lsn, log_start: Lsn) -> Failure {
    Failure::new(
        ErrorClass::NotFound,
        format!("log from {needed} on was recycled before it was archived, the local log begins at {log_start}"),
        format!("log position {needed}"),
        "stop the round, start a new one and take a full backup; BINDING = MANDATORY avoids it",
    )
    .with_code(CODE_LOG_RECYCLED)
}

fn local_log_damaged(error: LogDamage) -> Failure {
    let object = format!("local log at {}", error.lsn);
    let todo = "this replica's log is damaged: move the leadership and rebuild the replica";
    Failure::new(ErrorClass::Corrupt, error.to_string(), object, todo)
}

#[cfg(test)]
mod tests;
