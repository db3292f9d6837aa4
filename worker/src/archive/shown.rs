//! What a driver shows to the rest of the worker: progress, trouble and counts, with the log as it was then.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use strandline_engine_api::LogStatus;
use strandline_types::limits::MEDIUM_SILENT_MS;
use strandline_types::{ErrorClass, Failure, PieceId};
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

fn silent() -> Failure {
    let what = "the destination does not answer";
    let todo = "check that it is mounted and reachable from this worker; archiving goes on when it answers";
    Failure::new(ErrorClass::Transient, what, "archiver", todo)
}

/// The last picture.
#[derive(Debug, Default)]
pub(super) struct Shown {
    picture: Mutex<Option<Picture>>,
    /// Since when the medium is waited for, while it is.
    asked_ms: Mutex<Option<u64>>,
}

impl Shown {
    /// The last one, and what there is to say when the medium does not answer; `None` before the first.
    pub(super) fn get(&self, now_ms: u64) -> Option<Picture> {
        let mut picture = self.picture.lock().clone()?;
        let asked = *self.asked_ms.lock();
        let is_silent = |asked: &u64| now_ms.saturating_sub(*asked) >= MEDIUM_SILENT_MS;
        if let Some(since) = asked.filter(is_silent).filter(|_| picture.trouble.is_none()) {
            picture.trouble = Some((silent(), since));
            if let Some(progress) = &mut picture.progress {
                progress.trouble.clone_from(&picture.trouble);
            }
        }
        Some(picture)
    }

    /// The medium is asked for something, or (`None`) has answered.
    pub(super) fn asks(&self, now_ms: Option<u64>) {
        *self.asked_ms.lock() = now_ms;
    }

    /// Shows how things are; `true` when the scheduler has to get it.
    pub(super) fn set(
        &self,
        progress: Option<Progress>,
        trouble: Option<(Failure, u64)>,
        log: LogStatus,
        (requests, stored): (u64, BTreeMap<PieceId, u64>),
    ) -> bool {
        let mut shown = self.picture.lock();
        let said = |p: &Picture| p.progress == progress && p.trouble == trouble;
        let is_changed = !shown.as_ref().is_some_and(said);
        *shown = Some(Picture { progress, trouble, log, requests, stored });
        is_changed
    }
}
