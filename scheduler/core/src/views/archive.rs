//! Rounds, pieces and destinations of the archive.

use super::column::{Column, RowKind, Rows, double, text, unsigned};
use super::value::{bytes_display, n, ratio, scn, scn_display, t, time};
use super::view::{Context, Tenancy, View};
use crate::state::{LsProgress, PieceRow, Round};
use strandline_types::{ARCHIVE_COMPATIBLE, DestNo, FileStatus, INCARNATION, TenantId};

/// The original's archive unit; ours is the same.
const UNIT_BYTES: u64 = 16_384;

pub(super) static CURRENT_ROUNDS: View = View {
    name: "CDB_OB_ARCHIVELOG",
    aliases: &["CDB_OB_BACKUP_ARCHIVELOG"],
    about: "The newest round of an archive destination of a tenant.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<RoundRow> {
        of: |cx| newest_rounds(cx).into_iter().map(RoundRow::of).collect(),
        columns: ROUND_COLUMNS,
    },
};

pub(super) static ALL_ROUNDS: View = View {
    name: "CDB_OB_ARCHIVELOG_SUMMARY",
    aliases: &["CDB_OB_BACKUP_ARCHIVELOG_SUMMARY"],
    about: "A round, also one that is over.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<RoundRow> {
        of: |cx| cx.state.rounds.values().map(RoundRow::of).collect(),
        columns: ROUND_COLUMNS,
    },
};

/// The newest round of each archive destination of each tenant.
pub(super) fn newest_rounds<'a>(cx: &Context<'a>) -> Vec<&'a Round> {
    cx.state.tenants.keys().flat_map(|id| cx.state.newest_rounds(*id).into_values()).collect()
}

struct RoundRow<'a> {
    round: &'a Round,
    input_bytes: u64,
    output_bytes: u64,
    deleted_input_bytes: u64,
    deleted_output_bytes: u64,
}

impl RowKind for RoundRow<'static> {
    type Row<'a> = RoundRow<'a>;
}

impl<'a> RoundRow<'a> {
    fn of(round: &'a Round) -> Self {
        let deleted = || round.pieces.values().filter(|p| p.file_status == FileStatus::Deleted);
        Self {
            round,
            input_bytes: round.progress.values().map(LsProgress::input_bytes).sum(),
            output_bytes: round.progress.values().map(LsProgress::output_bytes).sum(),
            deleted_input_bytes: deleted().map(|p| p.input_bytes).sum(),
            deleted_output_bytes: deleted().map(|p| p.output_bytes).sum(),
        }
    }
}

const ROUND_COLUMNS: &[Column<RoundRow<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.round.tenant_id.0)),
    unsigned("DEST_ID", |r| n(r.round.dest_id.0)),
    unsigned("ROUND_ID", |r| n(r.round.round_id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("DEST_NO", |r| n(r.round.dest_no.0)),
    text("STATUS", |r| t(r.round.state)),
    unsigned("START_SCN", |r| scn(r.round.clock.round_start)),
    text("START_SCN_DISPLAY", |r| scn_display(r.round.clock.round_start)),
    unsigned("CHECKPOINT_SCN", |r| scn(r.round.checkpoint_scn)),
    text("CHECKPOINT_SCN_DISPLAY", |r| scn_display(r.round.checkpoint_scn)),
    unsigned("COMPATIBLE", |_| n(ARCHIVE_COMPATIBLE)),
    unsigned("BASE_PIECE_ID", |r| n(r.round.clock.base_piece.0)),
    unsigned("USED_PIECE_ID", |r| n(r.round.pieces.keys().next_back().unwrap_or(&r.round.clock.base_piece).0)),
    unsigned("PIECE_SWITCH_INTERVAL", |r| n(r.round.clock.interval_ns / 1000)),
    unsigned("UNIT_SIZE", |_| n(UNIT_BYTES)),
    text("COMPRESSION", |r| t(r.round.options.compression)),
    unsigned("INPUT_BYTES", |r| n(r.input_bytes)),
    text("INPUT_BYTES_DISPLAY", |r| bytes_display(r.input_bytes)),
    unsigned("OUTPUT_BYTES", |r| n(r.output_bytes)),
    text("OUTPUT_BYTES_DISPLAY", |r| bytes_display(r.output_bytes)),
    double("COMPRESSION_RATIO", |r| ratio(r.input_bytes, r.output_bytes)),
    unsigned("DELETED_INPUT_BYTES", |r| n(r.deleted_input_bytes)),
    text("DELETED_INPUT_BYTES_DISPLAY", |r| bytes_display(r.deleted_input_bytes)),
    unsigned("DELETED_OUTPUT_BYTES", |r| n(r.deleted_output_bytes)),
    text("DELETED_OUTPUT_BYTES_DISPLAY", |r| bytes_display(r.deleted_output_bytes)),
    text("COMMENT", |r| t(comment(r.round))),
    text("PATH", |r| t(&r.round.uri)),
    // Not in the original.
    unsigned("MAX_SCN", |r| scn(r.round.max_scn)),
    text("MAX_SCN_DISPLAY", |r| scn_display(r.round.max_scn)),
    text("BINDING", |r| t(r.round.options.binding)),
    text("STATUS_SINCE", |r| time(Some(r.round.state_since_ms))),
];

/// COMMENT of a round: its own trouble, or that of its first log stream that has one, or else its own comment.
pub(super) fn comment(round: &Round) -> String {
    match (&round.trouble, round.troubles().next()) {
        (Some(trouble), _) => trouble.failure.to_string(),
        (None, Some((ls, trouble))) if round.is_open() => format!("log stream {ls}: {}", trouble.failure),
        _ => round.comment.clone(),
    }
}

pub(super) static PIECES: View = View {
    name: "CDB_OB_ARCHIVELOG_PIECE_FILES",
    aliases: &["CDB_OB_BACKUP_PIECE_FILES"],
    about: "A piece of a round.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<PieceOfRound> { of: pieces, columns: PIECE_COLUMNS },
};

struct PieceOfRound<'a> {
    round: &'a Round,
    piece: &'a PieceRow,
}

