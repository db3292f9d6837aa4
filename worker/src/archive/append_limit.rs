//! LOG_ARCHIVE_CONCURRENCY: how many appends a worker has under way at one destination of a tenant.
//!
//! Only the request to the medium takes a turn. What waits for its turn may hold memory; what has its turn never waits
//! for memory.

use parking_lot::Mutex;
use std::sync::Arc;
use strandline_types::limits::{ARCHIVE_APPENDS_PER_CORE, ARCHIVE_CONCURRENCY_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts the appends to one destination; the limit may change while it is used.
#[derive(Debug)]
pub(super) struct AppendLimit {
    permits: Arc<Semaphore>,
    width: Mutex<Width>,
}

#[derive(Debug)]
struct Width {
    /// The limit.
    wanted: usize,
    /// Permits that were in use when the limit fell.
    too_many: usize,
}

impl AppendLimit {
    /// So many at once; 0 = as many as this machine's cores can feed.
    pub(super) fn new(concurrency: u32) -> Arc<Self> {
        let wanted = width_of(concurrency);
        let width = Mutex::new(Width { wanted, too_many: 0 });
        Arc::new(Self { permits: Arc::new(Semaphore::new(wanted)), width })
    }

    /// From now on so many at once. Appends that have begun go on.
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

    /// Waits for a turn, which ends when it is dropped.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        // The semaphore is never closed: without a permit there is no bound, and no harm.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        Turn { append_limit: Arc::clone(self), permit }
    }

    fn width(&self) -> parking_lot::MutexGuard<'_, Width> {
        self.width.lock()
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
pub(super) struct Turn {
    append_limit: Arc<AppendLimit>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut width = self.append_limit.width();
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
    async fn so_many_appends_are_under_way_as_the_limit_says_also_when_it_changes() {
        let append_limit = AppendLimit::new(2);
        let (first, second) = (append_limit.turn().await, append_limit.turn().await);
        assert!(append_limit.turn().now_or_never().is_none(), "the third one waits");
        append_limit.set(1);
        drop(first);
        assert!(append_limit.turn().now_or_never().is_none(), "one is under way, and one may be");
        drop(second);
        let only = append_limit.turn().await;
        assert!(append_limit.turn().now_or_never().is_none());
        append_limit.set(3);
        let (_second, _third) = (append_limit.turn().await, append_limit.turn().await);
        assert!(append_limit.turn().now_or_never().is_none());
        drop(only);
        assert!(append_limit.turn().now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_limit_that_rises_again_takes_back_the_permits_that_were_to_go() {
        let append_limit = AppendLimit::new(2);
        let (first, _second) = (append_limit.turn().await, append_limit.turn().await);
        append_limit.set(1);
        append_limit.set(2);
        assert!(append_limit.turn().now_or_never().is_none());
        drop(first);
        assert!(append_limit.turn().now_or_never().is_some());
    }
}
