//! LOG_ARCHIVE_CONCURRENCY: how many appends a worker has under way at one destination of a tenant.
//!
//! Only the request to the medium passes here: who waits for its turn may hold memory, who is inside never waits for any.

use std::sync::{Arc, Mutex, PoisonError};
use strandline_types::limits::{ARCHIVE_APPENDS_PER_CORE, ARCHIVE_CONCURRENCY_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The door to one destination; its width may change while it is used.
#[derive(Debug)]
pub(super) struct Gate {
    permits: Arc<Semaphore>,
    width: Mutex<Width>,
}

#[derive(Debug)]
struct Width {
    /// As wide as it should be.
    wanted: usize,
    /// Permits that were in use when it became narrower.
    too_many: usize,
}

impl Gate {
    /// A door for so many at once; 0 = as many as this machine's cores can feed.
    pub(super) fn new(concurrency: u32) -> Arc<Self> {
        let wanted = width_of(concurrency);
        let width = Mutex::new(Width { wanted, too_many: 0 });
        Arc::new(Self { permits: Arc::new(Semaphore::new(wanted)), width })
    }

    /// From now on so many at once. Who is inside stays.
    pub(super) fn set(&self, concurrency: u32) {
        let (mut width, wanted) = (self.width(), width_of(concurrency));
        if wanted >= width.wanted {
            let more = wanted - width.wanted;
            let back = more.min(width.too_many);
            width.too_many -= back;
            self.permits.add_permits(more - back);
        } else {
            let fewer = width.wanted - wanted;
            width.too_many += fewer - self.permits.forget_permits(fewer);
        }
        width.wanted = wanted;
    }

    /// Waits for a turn, which ends when the pass is dropped.
    pub(super) async fn pass(self: &Arc<Self>) -> Pass {
        // The semaphore is never closed: without a permit there is no bound, and no harm.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Pass { gate: Arc::clone(self), permit }
    }

    fn width(&self) -> std::sync::MutexGuard<'_, Width> {
        // Every change is whole before anything in it can panic.
        self.width.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn width_of(concurrency: u32) -> usize {
    match concurrency {
        0 => std::thread::available_parallelism().map_or(1, usize::from) * ARCHIVE_APPENDS_PER_CORE,
        n => n.min(ARCHIVE_CONCURRENCY_MAX) as usize,
    }
}

/// One turn.
#[derive(Debug)]
pub(super) struct Pass {
    gate: Arc<Gate>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut width = self.gate.width();
        if let Some(permit) = self.permit.take()
            && width.too_many > 0
        {
            width.too_many -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn so_many_are_inside_as_is_wanted_also_when_that_changes() {
        let gate = Gate::new(2);
        let (first, second) = (gate.pass().await, gate.pass().await);
        assert!(gate.pass().now_or_never().is_none(), "the third one waits");
        gate.set(1);
        drop(first);
        assert!(gate.pass().now_or_never().is_none(), "there is one inside, and one may be");
        drop(second);
        let only = gate.pass().await;
        assert!(gate.pass().now_or_never().is_none());
        gate.set(3);
        let (_second, _third) = (gate.pass().await, gate.pass().await);
        assert!(gate.pass().now_or_never().is_none());
        drop(only);
        assert!(gate.pass().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_door_that_becomes_wider_again_takes_back_what_it_wanted_to_forget() {
        let gate = Gate::new(2);
        let (_first, _second) = (gate.pass().await, gate.pass().await);
        gate.set(1);
        gate.set(2);
        assert!(gate.pass().now_or_never().is_none());
        drop(_first);
        assert!(gate.pass().now_or_never().is_some());
    }
}
