//! The content of a replica as a digest: as it is now, or as of an SCN.
//!
//! Tablets keep no history, so an SCN that is still to come is caught in flight: apply pauses after the last entry up to
//! it while a snapshot is taken. An SCN that has passed is answered only when nothing changed since.

use super::Machine;
use crate::tablet::View;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use strandline_engine_api::StopSignal;
use strandline_types::{Fingerprint, Scn};

/// What came out of a look at the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The content of this SCN.
    At(Scn, Fingerprint),
    /// The content has changed at this SCN, after the one that was asked for.
    Passed(Scn),
    /// Another observer pauses the apply already, or the moment was missed.
    Busy,
    /// Its result is not needed any more.
    Cancelled,
}

impl Machine {
    #[cfg(test)]
    pub(crate) fn is_pausing(&self) -> bool {
        self.pause.is_asked()
    }

    /// Digest of the tablets as of `scn` (`None` = now). Waits for an SCN that is not applied yet. `bytes` counts what
    /// was read.
    pub(crate) fn fingerprint(&self, scn: Option<Scn>, stop: &StopSignal, bytes: &AtomicU64) -> io::Result<Seen> {
        let store = self.store();
        let applied = || self.inner().applied.map_or(Scn::MIN, |a| a.base.prev_scn);
        let apply_state = self.apply_state();
        let now = applied();
        let Some(wanted) = scn else {
            let view = store.view();
            drop(apply_state);
            return digest(&view, now, stop, bytes);
        };
        if now >= wanted {
            let changed = self.pause.last_change();
            if changed > wanted {
                return Ok(Seen::Passed(changed));
            }
            let view = store.view();
            drop(apply_state);
            return digest(&view, wanted, stop, bytes);
        }
        // Under the apply_state: no entry slips through between the look and the pause.
        if !self.pause.ask(wanted) {
            return Ok(Seen::Busy);
        }
        drop(apply_state);
        loop {
            match self.pause.look() {
                None => return Ok(Seen::Busy),
                Some(true) => break,
                Some(false) if stop.is_stopped() => {
                    self.pause.release();
                    return Ok(Seen::Cancelled);
                }
                Some(false) if applied() >= wanted => break,
                Some(false) => {}
            }
        }
        // Apply stands at the pause, or has come exactly to it: either way it does not pass while the pause is there.
        let view = store.view();
        self.pause.release();
        digest(&view, wanted, stop, bytes)
    }
}

fn digest(view: &View<'_>, scn: Scn, stop: &StopSignal, bytes: &AtomicU64) -> io::Result<Seen> {
    let count = |n: u64| {
        bytes.fetch_add(n, Ordering::Relaxed);
        !stop.is_stopped()
    };
    Ok(view.fingerprint(count)?.map_or(Seen::Cancelled, |f| Seen::At(scn, f)))
}
