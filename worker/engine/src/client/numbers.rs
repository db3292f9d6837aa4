//! The numbers of a client's requests: what makes one the same request when it is sent again.
//!
//! Per log stream a client waits for the answers of at most a window of requests, counted from the oldest one.

use crate::sessions::{SessionId, WriteId, WriteIdentity};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeSet, HashMap};
use strandline_types::LsId;
use strandline_types::limits::WRITE_SESSION_WINDOW;
use tokio::sync::Notify;

/// The session of one client.
#[derive(Debug)]
pub(super) struct Numbers {
    session: SessionId,
    streams: Mutex<HashMap<LsId, Stream>>,
    ended: Notify,
}

/// Requests to one log stream.
#[derive(Debug, Default)]
struct Stream {
    /// The highest number that was given.
    last: u64,
    /// Those that wait for their answer.
    open: BTreeSet<u64>,
}

/// One request that waits for its answer: dropping it says that nobody waits any more.
#[derive(Debug)]
pub(super) struct Numbered<'a> {
    numbers: &'a Numbers,
    ls: LsId,
    pub(super) identity: WriteIdentity,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { session: SessionId(rand::random()), streams: Mutex::default(), ended: Notify::new() }
    }
}

impl Numbers {
    /// The next number of a log stream; waits while the oldest request is a window behind.
    pub(super) async fn next(&self, ls: LsId) -> Numbered<'_> {
        loop {
            // Before the look: what ends between look and wait wakes it.
            let ended = self.ended.notified();
            if let Some(numbered) = self.try_next(ls) {
                return numbered;
            }
            ended.await;
        }
    }

    fn try_next(&self, ls: LsId) -> Option<Numbered<'_>> {
        let mut streams = self.streams();
        let stream = streams.entry(ls).or_default();
        let number = stream.last + 1;
        let settled = stream.open.first().copied().unwrap_or(number);
        if number - settled >= WRITE_SESSION_WINDOW {
            return None;
        }
        stream.last = number;
        stream.open.insert(number);
        let id = WriteId { session: self.session, number };
        Some(Numbered { numbers: self, ls, identity: WriteIdentity { id, settled, uncertain_ms: 0 } })
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<LsId, Stream>> {
        self.streams.lock()
    }
}

impl Drop for Numbered<'_> {
    fn drop(&mut self) {
        if let Some(stream) = self.numbers.streams().get_mut(&self.ls) {
            stream.open.remove(&self.identity.id.number);
        }
        self.numbers.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const LS: LsId = LsId(1001);

    #[tokio::test]
    async fn every_request_has_a_number_of_its_own_and_names_the_oldest_that_waits() {
        let numbers = Numbers::default();
        let (first, second) = (numbers.next(LS).await, numbers.next(LS).await);
        let elsewhere = numbers.next(LsId(1002)).await;
        assert_eq!((first.identity.id.number, first.identity.settled), (1, 1));
        assert_eq!((second.identity.id.number, second.identity.settled), (2, 1));
        assert_eq!((elsewhere.identity.id.number, elsewhere.identity.settled), (1, 1));
        drop(first);
        let third = numbers.next(LS).await;
        assert_eq!((third.identity.id.number, third.identity.settled), (3, 2));
        drop((second, third));
        let fourth = numbers.next(LS).await;
        assert_eq!((fourth.identity.id.number, fourth.identity.settled), (4, 4));
        assert_ne!(Numbers::default().session, numbers.session);
    }

    #[tokio::test]
    async fn a_request_a_window_ahead_of_the_oldest_waits_for_it() {
        let numbers = Numbers::default();
        let oldest = numbers.next(LS).await;
        for _ in 1..WRITE_SESSION_WINDOW {
            drop(numbers.next(LS).await);
        }
        let next = numbers.next(LS);
        tokio::pin!(next);
        assert!((&mut next).now_or_never().is_none());
        assert!(numbers.next(LsId(1002)).now_or_never().is_some(), "another log stream is not held up");
        drop(oldest);
        let identity = next.await.identity;
        assert_eq!((identity.id.number, identity.settled), (WRITE_SESSION_WINDOW + 1, WRITE_SESSION_WINDOW + 1));
    }
}
