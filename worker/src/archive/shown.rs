//! What a driver shows to the rest of the worker: progress, trouble and counts, with the log as it was then.

use crate::source::LogStatus;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use strandline_types::{Failure, PieceId};
use strandline_worker_core::archiver::Progress;

/// One picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    /// `None` until the medium was looked at.
    pub progress: Option<Progress>,
    /// What holds the stream up and since when, also before there is progress.
    pub trouble: Option<(Failure, u64)>,
    /// The log as it was then.
    pub log: LogStatus,
    /// Requests to the medium since this leader took over.
    pub requests: u64,
    /// Bytes on the medium, of each piece that the progress tells of.
    pub stored: BTreeMap<PieceId, u64>,
}

/// The last picture.
#[derive(Debug, Default)]
pub(super) struct Shown {
    picture: Mutex<Option<Picture>>,
}

impl Shown {
    /// The last one; `None` before the first.
    pub(super) fn get(&self) -> Option<Picture> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows how things are; `true` when it is news for the scheduler.
    pub(super) fn set(
        &self,
        progress: Option<&Progress>,
        trouble: Option<&(Failure, u64)>,
        log: LogStatus,
        (requests, stored): (u64, BTreeMap<PieceId, u64>),
    ) -> bool {
        let mut shown = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        let said = |p: &Picture| p.progress.as_ref() == progress && p.trouble.as_ref() == trouble;
        let is_news = !shown.as_ref().is_some_and(said);
        let (progress, trouble) = (progress.cloned(), trouble.cloned());
        *shown = Some(Picture { progress, trouble, log, requests, stored });
        is_news
    }
}
