//! Writers of numbered keys: each has its own client, so that no other client's SCN is in its token, and one write under
//! way at a time. They never stop by themselves: a write that fails is noted as open, and the next number follows.

use super::oracle::{Op, Oracle};
use super::{Outcome, Patience, Watch};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strandline_engine::KvClient;
use strandline_types::{ErrorClass, Failure, Scn};
use tokio::task::JoinSet;

/// A little air for the servers: the test is about order, not about load.
const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(45);
/// Every so often a key that is overwritten again and again, and one that is deleted.
const HOT_EVERY: u64 = 5;
const DELETE_EVERY: u64 = 7;
/// Values differ in length, so that groups do.
const VALUE_BYTES_MAX: u64 = 600;

/// What one writer has done so far.
#[derive(Debug, Default)]
struct Progress {
    /// Acknowledged writes.
    acked: AtomicU64,
    /// SCN of the last one.
    scn: AtomicU64,
}

/// Running writers.
#[derive(Debug)]
pub struct Writers {
    stop: Arc<AtomicBool>,
    progress: Vec<Arc<Progress>>,
    tasks: JoinSet<Result<Vec<Op>, Failure>>,
}

impl Writers {
    /// Starts `count` of them on a table.
    ///
    /// # Errors
    /// The tenant is not to be found.
    pub async fn start(schedulers: &[String], tenant: &str, table: &str, count: usize, watch: &Watch) -> Outcome<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut progress, mut tasks) = (Vec::new(), JoinSet::new());
        for number in 0..count {
            let client = KvClient::connect(schedulers, tenant).await?;
            let done = Arc::new(Progress::default());
            progress.push(Arc::clone(&done));
            let (table, stop, checkpoint) = (table.to_owned(), Arc::clone(&stop), watch.shared_checkpoint());
            let writer = Writer { number, client, table, done, checkpoint };
            tasks.spawn(writer.run(stop));
        }
        Ok(Self { stop, progress, tasks })
    }

    /// SCN of the last acknowledged write of any.
    #[must_use]
    pub fn scn(&self) -> Scn {
        Scn(self.progress.iter().map(|p| p.scn.load(Ordering::Acquire)).max().unwrap_or_default())
    }

    /// Waits until every writer has `count` more acknowledgements.
    ///
    /// # Errors
    /// A writer gets none.
    pub async fn go_on(&self, count: u64) -> Outcome<()> {
        let acked = || self.progress.iter().map(|p| p.acked.load(Ordering::Acquire));
        let wanted: Vec<u64> = acked().map(|n| n + count).collect();
        let patience = Patience::new(format!("{count} more acknowledgements for every writer"), PATIENCE);
        while acked().zip(&wanted).any(|(now, wanted)| now < *wanted) {
            patience.once_more(&format!("{:?} of {wanted:?}", acked().collect::<Vec<_>>())).await?;
        }
        Ok(())
    }

    /// Stops them and gives what they wrote.
    ///
    /// # Errors
    /// A writer saw an SCN that cannot be.
    pub async fn finish(mut self) -> Outcome<Oracle> {
        self.stop.store(true, Ordering::Release);
        let mut all = Vec::new();
        while let Some(ended) = self.tasks.join_next().await {
            let died = |e| Failure::new(ErrorClass::Invalid, format!("a writer died: {e}"), "writer", "");
            all.extend(ended.map_err(died)??);
        }
        Ok(Oracle::new(all))
    }
}

struct Writer {
    number: usize,
    client: KvClient,
    table: String,
    done: Arc<Progress>,
    checkpoint: Arc<AtomicU64>,
}

impl Writer {
    async fn run(self, stop: Arc<AtomicBool>) -> Result<Vec<Op>, Failure> {
        let mut ops = Vec::new();
        for n in 0.. {
            if stop.load(Ordering::Acquire) {
                break;
            }
            ops.push(self.write(self.numbered(n), Some(value(n))).await?);
            if n % HOT_EVERY == 0 {
                ops.push(self.write(format!("hot-{}", self.number), Some(value(n))).await?);
            }
            if n % DELETE_EVERY == DELETE_EVERY - 1 {
                ops.push(self.write(self.numbered(n / 2), None).await?);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(ops)
    }

    fn numbered(&self, n: u64) -> String {
        format!("key-{}-{n:07}", self.number)
    }

    async fn write(&self, key: String, value: Option<Bytes>) -> Result<Op, Failure> {
        let key = Bytes::from(key);
        let token = self.client.token().0;
        let checkpoint = Scn(self.checkpoint.load(Ordering::Acquire));
        let written = match value.clone() {
            Some(value) => self.client.put(&self.table, key.clone(), value).await,
            None => self.client.delete(&self.table, key.clone()).await,
        };
        let acked = match written {
            Ok(scn) if scn > checkpoint && scn > token => scn,
            Ok(scn) => {
                let what = format!("SCN {scn} was given after token {token} and checkpoint {checkpoint}");
                return Err(Failure::new(ErrorClass::Corrupt, what, format!("{key:?}"), ""));
            }
            Err(e) if e.class().is_retryable() => Scn::MAX,
            Err(e) => return Err(e.into()),
        };
        if acked < Scn::MAX {
            self.done.acked.fetch_add(1, Ordering::AcqRel);
            self.done.scn.store(acked.0, Ordering::Release);
        }
        Ok(Op { key, value, token, acked })
    }
}

/// A value that tells its number, of a length that depends on it.
fn value(n: u64) -> Bytes {
    let length = (n.wrapping_mul(7919) % VALUE_BYTES_MAX) as usize;
    Bytes::from(format!("{n}:{}", "v".repeat(length)))
}
