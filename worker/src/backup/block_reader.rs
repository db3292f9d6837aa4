//! Reads the blocks of a consistent point ahead of the writer: in order, several at once, within a byte budget.
//!
//! Every block is read exactly once, as a whole file; a length that is not that of the block list is corruption.

use crate::disk::{blocking, io_failure};
use crate::source::{CheckpointBlock, LogStream};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_types::limits::{BLOCK_BYTES_IN_FLIGHT_MAX, BLOCKS_IN_FLIGHT_MAX};
use strandline_types::{ErrorClass, Failure};
use strandline_worker_core::backup_plan::PlannedBlock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget is counted in units of this, so that it fits a semaphore.
const UNIT_BYTES: u64 = 1024;

/// The memory that blocks in flight may take, shared by the directories of one task.
#[derive(Clone, Debug)]
pub(super) struct BlockBudget(Arc<Semaphore>);

impl BlockBudget {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new((BLOCK_BYTES_IN_FLIGHT_MAX / UNIT_BYTES) as usize)))
    }

    /// Waits for room; a block larger than the whole budget waits until it is alone.
    async fn take(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = bytes.min(BLOCK_BYTES_IN_FLIGHT_MAX).div_ceil(UNIT_BYTES) as u32;
        // `None` only after the semaphore was closed, which nobody does.
        Arc::clone(&self.0).acquire_many_owned(units).await.ok()
    }
}

/// One block in memory; its room in the budget is free again when it is dropped.
#[derive(Debug)]
pub(super) struct ReadBlock {
    pub(super) planned: PlannedBlock,
    pub(super) content: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// The blocks, in order.
pub(super) fn read_ahead(
    source: Arc<dyn LogStream>,
    dir: PathBuf,
    blocks: Vec<PlannedBlock>,
    budget: BlockBudget,
) -> impl Stream<Item = Result<ReadBlock, Failure>> + Send {
    // Room is taken one block after the other: a later block never holds what an earlier one waits for.
    stream::iter(blocks)
        .then(move |planned| {
            let budget = budget.clone();
            async move { (budget.take(planned.block.bytes).await, planned) }
        })
        .map(move |(room, planned)| {
            let (source, path) = (Arc::clone(&source), dir.join(&planned.block.file_name));
            async move {
                let block = planned.block.clone();
                let content = blocking(move || read_block_file(&*source, &block, &path)).await?;
                Ok(ReadBlock { planned, content, _room: room })
            }
        })
        .buffered(BLOCKS_IN_FLIGHT_MAX)
}

fn read_block_file(source: &dyn LogStream, block: &CheckpointBlock, path: &Path) -> Result<Bytes, Failure> {
    let content = std::fs::read(path).map_err(|e| io_failure("read a block", path, &e))?;
    if content.len() as u64 != block.bytes {
        return Err(Failure::new(
            ErrorClass::Corrupt,
            format!("a block has {} bytes, its replica says {}", content.len(), block.bytes),
            path.display().to_string(),
            "remove this replica and let it be rebuilt from the others",
        ));
    }
    source.check_block(block, &content)?;
    Ok(Bytes::from(content))
}
