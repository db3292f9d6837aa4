//! What the backup tasks of one worker share: memory for blocks in flight, threads per tenant, and the pace.
//!
//! One per process, as the memory, the cores and the disk are. Tasks take memory in the order in which they
//! will be used, so a task never waits for what a later block of its own holds. Foreground first: without a limit of the
//! administrator the pace follows the clients' work alone (`strandline_worker_core::throttle`).

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Weak};
use std::time::{Duration, Instant};
use strandline_engine_api::Engine;
use strandline_types::TenantId;
use strandline_types::limits::{BACKUP_THREADS_DEFAULT, BLOCK_BYTES_IN_FLIGHT_MAX};
use strandline_worker_core::throttle::{CEILING_BYTES_PER_S, Pace, TokenBucket, WINDOW_MS};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory is counted in units of this, so that it fits a semaphore.
const UNIT_BYTES: u64 = 1024;
/// What may go at once after a pause; taking more makes the next one wait.
const BURST_BYTES: u64 = 1 << 20;

static SHARE: LazyLock<Share> = LazyLock::new(Share::new);

/// The share of this process.
pub(super) fn share() -> &'static Share {
    &SHARE
}

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    memory: Arc<Semaphore>,
    begun: Instant,
    pace: Mutex<(Pace, TokenBucket)>,
    tenants: Mutex<BTreeMap<TenantId, Weak<TenantShare>>>,
}

/// What the tasks of one tenant share.
#[derive(Debug)]
pub(super) struct TenantShare {
    threads_max: u32,
    bytes_per_s_max: u64,
    threads: Arc<Semaphore>,
    limit: Mutex<TokenBucket>,
}

impl Share {
    fn new() -> Self {
        Self {
            memory: Arc::new(Semaphore::new((BLOCK_BYTES_IN_FLIGHT_MAX / UNIT_BYTES) as usize)),
            begun: Instant::now(),
            pace: Mutex::new((Pace::default(), TokenBucket::new(0, BURST_BYTES))),
            tenants: Mutex::default(),
        }
    }

    /// Waits for memory; a block larger than all of it waits until it is alone. `None` never happens: the semaphore is never closed.
    pub(super) async fn memory(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = bytes.min(BLOCK_BYTES_IN_FLIGHT_MAX).div_ceil(UNIT_BYTES) as u32;
        Arc::clone(&self.memory).acquire_many_owned(units).await.ok()
    }

    /// The share of a tenant under these limits (0 = the default); tasks that run together have one.
    pub(super) fn tenant(&self, tenant: TenantId, threads_max: u32, bytes_per_s_max: u64) -> Arc<TenantShare> {
        let mut tenants = self.tenants.lock();
        tenants.retain(|_, share| share.strong_count() > 0);
        let known = tenants.get(&tenant).and_then(Weak::upgrade);
        if let Some(share) = known.filter(|s| (s.threads_max, s.bytes_per_s_max) == (threads_max, bytes_per_s_max)) {
            return share;
        }
        let threads = if threads_max == 0 { BACKUP_THREADS_DEFAULT } else { threads_max as usize };
        let share = Arc::new(TenantShare {
            threads_max,
            bytes_per_s_max,
            threads: Arc::new(Semaphore::new(threads)),
            limit: Mutex::new(TokenBucket::new(bytes_per_s_max, BURST_BYTES)),
        });
        tenants.insert(tenant, Arc::downgrade(&share));
        share
    }

    /// Waits until `bytes` may go: below the administrator's limit, and at the pace that the clients leave.
    pub(super) async fn admit(&self, tenant: &TenantShare, engine: &dyn Engine, bytes: u64) {
        let limited = tenant.limit.lock().take(self.now_ns(), bytes);
        sleep_ns(limited).await;
        loop {
            match self.pace(engine, bytes) {
                Some(wait_ns) => return sleep_ns(wait_ns).await,
                None => tokio::time::sleep(Duration::from_millis(WINDOW_MS)).await,
            }
        }
    }

    /// How long to wait, in nanoseconds; `None` = nothing goes for now, ask again.
    fn pace(&self, engine: &dyn Engine, bytes: u64) -> Option<u64> {
        let now_ns = self.now_ns();
        let mut pace = self.pace.lock();
        let (pace, bucket) = &mut *pace;
        if pace.is_due(now_ns / 1_000_000) {
            pace.look(now_ns / 1_000_000, engine.client_work());
        }
        match pace.rate() {
            0 => None,
            CEILING_BYTES_PER_S => {
                pace.spend(bytes);
                Some(0)
            }
            rate => {
                pace.spend(bytes);
                bucket.set_rate(rate);
                Some(bucket.take(now_ns, bytes))
            }
        }
    }

    fn now_ns(&self) -> u64 {
        // A worker that runs for 500 years is somebody else's.
        self.begun.elapsed().as_nanos() as u64
    }
}

impl TenantShare {
    /// Waits for a thread. `None` never happens: the semaphore is never closed.
    pub(super) async fn thread(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.threads).acquire_owned().await.ok()
    }
}

async fn sleep_ns(ns: u64) {
    if ns > 0 {
        tokio::time::sleep(Duration::from_nanos(ns)).await;
    }
}
