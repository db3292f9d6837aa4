//! A steady load: so many bytes per second over all log streams, acknowledged, with the SCN of every batch.
//!
//! A writer that cannot keep its pace does not skip: it writes as fast as the cluster takes it, and the figure shows it.
//! The pace may be changed at any time; what was missed at the old one is not made up for then.

use crate::Outcome;
use crate::demo::lag::Outstanding;
use crate::kv::files::Record;
use crate::kv::table::Table;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, LsId};
use tokio::task::JoinSet;

const VALUE_BYTES: usize = 32 << 10;
const VALUES_PER_BATCH: usize = 8;
const BATCH_BYTES: usize = VALUE_BYTES * VALUES_PER_BATCH;
/// Batches of one log stream that wait for their acknowledgement.
const IN_FLIGHT: usize = 4;
/// Keys of one log stream; they are written again and again, so that the tables stay small.
const KEYS_PER_LOG_STREAM: usize = 512;
/// Different values; log that repeats itself would compress too well.
const VALUES: usize = 64;

/// Running writers, one per log stream.
#[derive(Debug)]
pub struct Writer {
    acked: Arc<AtomicU64>,
    room: Arc<Room>,
    stop: Arc<AtomicBool>,
    pace: Arc<Pace>,
    tasks: JoinSet<Outcome<()>>,
}

/// How fast all loops together write.
#[derive(Debug)]
struct Pace {
    loops: usize,
    /// Between two batches of a write_loop, in nanoseconds; 0 = no pause at all.
    pause_ns: AtomicU64,
}

/// What may still be written.
#[derive(Debug)]
struct Room {
    most: u64,
    taken: AtomicU64,
}

impl Room {
    /// Takes room for a batch; false when there is none left.
    fn take(&self) -> bool {
        self.taken.fetch_add(BATCH_BYTES as u64, Ordering::Relaxed) < self.most
    }
}

impl Pace {
    fn set(&self, bytes_per_s: Option<u64>) {
        let pause = |rate: u64| Duration::from_secs_f64(BATCH_BYTES as f64 * self.loops as f64 / rate as f64);
        // A pause of centuries would be cut off, and be one of centuries still.
        let ns = bytes_per_s.map_or(0, |rate| pause(rate).as_nanos() as u64);
        self.pause_ns.store(ns, Ordering::Relaxed);
    }

    fn pause(&self) -> Duration {
        Duration::from_nanos(self.pause_ns.load(Ordering::Relaxed))
    }
}

impl Writer {
    /// Writes `bytes_per_s` in all, until it is stopped or has written `most` bytes.
    pub fn start(table: &Arc<Table>, bytes_per_s: u64, most: u64, outstanding: &Arc<Outstanding>) -> Self {
        let (acked, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let keys = keys(table);
        let pace = Arc::new(Pace { loops: keys.len(), pause_ns: AtomicU64::new(0) });
        pace.set(Some(bytes_per_s));
        let values = Arc::new(values());
        let room = Arc::new(Room { most, taken: AtomicU64::new(0) });
        let mut tasks = JoinSet::new();
        for (nth, keys) in keys.into_values().enumerate() {
            let write_loop = WriteLoop {
                table: Arc::clone(table),
                keys,
                values: Arc::clone(&values),
                outstanding: Arc::clone(outstanding),
                acked: Arc::clone(&acked),
                pace: Arc::clone(&pace),
                room: Arc::clone(&room),
            };
            // The loops do not beat together.
            let first = pace.pause().mul_f64(nth as f64 / 16.0);
            tasks.spawn(write_loop.run(Instant::now() + first, Arc::clone(&stop)));
        }
        Self { acked, room, stop, pace, tasks }
    }

    /// From now on it writes `bytes_per_s` in all; `None` = as fast as the cluster takes it.
    pub fn set_pace(&self, bytes_per_s: Option<u64>) {
        self.pace.set(bytes_per_s);
    }

    /// Bytes that are acknowledged so far.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// An error once it has written all that it may.
    pub fn check_bound(&self) -> Outcome<()> {
        if self.room.taken.load(Ordering::Relaxed) < self.room.most {
            return Ok(());
        }
        let what = format!("clients have written {} MB, all that they may", self.room.most / 1_000_000);
        let todo = "allow more with --write-mb-max where the disk has room for it, or write less";
        Err(Failure::new(ErrorClass::Exhausted, what, "bench", todo))
    }

    /// Ends it once everything under way is acknowledged.
    pub async fn finish(mut self) -> Outcome<()> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            ended(done)?;
        }
        Ok(())
    }
}

