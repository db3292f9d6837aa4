//! The memory of all archivers of one worker: a fair budget over destinations (`worker/core`), with waiting; and whose
//! turn it is to merge parts, which takes much of it.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_types::DestId;
use strandline_types::limits::{ARCHIVE_MEMORY_BYTES_MAX, ARCHIVE_MERGES_AT_ONCE_MAX};
use strandline_worker_core::budget::{Budget, Ticket};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// The budget.
#[derive(Debug)]
pub(super) struct Memory {
    inner: Mutex<Inner>,
    merging: Semaphore,
}

#[derive(Debug)]
struct Inner {
    budget: Budget<DestId>,
    waiting: BTreeMap<Ticket, oneshot::Sender<()>>,
    peak: usize,
}

impl Memory {
    pub(super) fn new() -> Arc<Self> {
        let budget = Budget::new(ARCHIVE_MEMORY_BYTES_MAX);
        let inner = Mutex::new(Inner { budget, waiting: BTreeMap::new(), peak: 0 });
        Arc::new(Self { inner, merging: Semaphore::new(ARCHIVE_MERGES_AT_ONCE_MAX) })
    }

    /// A destination with a stream that archives into it has a share of the budget.
    pub(super) fn join(self: &Arc<Self>, dest: DestId) -> Share {
        self.lock().budget.join(dest);
        Share { memory: Arc::clone(self), dest }
    }

    /// Bytes held now, and the most so far.
    pub(super) fn held(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.budget.held(), inner.peak)
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    fn grant(&mut self) {
        for ticket in self.budget.grant() {
            if let Some(waiter) = self.waiting.remove(&ticket) {
                // A waiter that is gone gives back what it got when its `Held` is dropped.
                let _ = waiter.send(());
            }
        }
        self.peak = self.peak.max(self.budget.held());
    }
}

/// One stream's handle of its destination's share.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<Memory>,
    dest: DestId,
}

impl Share {
    /// Another handle of the same share.
    pub(super) fn again(&self) -> Self {
        self.memory.join(self.dest)
    }

    /// Waits until this stream may merge in the background. Merges of all streams at once would leave no memory, and no
    /// room at the medium, for log that has just been written.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.memory.merging.acquire().await.ok()
    }

    /// Waits for `bytes`. A caller that waits may hold no other memory of the budget.
    pub(super) async fn take(&self, bytes: usize) -> Held {
        let (held, granted) = self.ask(bytes);
        // The sender is dropped only together with the budget.
        let _ = granted.await;
        held
    }

    /// `bytes` if they are there at once.
    pub(super) fn try_take(&self, bytes: usize) -> Option<Held> {
        let (held, mut granted) = self.ask(bytes);
        granted.try_recv().ok().map(|()| held)
    }

    fn ask(&self, bytes: usize) -> (Held, oneshot::Receiver<()>) {
        let (send, receive) = oneshot::channel();
        let mut inner = self.memory.lock();
        let ticket = inner.budget.ask(self.dest, bytes);
        inner.waiting.insert(ticket, send);
        inner.grant();
        (Held { memory: Arc::clone(&self.memory), dest: self.dest, ticket, bytes }, receive)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut inner = self.memory.lock();
        inner.budget.leave(self.dest);
        inner.grant();
    }
}

/// Memory that is held, or waited for, until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    memory: Arc<Memory>,
    dest: DestId,
    ticket: Ticket,
    bytes: usize,
}

impl Held {
    /// Gives back what is more than `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: usize) {
        if let Some(more) = self.bytes.checked_sub(bytes).filter(|more| *more > 0) {
            let mut inner = self.memory.lock();
            inner.budget.give_back(self.dest, more);
            self.bytes = bytes;
            inner.grant();
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = self.memory.lock();
        if inner.waiting.remove(&self.ticket).is_some() {
            inner.budget.cancel(self.ticket);
        } else {
            inner.budget.give_back(self.dest, self.bytes);
        }
        inner.grant();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const HALF: usize = ARCHIVE_MEMORY_BYTES_MAX / 2;

    #[tokio::test]
    async fn who_waits_gets_what_another_one_gives_back_and_a_waiter_that_leaves_takes_nothing() {
        let memory = Memory::new();
        let share = memory.join(DestId(1));
        let mut first = share.take(HALF).await;
        let second = share.take(HALF).await;
        assert!(share.try_take(1).is_none());
        assert!(share.take(HALF).now_or_never().is_none(), "it waited and left");
        first.shrink_to(HALF - 1);
        assert!(share.try_take(1).is_some());
        drop((first, second));
        assert_eq!(memory.held(), (0, 2 * HALF));
    }

    #[tokio::test]
    async fn streams_take_turns_in_merging() {
        let memory = Memory::new();
        let (one, other) = (memory.join(DestId(1)), memory.join(DestId(2)));
        let turn = one.turn().await;
        assert!(other.turn().now_or_never().is_none());
        drop(turn);
        assert!(other.turn().now_or_never().flatten().is_some());
    }
}
