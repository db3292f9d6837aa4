//! Writing many records fast: one queue per log stream, batches of about 1 MiB, several of them in flight.
//!
//! Batches of one queue may be acknowledged in any order, so a caller that writes one key twice must call
//! [`Loader::finish`] in between. Memory is bounded: a queue that has all its batches in flight makes the caller wait.

use super::files::Record;
use super::patience::{Patience, repeated};
use super::table::Table;
use crate::Outcome;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use strandline_types::{ErrorClass, Failure, LsId, Scn};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// A batch is sent when the next record would make it larger than this.
const BATCH_BYTES: usize = 1 << 20;
/// Batches of one log stream that wait for their acknowledgement.
const BATCHES_IN_FLIGHT: usize = 4;
/// Records between the reading thread and the queues.
const RECORDS_QUEUED: usize = 32;

/// Told of every acknowledged batch: its SCN, and when the acknowledgement arrived.
pub type AckWatcher = Arc<dyn Fn(Scn, Instant) + Send + Sync>;

/// Writes records into one table.
pub struct Loader {
    table: Arc<Table>,
    queues: BTreeMap<LsId, StreamQueue>,
    in_flight: JoinSet<Outcome<()>>,
    watcher: AckWatcher,
    /// How long a batch that is refused for now is repeated; `None` = not at all.
    patience: Option<Patience>,
}

struct StreamQueue {
    batch: Vec<Record>,
    bytes: usize,
    room: Arc<Semaphore>,
}

impl Default for StreamQueue {
    fn default() -> Self {
        Self { batch: Vec::new(), bytes: 0, room: Arc::new(Semaphore::new(BATCHES_IN_FLIGHT)) }
    }
}

impl Loader {
    /// A loader without a watcher.
    pub fn new(table: Arc<Table>) -> Self {
        Self::watched(table, Arc::new(|_, _| {}))
    }

    /// A loader that repeats what is refused for now.
    pub fn patient(table: Arc<Table>) -> Self {
        Self { patience: Some(Patience::default()), ..Self::new(table) }
    }

    /// A loader that tells `watcher` of every acknowledgement.
    pub fn watched(table: Arc<Table>, watcher: AckWatcher) -> Self {
        Self { table, queues: BTreeMap::new(), in_flight: JoinSet::new(), watcher, patience: None }
    }

    /// Runs `read` on a thread of its own and writes what it sends.
    pub async fn load<T: Send + 'static>(
        &mut self,
        read: impl FnOnce(&mpsc::Sender<Record>) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let (send, mut receive) = mpsc::channel(RECORDS_QUEUED);
        let reader = tokio::task::spawn_blocking(move || read(&send));
        while let Some(record) = receive.recv().await {
            self.put(record).await?;
        }
        reader.await.map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), "reading thread", ""))?
    }

    /// Adds one record.
    pub async fn put(&mut self, record: Record) -> Outcome<()> {
        let ls = self.table.ls_of(&record.key);
        let bytes = record.key.len() + record.value.as_ref().map_or(0, Bytes::len);
        let queue = self.queues.entry(ls).or_default();
        if queue.bytes + bytes > BATCH_BYTES {
            self.send(ls).await?;
        }
        let queue = self.queues.entry(ls).or_default();
        queue.bytes += bytes;
        queue.batch.push(record);
        Ok(())
    }

    /// Sends what is left and waits for every acknowledgement.
    pub async fn finish(&mut self) -> Outcome<()> {
        let streams: Vec<LsId> = self.queues.keys().copied().collect();
        for ls in streams {
            self.send(ls).await?;
        }
        while let Some(done) = self.in_flight.join_next().await {
            ended(done)?;
        }
        Ok(())
    }

    async fn send(&mut self, ls: LsId) -> Outcome<()> {
        while let Some(done) = self.in_flight.try_join_next() {
            ended(done)?;
        }
        let queue = self.queues.entry(ls).or_default();
        if queue.batch.is_empty() {
            return Ok(());
        }
        let (batch, room) = (std::mem::take(&mut queue.batch), Arc::clone(&queue.room));
        queue.bytes = 0;
        let permit = room
            .acquire_owned()
            .await
            .map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), format!("log stream {ls}"), ""))?;
        let (table, watcher, patience) = (Arc::clone(&self.table), Arc::clone(&self.watcher), self.patience);
        self.in_flight.spawn(async move {
            let scn = write(&table, &batch, patience).await?;
            watcher(scn, Instant::now());
            drop(permit);
            Ok(())
        });
        Ok(())
    }
}

async fn write(table: &Table, batch: &[Record], patience: Option<Patience>) -> Outcome<Scn> {
    let once = || table.write(batch.to_vec());
    match patience {
        None => once().await,
        Some(patience) => repeated(patience, once, |why| eprintln!("waiting: {why}")).await,
    }
}

fn ended(done: Result<Outcome<()>, tokio::task::JoinError>) -> Outcome<()> {
    done.unwrap_or_else(|e| Err(Failure::new(ErrorClass::Transient, e.to_string(), "write task", "")))
}
