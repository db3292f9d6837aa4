//! The beginning of a piece: its start placeholder, and the list of all frozen pieces before it.

use super::piece_attr::attr;
use super::put;
use strandline_format::DataType;
use strandline_format::paths::ArchivePath;
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::PieceRow;
use strandline_types::{Failure, INCARNATION, LsId, Lsn, PieceKey, Scn};

/// `pieces/piece_…_start_<time>.obarc`.
pub async fn start(medium: &dyn Medium, key: PieceKey, start_scn: Scn) -> Result<(), Failure> {
    let message = pb::PieceStart {
        dest_id: key.dest_id.0,
        round_id: key.round_id.0,
        piece_id: key.piece_id.0,
        start_scn: start_scn.0,
    };
    let path = ArchivePath::PieceStart { key, time_scn: start_scn }.path();
    put::once(medium, &path, DataType::PieceStart, &message).await
}

/// `tenant_archive_piece_infos.obarc`: written when the checkpoint enters the piece. The first writer's history stays:
/// a piece that froze between two attempts is in the history of the next piece. `log_streams` have log in the round by
/// then, so that verification misses their files where no list names them yet.
pub async fn infos(
    medium: &dyn Medium,
    dest: &DestRef,
    piece: &PieceRow,
    (frozen, log_streams): (&[PieceRow], &[(LsId, Lsn)]),
) -> Result<(), Failure> {
    let message = pb::TenantArchivePieceInfos {
        tenant_id: dest.tenant_id.0,
        dest_id: piece.key.dest_id.0,
        round_id: piece.key.round_id.0,
        piece_id: piece.key.piece_id.0,
        incarnation: INCARNATION,
        dest_no: dest.dest_no.0.into(),
        compatible: strandline_types::ARCHIVE_COMPATIBLE,
        start_scn: piece.start_scn.0,
        end_scn: piece.end_scn.0,
        path: dest.uri.place().to_string(),
        history: frozen.iter().map(|p| attr(dest, p, 0)).collect(),
        log_streams: log_streams.iter().map(|(ls, at)| pb::PieceLogStream { ls_id: ls.0, start_lsn: at.0 }).collect(),
    };
    let path = ArchivePath::TenantArchivePieceInfos { key: piece.key }.path();
    put::first(medium, &path, DataType::TenantArchivePieceInfos, &message).await
}
