//! A row of the State as the attributes that piece files carry.

use strandline_format::pb;
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::PieceRow;
use strandline_types::{ARCHIVE_COMPATIBLE, INCARNATION};

/// The attributes of a piece; `file_count` only where the files were counted.
pub fn attr(dest: &DestRef, piece: &PieceRow, file_count: u64) -> pb::PieceAttr {
    pb::PieceAttr {
        tenant_id: dest.tenant_id.0,
        dest_id: piece.key.dest_id.0,
        round_id: piece.key.round_id.0,
        piece_id: piece.key.piece_id.0,
        incarnation: INCARNATION,
        dest_no: dest.dest_no.0.into(),
        file_count,
        start_scn: piece.start_scn.0,
        checkpoint_scn: piece.checkpoint_scn.0,
        max_scn: piece.max_scn.0,
        end_scn: piece.end_scn.0,
        compatible: ARCHIVE_COMPATIBLE,
        input_bytes: piece.input_bytes,
        output_bytes: piece.output_bytes,
        status: piece.status.to_string(),
        file_status: piece.file_status.to_string(),
        cp_file_id: 0,
        cp_file_offset: 0,
        path: dest.uri.place().to_string(),
    }
}
