//! The tablets of one log stream at a consistent point: immutable blocks, each a file of its own.

use crate::{LogBase, SourceError, StopSignal};
use async_trait::async_trait;
use bytes::Bytes;
use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use strandline_format::index::MacroBlockId;
use strandline_types::dictionary::Dictionary;
use strandline_types::{DataKind, ErrorClass, Failure, Fingerprint, Scn, TabletId};

/// One immutable block of a consistent point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointBlock {
    /// The tablet that it belongs to.
    pub tablet: TabletId,
    /// Sys, minor or major data.
    pub kind: DataKind,
    /// Its name for the engine; restore puts the bytes back under it.
    pub file_name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// Level in the engine's tree; the engine's own number.
    pub level: u32,
    /// Equal ids mean equal bytes, on every replica and for ever.
    pub unique_id: [u8; 24],
}

impl CheckpointBlock {
    /// Its logical id: the tablet and the first 16 bytes of the unique id.
    #[must_use]
    pub fn logical_id(&self) -> MacroBlockId {
        let number = |at: usize| {
            let mut b = [0; 8];
            b.copy_from_slice(&self.unique_id[at..at + 8]);
            u64::from_be_bytes(b)
        };
        MacroBlockId { tablet_id: self.tablet, logic_version: number(0), data_seq: number(8) }
    }
}

/// Two numbers that the engine notes with a consistent point. A backup set keeps them for a person who examines it; the
/// worker never reads them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineMark {
    /// Number of the last change that is in the point.
    pub index: u64,
    /// In which epoch of the engine that change was made.
    pub epoch: u64,
}

/// A consistent point of a log stream, pinned on disk until it is dropped.
///
/// Order rule: it holds exactly the effects of the log below its base.
pub struct Checkpoint {
    /// Where the files of `blocks` lie.
    pub dir: PathBuf,
    /// The first log group that is *not* in the blocks.
    pub base: LogBase,
    /// SCN of the last effect in the blocks.
    pub scn: Scn,
    /// The engine's own note.
    pub mark: EngineMark,
    /// Every block.
    pub blocks: Vec<CheckpointBlock>,
    /// Small files of the engine (name, content) that make the blocks a store again.
    pub engine_files: Vec<(String, Bytes)>,
    /// The tenant's data dictionary as it is at the point; `None` unless this is the system log stream.
    pub dictionary: Option<Dictionary>,
    /// Releases the point when dropped.
    pub pin: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("dir", &self.dir)
            .field("base", &self.base)
            .field("scn", &self.scn)
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

/// What an engine knows of a block that is intact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFacts {
    /// It is compressed already.
    pub compressed: bool,
}

/// The tablets of one log stream.
#[async_trait]
pub trait TabletSource: Send + Sync {
    /// Takes a consistent point into `dir`, which must not exist yet.
    async fn checkpoint(&self, dir: &Path) -> Result<Checkpoint, SourceError>;

    /// Digest of the tablets' content as of `scn` (`None` = now), and the SCN that it is of. Waits for an SCN that is
    /// not applied yet; ends early once `stop` is given. `bytes` counts what was read.
    ///
    /// # Errors
    /// `Invalid` when the content has changed after `scn` (tablets keep no history), or for an engine without digests.
    async fn fingerprint(
        &self,
        _scn: Option<Scn>,
        _stop: StopSignal,
        _bytes: Arc<AtomicU64>,
    ) -> Result<(Scn, Fingerprint), SourceError> {
        let what = "this engine cannot tell a digest of its content";
        Err(Failure::new(ErrorClass::Invalid, what, "log stream", "").into())
    }

    /// Verifies a block that was read for a backup by the engine's own checksums, every byte of it; its length was
    /// checked already. Runs beside the runtime and may take as long as the bytes need.
    ///
    /// # Errors
    /// `Corrupt`, naming tablet and file, for a block that is not intact.
    fn check_block(&self, block: &CheckpointBlock, content: &[u8]) -> Result<BlockFacts, SourceError>;
}
