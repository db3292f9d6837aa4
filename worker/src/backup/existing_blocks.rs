//! Finds out what of a log stream lies on the medium already: the chain that an incremental set continues, and what
//! failed retries of the same task finished.
//!
//! The chain's index must be whole: without it the task fails and names it. Of a failed retry only finished data files
//! count (their trailers and block lists are verified); anything else of it is passed over, since copying a block once
//! more is always right.

use super::ls::set_name;
use strandline_format::FormatError;
use strandline_format::blocks::{
    BlockAt, BlockContent, BlockType, TRAILER_BYTES, Trailer, read_block, read_listed_blocks,
};
use strandline_format::index::{IndexReader, KeyFingerprint, MacroIndexEntry, PhysicalId};
use strandline_format::paths::{BackupPath, IndexKind, InfoKind, SetName};
use strandline_media::{Looks, Medium};
use strandline_proto::TaskKey;
use strandline_proto::v1::{BackupLsSpec, LsTurn};
use strandline_types::{DataKind, Failure, FileId, RetryId, TurnId};
use strandline_worker_core::known::KnownBlocks;

/// What is known for the task.
pub(super) async fn known_blocks(
    medium: &dyn Medium,
    spec: &BackupLsSpec,
    id: TaskKey,
    key: Option<KeyFingerprint>,
) -> Result<KnownBlocks, Failure> {
    let mut known = KnownBlocks::of(id.ls_id);
    if spec.incremental && spec.base_set_id != 0 {
        let base = set_name(spec.base_set_id, spec.base_incremental);
        for kind in InfoKind::ALL {
            let (turn, retry) = (TurnId(spec.base_turn), RetryId(spec.base_index_retry));
            let path = BackupPath::TenantIndex { set: base, kind, turn, index: IndexKind::MacroRange, retry }.path();
            known.learn(read_index(medium, &path).await?);
        }
    }
    let set = set_name(spec.backup_set_id, spec.incremental);
    for part in spec.failed_retries.iter().filter(|p| p.ls_id == id.ls_id.0) {
        for kind in DataKind::ALL {
            learn_dir(medium, set, part, kind, id, &mut known).await;
        }
    }
    known.keep_sealed_by(set.id, key);
    Ok(known)
}

/// Every entry of an index.
pub(super) async fn read_index(medium: &dyn Medium, path: &str) -> Result<Vec<MacroIndexEntry>, Failure> {
    let look = || async {
        let file = medium.get(path).await?;
        IndexReader::parse(&file).map_err(|e| e.into_failure(object(medium, path)))
    };
    Looks::default().sure(look).await
}

/// An object, for messages.
pub(super) fn object(medium: &dyn Medium, path: &str) -> String {
    strandline_reader::object_name(&medium.uri(), path)
}

async fn learn_dir(
    medium: &dyn Medium,
    set: SetName,
    part: &LsTurn,
    kind: DataKind,
    id: TaskKey,
    known: &mut KnownBlocks,
) {
    let (turn, retry) = (TurnId(part.turn), RetryId(part.retry));
    let first = BackupPath::MacroBlockData { set, ls: id.ls_id, kind, turn, retry, n: 0 }.path();
    let dir = first.rsplit_once('/').map_or("", |(dir, _)| dir);
    let listed = match medium.list(dir).await {
        Ok(listed) => listed,
        Err(error) => {
            tracing::warn!(%error, "what a failed retry has finished is not known; its blocks are copied again");
            return;
        }
    };
    for file in listed {
        let Some(BackupPath::MacroBlockData { n, .. }) = BackupPath::parse(&file.path) else { continue };
        let place = PhysicalId {
            backup_set_id: set.id,
            ls_id: id.ls_id,
            kind,
            turn,
            retry,
            file_id: FileId(n),
            offset: 0,
            length: 0,
        };
        match Looks::default().sure(|| listed_blocks(medium, &file.path, file.bytes)).await {
            Ok(blocks) => known.learn_file(place, blocks),
            Err(failure) => tracing::warn!(%failure, "a file of a failed retry is no use; its blocks are copied again"),
        }
    }
}

/// Blocks of a data file and what its macroblocks are.
type Listed = Vec<(BlockAt, Option<BlockContent>)>;

/// The block list of a finished data file.
async fn listed_blocks(medium: &dyn Medium, path: &str, bytes: u64) -> Result<Listed, Failure> {
    let bad = |e: FormatError| e.into_failure(object(medium, path));
    let trailer_at = bytes.saturating_sub(TRAILER_BYTES as u64);
    let trailer = medium.get_range(path, trailer_at..bytes).await?;
    let trailer = Trailer::decode(&trailer).map_err(bad)?;
    let unfinished = |detail: &str| FormatError::Structure { what: "data file", at: trailer_at, detail: detail.into() };
    let end = trailer.list_offset.checked_add(trailer.list_length);
    if trailer.file_bytes != bytes || end != Some(trailer_at) {
        return Err(bad(unfinished("its trailer does not match its length")));
    }
    let list = medium.get_range(path, trailer.list_offset..trailer_at).await?;
    let block = read_block(&list).map_err(bad)?;
    if block.block_type != BlockType::IndexRoot {
        return Err(bad(unfinished("its trailer names no block list")));
    }
    read_listed_blocks(block.payload).map_err(bad)
}
