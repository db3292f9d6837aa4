//! Group commit for the Raft logs: a fixed number of threads flush the logs of all groups of a node. One flush
//! answers every append that was submitted before it began.
//!
//! A group is in the queue at most once, so the queue is as long as the node has groups. Answers of one group are
//! given in the order of its appends. If a flush fails, every answer that it covers gets the error, and openraft
//! stops the group. The pool itself does not remember the failure.

use crate::formed::FormedMark;
use crate::log::EntryLog;
use crate::raft_types::IoFlushed;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// One group's place in the pool.
pub(crate) struct SyncTarget {
    log: Arc<dyn EntryLog>,
    mark: Arc<FormedMark>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    answers: Vec<IoFlushed>,
    queued: bool,
}

impl SyncTarget {
    pub(crate) fn new(log: Arc<dyn EntryLog>, mark: Arc<FormedMark>) -> Arc<Self> {
        Arc::new(Self { log, mark, waiting: Mutex::default() })
    }

    /// Makes what was appended durable, and that there ever was something.
    fn flush(&self) -> io::Result<()> {
        self.log.sync()?;
        if self.mark.is_set() || self.log.state()?.last.is_none() { Ok(()) } else { self.mark.set() }
    }
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<SyncTarget>>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
}

/// The threads. Dropping the pool lets them finish what is queued and waits for their end: they hold the last handles
/// on logs, and a store that is closed while the process already exits takes the process down with it.
pub(crate) struct SyncPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl SyncPool {
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let mut pool = Self { shared: Arc::default(), threads: Vec::new() };
        for n in 0..threads.max(1) {
            let shared = pool.shared.clone();
            let thread = thread::Builder::new().name(format!("log-sync-{n}")).spawn(move || run(&shared))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// `answer` is given once everything that was appended to the group before this call is durable.
    pub(crate) fn submit(&self, target: &Arc<SyncTarget>, answer: IoFlushed) {
        let mut waiting = target.waiting.lock();
        waiting.answers.push(answer);
        if !waiting.queued {
            waiting.queued = true;
            self.shared.push(target.clone());
        }
    }
}

impl Drop for SyncPool {
    fn drop(&mut self) {
        self.shared.queue.lock().closed = true;
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that drops the pool with its last handle cannot wait for itself. A panic was reported already.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn push(&self, target: Arc<SyncTarget>) {
        self.queue.lock().ready.push_back(target);
        self.wake.notify_one();
    }

    /// The next group to flush; `None` once the pool is closed and nothing waits.
    fn next(&self) -> Option<Arc<SyncTarget>> {
        let mut queue = self.queue.lock();
        loop {
            if let Some(target) = queue.ready.pop_front() {
                return Some(target);
            }
            if queue.closed {
                return None;
            }
            self.wake.wait(&mut queue);
        }
    }
}

fn run(shared: &Shared) {
    while let Some(target) = shared.next() {
        // Taken before the flush: what is appended during it waits for the next one.
        let answers = std::mem::take(&mut target.waiting.lock().answers);
        let outcome = target.flush();
        for answer in answers {
            answer.io_completed(outcome.as_ref().copied().map_err(|e| io::Error::new(e.kind(), e.to_string())));
        }
        let mut waiting = target.waiting.lock();
        if waiting.answers.is_empty() {
            waiting.queued = false;
        } else {
            shared.push(target.clone());
        }
    }
}
