//! What the archive has of each log stream.

use super::archive::newest_rounds;
use super::column::{Column, RowKind, Rows, text, unsigned};
use super::value::{n, scn, t};
use super::view::{Context, Tenancy, View};
use crate::state::{LsPiece, LsProgress, Round};
use strandline_types::{INCARNATION, LsId, PieceId, limits};

pub(super) static PROGRESS: View = View {
    name: "CDB_OB_LS_LOG_ARCHIVE_PROGRESS",
    aliases: &["CDB_OB_BACKUP_ARCHIVELOG_PROGRESS"],
    about: "A log stream in a piece of the newest round of an archive destination; archiving continues in its newest piece.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<PieceProgress> { of: progress, columns: COLUMNS },
};

struct PieceProgress<'a> {
    round: &'a Round,
    ls_id: LsId,
    ls: &'a LsProgress,
    piece_id: PieceId,
    piece: LsPiece,
}

impl RowKind for PieceProgress<'static> {
    type Row<'a> = PieceProgress<'a>;
}

fn progress<'a>(cx: &Context<'a>) -> Vec<PieceProgress<'a>> {
    let streams =
        newest_rounds(cx).into_iter().flat_map(|round| round.progress.iter().map(move |(id, ls)| (round, *id, ls)));
    streams.flat_map(|(round, ls_id, ls)| of_stream(round, ls_id, ls)).collect()
}

/// The pieces that have something of a log stream, and the piece where archiving continues.
fn of_stream<'a>(round: &'a Round, ls_id: LsId, ls: &'a LsProgress) -> impl Iterator<Item = PieceProgress<'a>> {
    let without_log = LsPiece {
        start_lsn: ls.start_lsn,
        end_lsn: ls.archived_lsn,
        checkpoint_scn: ls.checkpoint_scn,
        output_bytes: 0,
    };
    let fresh = (!ls.pieces.contains_key(&ls.piece_id)).then_some((ls.piece_id, without_log));
    let pieces = ls.pieces.iter().map(|(id, piece)| (*id, *piece)).chain(fresh);
    pieces.map(move |(piece_id, piece)| PieceProgress { round, ls_id, ls, piece_id, piece })
}

const COLUMNS: &[Column<PieceProgress<'static>>] = &[
    unsigned("TENANT_ID", |p| n(p.round.tenant_id.0)),
    unsigned("DEST_ID", |p| n(p.round.dest_id.0)),
    unsigned("LS_ID", |p| n(p.ls_id.0)),
    unsigned("ROUND_ID", |p| n(p.round.round_id.0)),
    unsigned("PIECE_ID", |p| n(p.piece_id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("START_SCN", |p| scn(p.ls.start_scn.max(p.round.clock.range(p.piece_id).start))),
    unsigned("MIN_LSN", |p| n(p.piece.start_lsn.0)),
    unsigned("MAX_LSN", |p| n(p.piece.end_lsn.0)),
    unsigned("CHECKPOINT_SCN", |p| scn(p.piece.checkpoint_scn)),
    text("STATUS", |p| t(p.ls.state)),
    unsigned("FILE_ID", |p| n(p.piece.end_lsn.file_id().0)),
    unsigned("FILE_OFFSET", |p| n(file_offset(&p.piece))),
    unsigned("INPUT_BYTES", |p| n(p.piece.input_bytes())),
    unsigned("OUTPUT_BYTES", |p| n(p.piece.output_bytes)),
    text("COMMENT", |p| t(comment(p))),
];

/// Where the file with the end of the piece ends. A piece that begins inside a block has a file of its own that begins
/// there.
fn file_offset(piece: &LsPiece) -> u64 {
    let file_start = piece.start_lsn.max(piece.end_lsn.block_start());
    limits::ARCHIVE_FILE_HEADER_BYTES + (piece.end_lsn.0 - file_start.0)
}

/// The trouble of the log stream, in the row of the piece that it is archived into.
fn comment(row: &PieceProgress<'_>) -> String {
    let trouble = row.ls.trouble.as_ref().filter(|_| row.piece_id == row.ls.piece_id);
    trouble.map(|t| t.failure.to_string()).unwrap_or_default()
}
