//! The strandline on the medium: `checkpoint/checkpoint.<scn>.obarc`, zero bytes, the name is the value.
//!
//! Order: `checkpoint_info.0` once; then the new name; then exactly the old name is removed. Readers take the largest
//! name, so a failure between the steps is harmless. It is never listed and deleted: a newer leader may have gone on.
//! Where objects are locked (WORM) the old names stay until their retention ends.

use super::put;
use bytes::Bytes;
use strandline_format::DataType;
use strandline_format::paths::ArchivePath;
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::PieceRow;
use strandline_types::{ErrorClass, Failure, INCARNATION, Scn};

/// Publishes a checkpoint of a piece.
pub async fn publish(
    medium: &dyn Medium,
    dest: &DestRef,
    piece: &PieceRow,
    checkpoint_scn: Scn,
    old_scn: Option<Scn>,
) -> Result<(), Failure> {
    let key = piece.key;
    if old_scn.is_none() {
        let info = ArchivePath::CheckpointInfo { key }.path();
        put::once(medium, &info, DataType::CheckpointInfo, &constant_info(dest, piece)).await?;
    }
    medium.put_if_absent(&ArchivePath::Checkpoint { key, scn: checkpoint_scn }.path(), Bytes::new()).await?;
    if let Some(old) = old_scn.filter(|old| *old != checkpoint_scn) {
        match medium.delete(&ArchivePath::Checkpoint { key, scn: old }.path()).await {
            // The new name is there: the medium can be written, and keeps what it has.
            Err(e) if e.class == ErrorClass::Permission => tracing::debug!(error = %e, "an old checkpoint stays"),
            outcome => outcome?,
        }
    }
    Ok(())
}

/// Only what never changes of a piece: the value of the checkpoint lies in the other file's name.
fn constant_info(dest: &DestRef, piece: &PieceRow) -> pb::CheckpointInfo {
    pb::CheckpointInfo {
        tenant_id: dest.tenant_id.0,
        dest_id: piece.key.dest_id.0,
        round_id: piece.key.round_id.0,
        piece_id: piece.key.piece_id.0,
        incarnation: INCARNATION,
        compatible: strandline_types::ARCHIVE_COMPATIBLE,
        start_scn: piece.start_scn.0,
        checkpoint_scn: piece.start_scn.0,
        max_scn: piece.start_scn.0,
        end_scn: piece.end_scn.0,
    }
}
