//! What a piece of work waits for at the moment, and for how long: readable while it lasts.
//!
//! Every call on a medium is noted by [`crate::Watched`]; other waits are noted where they happen. A trouble lasts from the
//! call that met it until some call is answered: trying again does not end it. Nothing here changes an outcome.

use crate::{MediaError, Op};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_types::limits::MEDIUM_SILENT_MS;
use strandline_types::{ErrorClass, Failure};

/// A wait that takes longer is told.
const SILENT: Duration = Duration::from_millis(MEDIUM_SILENT_MS);

/// The waits of one piece of work.
#[derive(Debug, Default)]
pub struct Waits {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    next: u64,
    /// In the order in which they began.
    under_way: BTreeMap<u64, Wait>,
    /// What the last call that ended had met, if it was no answer, and when that trouble began.
    failed: Option<(Failure, Instant)>,
    has_answered: bool,
}

#[derive(Debug)]
struct Wait {
    on: On,
    since: Instant,
}

#[derive(Debug)]
enum On {
    Call { op: Op, uri: Arc<str>, path: String },
    Other(Failure),
}

impl On {
    fn failure(&self) -> Failure {
        match self {
            Self::Call { op, uri, path } => {
                let what = format!("the destination does not answer ({op})");
                let todo = "check that it is mounted and reachable from there; the work goes on when it answers";
                Failure::new(ErrorClass::Transient, what, format!("{uri}/{path}"), todo)
            }
            Self::Other(failure) => failure.clone(),
        }
    }
}

impl Waits {
    /// Notes a wait that is no call on a medium, until the guard goes.
    #[must_use]
    pub fn begin(self: &Arc<Self>, on: Failure) -> Waiting {
        self.note(On::Other(on))
    }

    /// Notes a call on a medium, until the guard goes.
    pub(crate) fn call(self: &Arc<Self>, op: Op, uri: &Arc<str>, path: &str) -> Waiting {
        self.note(On::Call { op, uri: Arc::clone(uri), path: path.to_owned() })
    }

    fn note(self: &Arc<Self>, on: On) -> Waiting {
        let mut books = self.books();
        let id = books.next;
        books.next += 1;
        books.under_way.insert(id, Wait { on, since: Instant::now() });
        Waiting { waits: Arc::clone(self), id }
    }

    /// What is waited for, if it takes long, and for how long the trouble lasts.
    #[must_use]
    pub fn told(&self) -> Option<(Failure, Duration)> {
        let books = self.books();
        let since = books.failed.as_ref().map(|(_, since)| since.elapsed());
        let oldest = books.under_way.values().next().filter(|wait| wait.since.elapsed() >= SILENT);
        match (oldest, &books.failed) {
            (Some(wait), _) => Some((wait.on.failure(), wait.since.elapsed().max(since.unwrap_or_default()))),
            (None, Some((failure, since))) => Some((failure.clone(), since.elapsed())),
            (None, None) => None,
        }
    }

    /// True once some call was answered.
    #[must_use]
    pub fn has_answered(&self) -> bool {
        self.books().has_answered
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }
}

/// One wait; it is over when this goes.
#[derive(Debug)]
pub struct Waiting {
    waits: Arc<Waits>,
    id: u64,
}

impl Waiting {
    /// Ends the call: with an answer, good or bad, or with an error that may pass by itself.
    pub(crate) fn end<T>(self, outcome: Result<T, MediaError>) -> Result<T, MediaError> {
        let mut books = self.waits.books();
        let began = books.under_way.get(&self.id).map_or_else(Instant::now, |wait| wait.since);
        match outcome.as_ref().err().filter(|e| e.class.is_retryable()) {
            Some(error) => {
                let since = books.failed.as_ref().map_or(began, |(_, since)| *since);
                books.failed = Some((error.clone().into(), since));
            }
            None => {
                books.failed = None;
                books.has_answered = true;
            }
        }
        drop(books);
        outcome
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.books().under_way.remove(&self.id);
    }
}