struct WriteLoop {
    table: Arc<Table>,
    keys: Vec<Vec<u8>>,
    values: Arc<Vec<Bytes>>,
    outstanding: Arc<Outstanding>,
    acked: Arc<AtomicU64>,
    pace: Arc<Pace>,
    room: Arc<Room>,
}

impl WriteLoop {
    async fn run(self, mut next: Instant, stop: Arc<AtomicBool>) -> Outcome<()> {
        let (mut under_way, mut nth, mut pause) = (JoinSet::new(), 0usize, self.pace.pause());
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep_until(next.into()).await;
            if pause != self.pace.pause() {
                (pause, next) = (self.pace.pause(), Instant::now());
            }
            next += pause;
            while under_way.len() >= IN_FLIGHT {
                under_way.join_next().await.map_or(Ok(()), ended)?;
            }
            if !self.room.take() {
                break;
            }
            let batch = (0..VALUES_PER_BATCH).map(|i| self.record(nth + i)).collect();
            nth += VALUES_PER_BATCH;
            let (table, outstanding, acked) =
                (Arc::clone(&self.table), Arc::clone(&self.outstanding), Arc::clone(&self.acked));
            under_way.spawn(async move {
                let scn = table.write(batch).await?;
                outstanding.acknowledged(scn, Instant::now());
                acked.fetch_add(BATCH_BYTES as u64, Ordering::Relaxed);
                Ok(())
            });
        }
        while let Some(done) = under_way.join_next().await {
            ended(done)?;
        }
        Ok(())
    }

    fn record(&self, nth: usize) -> Record {
        let key = self.keys[nth % self.keys.len()].clone();
        Record { key, value: Some(self.values[(nth * 7) % VALUES].clone()) }
    }
}

/// Keys of every log stream.
fn keys(table: &Table) -> BTreeMap<LsId, Vec<Vec<u8>>> {
    let mut keys: BTreeMap<LsId, Vec<Vec<u8>>> = table.tablets().map(|(_, ls)| (ls, Vec::new())).collect();
    // Keys spread evenly over tablets: each stream has enough of them long before the bound.
    for n in 0..keys.len() * KEYS_PER_LOG_STREAM * 4 {
        let key = format!("load {n:08}").into_bytes();
        if let Some(of_stream) = keys.get_mut(&table.ls_of(&key)).filter(|k| k.len() < KEYS_PER_LOG_STREAM) {
            of_stream.push(key);
        }
    }
    keys
}

/// Values that are half random, half repetition, as rows are.
fn values() -> Vec<Bytes> {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let row = || -> Vec<u8> { [next(), *b"a column"].concat() };
    let mut rows = std::iter::repeat_with(row);
    (0..VALUES).map(|_| rows.by_ref().take(VALUE_BYTES / 16).flatten().collect::<Vec<u8>>().into()).collect()
}

fn ended(done: Result<Outcome<()>, tokio::task::JoinError>) -> Outcome<()> {
    done.unwrap_or_else(|e| Err(Failure::new(ErrorClass::Transient, e.to_string(), "write task", "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_written_than_there_is_room_for() {
        let room = Room { most: 3 * BATCH_BYTES as u64, taken: AtomicU64::new(0) };
        assert_eq!((0..10).filter(|_| room.take()).count(), 3);
    }
}
