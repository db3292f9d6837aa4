//! The replica that `bench backup` backs up: the production engine in this process, one log stream, four tablets whose
//! values do not compress.

use crate::Outcome;
use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strandline_engine::{
    BuiltInEngine, Engine, EngineConfig, KvWrite, Node, NodeConfig, Replica, ReplicaSpec, SystemClock,
};
use strandline_types::{CausalityToken, ErrorClass, Failure, LsId, NodeId, TabletId, TenantId};
use strandline_worker::task_ctx::TaskCtx;

/// Tenant of the replica.
pub const TENANT: TenantId = TenantId(1002);
const LS: LsId = LsId(1001);
const TABLETS: u64 = 4;
const VALUE_BYTES: usize = 16 << 10;
const VALUES_PER_BATCH: u64 = 16;
/// Batches that wait for their commit.
const IN_FLIGHT: usize = 8;
/// Nothing is compacted any more once the files have stayed the same for this long.
const AT_REST: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(300);

/// The replica and what it holds.
pub struct Load {
    engine: Arc<Engine>,
    dir: PathBuf,
    values: u64,
    /// Distinguishes the values of a later write from those before.
    generation: AtomicU64,
}

impl Load {
    /// Starts an engine in `dir` and writes so many bytes, key after key.
    pub async fn write(dir: &Path, bytes: u64) -> Outcome<Self> {
        let broken = |e: String| Failure::new(ErrorClass::Invalid, e, dir.display().to_string(), "");
        let node = Node::open(NodeConfig::new(1, dir.join("raft"))).map_err(|e| broken(e.to_string()))?;
        let config = EngineConfig::new(NodeId(1), dir.join("data"), Arc::new(SystemClock));
        let engine = Engine::open(config, node).await.map_err(Failure::from)?;
        let members = BTreeMap::from([(NodeId(1), "127.0.0.1:1".to_owned())]);
        let spec = ReplicaSpec { tenant: TENANT, ls: LS, members, bootstrap: true, restore: None };
        engine.ensure_replica(spec).await.map_err(Failure::from)?;
        let values = bytes / VALUE_BYTES as u64;
        let this = Self { engine, dir: dir.to_owned(), values, generation: AtomicU64::new(1) };
        this.put(0..values).await?;
        this.rest().await?;
        Ok(this)
    }

    /// The log stream.
    #[allow(clippy::unused_self)]
    pub const fn ls(&self) -> LsId {
        LS
    }

    /// The surroundings of a task on this replica.
    pub fn ctx(&self, scratch: &Path) -> TaskCtx {
        let open = Arc::new(|uri: &str, access: &str, _| match access {
            "" => Ok(strandline_media::open(uri)?),
            access => Ok(strandline_media::open_with(uri, access)?),
        });
        TaskCtx::new(Arc::new(BuiltInEngine(Arc::clone(&self.engine))), open, scratch.to_owned())
    }

    /// Writes the keys of one hundredth of each tablet's range anew, in one piece, and waits until nothing moves.
    pub async fn change_hundredth(&self) -> Outcome<()> {
        self.generation.fetch_add(1, Ordering::Relaxed);
        let (from, count) = (self.values / 3, self.values / 100);
        self.put(from..from + count).await?;
        self.rest().await
    }

    /// Clients that write as fast as they are answered; gives the bytes per second that were acknowledged.
    pub async fn write_for(&self, time: Duration) -> Outcome<f64> {
        self.generation.fetch_add(1, Ordering::Relaxed);
        let (began, acked) = (Instant::now(), AtomicU64::new(0));
        let writers = (0..IN_FLIGHT as u64).map(|writer| {
            let acked = &acked;
            async move {
                let mut at = self.values / IN_FLIGHT as u64 * writer;
                while began.elapsed() < time {
                    let n = 4;
                    self.batch((at..at + n).map(|i| i % self.values).collect()).await?;
                    acked.fetch_add(n * VALUE_BYTES as u64, Ordering::Relaxed);
                    // Scattered, as clients' keys are.
                    at += 7919;
                }
                Ok::<_, Failure>(())
            }
        });
        futures::future::try_join_all(writers).await?;
        Ok(acked.into_inner() as f64 / began.elapsed().as_secs_f64())
    }

    /// The files of a consistent point, as hard links in `dir`.
    pub async fn link_files(&self, dir: &Path) -> Outcome<()> {
        self.leader().await?.checkpoint(dir).await.map_err(Failure::from)?;
        Ok(())
    }

    /// Stops the engine.
    pub async fn stop(&self) {
        self.engine.shutdown().await;
    }

    async fn put(&self, keys: std::ops::Range<u64>) -> Outcome<()> {
        let firsts = keys.clone().step_by(VALUES_PER_BATCH as usize);
        stream::iter(firsts.map(|first| (first..(first + VALUES_PER_BATCH).min(keys.end)).collect::<Vec<_>>()))
            .map(Ok)
            .try_for_each_concurrent(IN_FLIGHT, |numbers| self.batch(numbers))
            .await
    }

    /// One atomic batch. A tablet holds one stretch of the keys.
    async fn batch(&self, numbers: Vec<u64>) -> Outcome<()> {
        let generation = self.generation.load(Ordering::Relaxed);
        let per_tablet = self.values.div_ceil(TABLETS).max(1);
        let write = |n: u64| KvWrite {
            tablet: TabletId(TabletId::FIRST_USER.0 + n % TABLETS),
            key: Bytes::from(format!("key {:012}", n / TABLETS % per_tablet)),
            value: Some(noise(n.wrapping_mul(31) ^ (generation << 40))),
        };
        let writes = numbers.into_iter().map(write).collect();
        let leader = self.leader().await?;
        leader.write(writes, CausalityToken::default()).await.map_err(Failure::from)?;
        Ok(())
    }

    async fn leader(&self) -> Outcome<Arc<Replica>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(replica) = self.engine.replica(TENANT, LS).filter(|r| r.status().is_leader) {
                return Ok(replica);
            }
            if Instant::now() > deadline {
                return Err(late("the log stream has no leader"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everything is in files and no file comes or goes.
    async fn rest(&self) -> Outcome<()> {
        let point = self.dir.join("rest");
        self.link_files(&point).await?;
        let _ = std::fs::remove_dir_all(&point);
        let (deadline, mut seen, mut since) = (Instant::now() + PATIENCE, BTreeSet::new(), Instant::now());
        while since.elapsed() < AT_REST {
            let now: BTreeSet<PathBuf> = super::backup::files_below(&self.dir.join("data"))?
                .into_iter()
                .filter(|f| f.extension().is_some_and(|e| e == "sst"))
                .collect();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            if Instant::now() > deadline {
                return Err(late("the tablets do not come to rest"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}

fn late(what: &str) -> Failure {
    Failure::new(ErrorClass::Transient, what, format!("log stream {TENANT}/{LS}"), "try again on a quieter machine")
}

/// Bytes without any pattern, of one seed always the same.
fn noise(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..VALUE_BYTES / 8).flat_map(|_| next()).collect()
}
