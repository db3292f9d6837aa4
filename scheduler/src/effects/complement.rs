//! `complement_log/` of a set: the files that make the log which workers copied an archive of its own.
//!
//! One round with the source's start, base piece and interval, so that its pieces keep their names; all of them frozen,
//! up to the set's end. Every byte follows from the set's final row and from log files that never grow again.
//!
//! Order: format and round start → per piece start placeholder and freeze → checkpoint of the last one → round end.

use super::{checkpoint, freeze, piece, put, round};
use std::collections::BTreeMap;
use strandline_format::DataType;
use strandline_format::paths::archive::piece_dir;
use strandline_format::paths::backup::complement_log_dir;
use strandline_format::paths::{ArchivePath, SetName};
use strandline_media::Medium;
use strandline_media::identity::{DestType, Identity};
use strandline_scheduler_core::state::PieceRow;
use strandline_scheduler_core::{ComplementLog, DestRef, FreezePiece};
use strandline_types::{DestUri, Failure, FileStatus, PieceStatus, Scn};

/// Where the log of a set lies, as a destination of its own, used as the set's.
pub fn uri(dest: &DestUri, set: SetName) -> DestUri {
    dest.below(&complement_log_dir(set))
}

/// Writes all of them. `medium` is opened at [`uri`].
pub async fn write(medium: &dyn Medium, log: &ComplementLog) -> Result<(), Failure> {
    let set = SetName { id: log.set_id, kind: log.kind };
    let dest = DestRef { uri: uri(&log.dest.uri, set), dest_id: log.archive_dest_id, ..log.dest.clone() };
    let identity = Identity {
        cluster_name: dest.cluster_name.clone(),
        tenant_name: dest.tenant_name.clone(),
        cluster_id: dest.cluster_id,
        tenant_id: dest.tenant_id,
        dest_id: dest.dest_id,
        dest_type: DestType::Archive,
    };
    let format = identity.path_format(&medium.uri(), Scn::from_ms(log.created_ms));
    put::first(medium, &ArchivePath::Format.path(), DataType::Format, &format).await?;
    round::start(medium, dest.dest_id, log.round_id, &log.clock).await?;

    let there = medium.list_dirs("").await?;
    let mut frozen: Vec<PieceRow> = Vec::new();
    for row in log.pieces.iter().map(|row| final_row(row, log.checkpoint_scn)) {
        // The end of the log may have been found before the last piece that could have held it.
        if !there.contains(&piece_dir(row.key)) {
            continue;
        }
        piece::start(medium, row.key, row.start_scn).await?;
        let step = FreezePiece {
            dest: dest.clone(),
            piece: row,
            log_streams: log.log_streams.clone(),
            // Copied log is never sealed: its headers say where it begins.
            start_lsns: BTreeMap::new(),
            frozen: frozen.clone(),
        };
        freeze::freeze(medium, &step).await?;
        frozen.push(row);
    }
    let last = frozen.iter().rev().find(|row| row.start_scn <= log.checkpoint_scn);
    if let Some(last) = last {
        checkpoint::publish(medium, &dest, last, log.checkpoint_scn, None).await?;
    }
    round::end(medium, dest.dest_id, log.round_id, &log.clock, log.checkpoint_scn).await
}

/// The piece as the set needs it: what the source's piece becomes later is not its matter.
fn final_row(row: &PieceRow, end: Scn) -> PieceRow {
    let checkpoint_scn = end.min(row.end_scn.prev()).max(row.start_scn);
    PieceRow {
        status: PieceStatus::Frozen,
        file_status: FileStatus::Available,
        checkpoint_scn,
        max_scn: checkpoint_scn,
        input_bytes: 0,
        output_bytes: 0,
        sealed: true,
        ..*row
    }
}
