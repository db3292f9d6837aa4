//! How the clients' work goes on this worker: how often a log was made durable, and how long that took.
//!
//! Every replica, leader or follower, makes its log durable before a client is answered, so this is the one figure that
//! shows on any worker whether background work is in the clients' way. One meter per process, like the metrics: it is the
//! disk and the cores of the process that are shared. Counters only ever grow; two readings give the difference.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strandline_engine_api::ClientWork;

static FLUSHES: AtomicU64 = AtomicU64::new(0);
static MICROS: AtomicU64 = AtomicU64::new(0);
static LAST_MS: AtomicU64 = AtomicU64::new(0);
static BEGUN: OnceLock<Instant> = OnceLock::new();

/// The clients' work of this process so far; cheap.
#[must_use]
pub(crate) fn client_work() -> ClientWork {
    let (flushes, flush_us) = (FLUSHES.load(Ordering::Relaxed), MICROS.load(Ordering::Relaxed));
    let idle_ms = if flushes == 0 { u64::MAX } else { now_ms().saturating_sub(LAST_MS.load(Ordering::Relaxed)) };
    ClientWork { flushes, flush_us, idle_ms }
}

pub(crate) fn count_flush(took: Duration) {
    FLUSHES.fetch_add(1, Ordering::Relaxed);
    MICROS.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    LAST_MS.store(now_ms(), Ordering::Relaxed);
}

fn now_ms() -> u64 {
    BEGUN.get_or_init(Instant::now).elapsed().as_millis() as u64
}
