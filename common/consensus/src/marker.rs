//! Keeps the mark of a log close behind what is durable, on a thread of its own: no append waits for it.
//!
//! After a flush the mark follows within [`MARK_EVERY`], also when nothing more is appended; a log that is closed is marked
//! exactly. What the mark cannot tell is thus at most what was flushed in the last tenth of a second before a power cut.

use crate::boot::BootId;
use crate::durable_mark::{Mark, MarkFile};
use crate::types::LogPos;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The mark is written at most this often.
const MARK_EVERY: Duration = Duration::from_millis(100);

/// The mark of one log.
#[derive(Debug)]
pub(crate) struct Marker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    file: MarkFile,
    durable: Option<LogPos>,
    marked: Option<LogPos>,
    /// Counts the cuts: a flush that began before one says nothing after it.
    cuts: u64,
    /// Damage was found: the mark stays as it is until somebody knows.
    is_damaged: bool,
    is_closed: bool,
}

/// What a flush that begins now may say when it has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    last: Option<LogPos>,
    cuts: u64,
}

impl Marker {
    /// Goes on with a file whose mark is `marked`.
    pub(crate) fn start(file: MarkFile, marked: &Mark) -> io::Result<Self> {
        let (durable, is_damaged) = (marked.durable, marked.is_damaged);
        let state = State { file, durable, marked: durable, cuts: 0, is_damaged, is_closed: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), wake: Condvar::new() });
        let for_thread = shared.clone();
        let thread = std::thread::Builder::new().name("log-mark".to_owned()).spawn(move || run(&for_thread))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Before a flush: `last` is the last entry.
    pub(crate) fn before_flush(&self, last: Option<LogPos>) -> Before {
        Before { last, cuts: self.shared.lock().cuts }
    }

    /// The flush has ended well.
    pub(crate) fn flushed(&self, before: Before) {
        let mut state = self.shared.lock();
        if state.cuts == before.cuts && before.last > state.durable {
            state.durable = before.last;
            self.shared.wake.notify_one();
        }
    }

    /// Everything after `pos` is about to be removed. Nothing more is written of it when this returns.
    pub(crate) fn cut_to(&self, pos: Option<LogPos>) -> io::Result<()> {
        let mut state = self.shared.lock();
        state.cuts += 1;
        state.durable = state.durable.min(pos);
        if state.marked > pos { state.write(pos) } else { Ok(()) }
    }

    /// The loss is known: what is durable now is all that there is.
    pub(crate) fn begin_anew(&self, durable: Option<LogPos>) -> io::Result<()> {
        let mut state = self.shared.lock();
        let was = std::mem::replace(&mut state.is_damaged, false);
        let written = state.write(durable);
        state.is_damaged = was && written.is_err();
        state.durable = durable;
        written
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of it was reported already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    fn write(&mut self, durable: Option<LogPos>) -> io::Result<()> {
        if self.is_damaged {
            return Ok(());
        }
        self.file.store(&Mark { durable, boot: BootId::now(), is_damaged: false })?;
        self.marked = durable;
        Ok(())
    }

    /// A mark that is not written only says less.
    fn follow(&mut self) {
        if self.durable > self.marked
            && let Err(error) = self.write(self.durable)
        {
            tracing::debug!(%error, "the mark of the log was not written");
        }
    }
}

fn run(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        state.follow();
        if state.is_closed {
            return;
        }
        // Longer pauses are those of a log to which nothing is appended.
        shared.wake.wait_while(&mut state, |s| !s.is_closed && s.durable <= s.marked);
        shared.wake.wait_while_for(&mut state, |s| !s.is_closed, MARK_EVERY);
    }
}
