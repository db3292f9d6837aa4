//! Reads the blocks of a consistent point ahead of the writer: in order, several at once, within the worker's memory.
//!
//! Every block is read exactly once, as a whole file. While it is in memory the engine verifies it (its own checksums,
//! block by block), then it gets ours, is compressed and sealed where that was asked, and is framed. A block that its
//! engine has compressed already is not compressed again.

use super::share::{TenantShare, share};
use crate::disk::{blocking, io_failure};
use futures::stream::{self, Stream, StreamExt};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_engine_api::{CheckpointBlock, LogStream};
use strandline_format::blocks::{BlockBuffer, Coding, EncodedBlock, encode_macroblock};
use strandline_format::compress::Compressor;
use strandline_types::limits::BLOCKS_IN_FLIGHT_MAX;
use strandline_types::{ErrorClass, Failure};
use strandline_worker_core::backup_plan::PlannedBlock;
use tokio::sync::OwnedSemaphorePermit;

const REBUILD: &str = "try another replica; remove this one and let it be rebuilt from the others";

/// One block in memory; its room is free again when it is dropped.
#[derive(Debug)]
pub(super) struct ReadBlock {
    pub(super) planned: PlannedBlock,
    /// `None` for a block that lies on the medium already: nothing of it was read.
    pub(super) encoded: Option<EncodedBlock>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Where blocks come from and what is done to them.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) source: Arc<dyn LogStream>,
    pub(super) dir: PathBuf,
    pub(super) coding: Coding,
    pub(super) tenant: Arc<TenantShare>,
}

/// The blocks, in order.
pub(super) fn read_ahead(
    reading: Reading,
    blocks: Vec<PlannedBlock>,
) -> impl Stream<Item = Result<ReadBlock, Failure>> + Send {
    // Room is taken one block after the other: a later block never holds what an earlier one waits for.
    stream::iter(blocks)
        .then(|planned| async move {
            let room = if planned.known.is_some() { None } else { share().memory(planned.block.bytes).await };
            (room, planned)
        })
        .map(move |(room, planned)| {
            let reading = reading.clone();
            async move {
                let encoded = match planned.known {
                    Some(_) => None,
                    None => Some(reading.encode(&planned).await?),
                };
                Ok(ReadBlock { planned, encoded, _room: room })
            }
        })
        .buffered(BLOCKS_IN_FLIGHT_MAX)
}

impl Reading {
    async fn encode(self, planned: &PlannedBlock) -> Result<EncodedBlock, Failure> {
        let (block, logical) = (planned.block.clone(), planned.logical);
        let thread = self.tenant.thread().await;
        blocking(move || {
            let _thread = thread;
            let path = self.dir.join(&block.file_name);
            let plain = read_block_file(&block, &path)?;
            let facts = self.source.check_block(&block, plain.payload())?;
            let mut coding = self.coding;
            if facts.compressed {
                coding.compressor = Compressor::None;
            }
            Ok(encode_macroblock(plain, logical, &coding))
        })
        .await
    }
}

fn read_block_file(block: &CheckpointBlock, path: &Path) -> Result<BlockBuffer, Failure> {
    // The bound on a block's length is checked in the plan.
    let mut buffer = BlockBuffer::with_room(block.bytes as usize);
    let read = File::open(path).and_then(|mut file| file.read_to_end(buffer.tail()));
    let read = read.map_err(|e| io_failure("read a block", path, &e))?;
    if read as u64 != block.bytes {
        return Err(Failure::new(
            ErrorClass::Corrupt,
            format!("a block has {read} bytes, its replica says {}", block.bytes),
            format!("tablet {}, file {}", block.tablet, path.display()),
            REBUILD,
        ));
    }
    Ok(buffer)
}