impl RowKind for PieceOfRound<'static> {
    type Row<'a> = PieceOfRound<'a>;
}

fn pieces<'a>(cx: &Context<'a>) -> Vec<PieceOfRound<'a>> {
    let of_round = |round: &'a Round| round.pieces.values().map(move |piece| PieceOfRound { round, piece });
    cx.state.rounds.values().flat_map(of_round).collect()
}

const PIECE_COLUMNS: &[Column<PieceOfRound<'static>>] = &[
    unsigned("TENANT_ID", |r| n(r.round.tenant_id.0)),
    unsigned("DEST_ID", |r| n(r.piece.key.dest_id.0)),
    unsigned("ROUND_ID", |r| n(r.piece.key.round_id.0)),
    unsigned("PIECE_ID", |r| n(r.piece.key.piece_id.0)),
    unsigned("INCARNATION", |_| n(INCARNATION)),
    unsigned("DEST_NO", |r| n(r.round.dest_no.0)),
    text("STATUS", |r| t(r.piece.status)),
    unsigned("START_SCN", |r| scn(r.piece.start_scn)),
    text("START_SCN_DISPLAY", |r| scn_display(r.piece.start_scn)),
    unsigned("CHECKPOINT_SCN", |r| scn(r.piece.checkpoint_scn)),
    text("CHECKPOINT_SCN_DISPLAY", |r| scn_display(r.piece.checkpoint_scn)),
    unsigned("MAX_SCN", |r| scn(r.piece.max_scn)),
    unsigned("END_SCN", |r| scn(r.piece.end_scn)),
    text("END_SCN_DISPLAY", |r| scn_display(r.piece.end_scn)),
    unsigned("COMPATIBLE", |_| n(ARCHIVE_COMPATIBLE)),
    unsigned("UNIT_SIZE", |_| n(UNIT_BYTES)),
    text("COMPRESSION", |r| t(r.round.options.compression)),
    unsigned("INPUT_BYTES", |r| n(r.piece.input_bytes)),
    text("INPUT_BYTES_DISPLAY", |r| bytes_display(r.piece.input_bytes)),
    unsigned("OUTPUT_BYTES", |r| n(r.piece.output_bytes)),
    text("OUTPUT_BYTES_DISPLAY", |r| bytes_display(r.piece.output_bytes)),
    double("COMPRESSION_RATIO", |r| ratio(r.piece.input_bytes, r.piece.output_bytes)),
    text("FILE_STATUS", |r| t(r.piece.file_status)),
    text("PATH", |r| t(&r.round.uri)),
];

pub(super) static DESTS: View = View {
    name: "CDB_OB_ARCHIVE_DEST",
    aliases: &[],
    about: "One setting of an archive destination of a tenant.",
    tenancy: Tenancy::TENANTS,
    content: &Rows::<Setting> {
        of: settings,
        columns: &[
            unsigned("TENANT_ID", |s| n(s.tenant_id.0)),
            unsigned("DEST_NO", |s| n(s.dest_no.0)),
            text("NAME", |s| t(s.name)),
            text("VALUE", |s| t(&s.value)),
        ],
    },
};

struct Setting {
    tenant_id: TenantId,
    dest_no: DestNo,
    name: &'static str,
    value: String,
}

impl RowKind for Setting {
    type Row<'a> = Self;
}

fn settings(cx: &Context<'_>) -> Vec<Setting> {
    let mut settings = Vec::new();
    for tenant in cx.state.tenants.values() {
        for (dest_no, config) in &tenant.archive.dests {
            let Some(dest) = cx.state.destinations.get(&config.dest_id) else { continue };
            let o = &config.options;
            let of_dest = [
                ("binding", o.binding.to_string()),
                ("dest_id", dest.id.to_string()),
                ("path", dest.uri.to_string()),
                ("piece_switch_interval", interval_text(o.piece_interval_s)),
                ("state", config.state.to_string()),
                ("auto_restart", o.auto_restart.to_string()),
                ("compression", o.compression.to_string()),
                ("encryption", o.encryption.to_string()),
                ("key", o.encryption.key_source().to_owned()),
                ("spool_age", format!("{}s", o.spool_age_ms / 1000)),
                ("spool_size", format!("{}MB", o.spool_bytes >> 20)),
            ];
            let (tenant_id, dest_no) = (tenant.id, *dest_no);
            settings.extend(of_dest.map(|(name, value)| Setting { tenant_id, dest_no, name, value }));
        }
    }
    settings
}

/// As it may be written in the statement again.
fn interval_text(seconds: u64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3600 == 0 => format!("{}h", s / 3600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}
