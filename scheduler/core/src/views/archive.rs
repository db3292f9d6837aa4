//! Rounds, pieces, destinations and log-stream progress of the archive (fact sheet 2.1).

use super::value::{bytes_display, n, ratio, scn, scn_display, t};
use super::{Build, Table, Value};
use crate::state::{LsPiece, LsProgress, PieceRow, Round, State};
use strandline_types::{ARCHIVE_COMPATIBLE, FileStatus, INCARNATION, LsId, PieceId, limits};

/// The original's archive unit; ours is the same.
const UNIT_BYTES: u64 = 16_384;

const ROUND_COLUMNS: [&str; 31] = [
    "TENANT_ID",
    "DEST_ID",
    "ROUND_ID",
    "INCARNATION",
    "DEST_NO",
    "STATUS",
    "START_SCN",
    "START_SCN_DISPLAY",
    "CHECKPOINT_SCN",
    "CHECKPOINT_SCN_DISPLAY",
    "COMPATIBLE",
    "BASE_PIECE_ID",
    "USED_PIECE_ID",
    "PIECE_SWITCH_INTERVAL",
    "UNIT_SIZE",
    "COMPRESSION",
    "INPUT_BYTES",
    "INPUT_BYTES_DISPLAY",
    "OUTPUT_BYTES",
    "OUTPUT_BYTES_DISPLAY",
    "COMPRESSION_RATIO",
    "DELETED_INPUT_BYTES",
    "DELETED_INPUT_BYTES_DISPLAY",
    "DELETED_OUTPUT_BYTES",
    "DELETED_OUTPUT_BYTES_DISPLAY",
    "COMMENT",
    "PATH",
    "MAX_SCN",
    "MAX_SCN_DISPLAY",
    "BINDING",
    "STATUS_SINCE",
];

const PIECE_COLUMNS: [&str; 24] = [
    "TENANT_ID",
    "DEST_ID",
    "ROUND_ID",
    "PIECE_ID",
    "INCARNATION",
    "DEST_NO",
    "STATUS",
    "START_SCN",
    "START_SCN_DISPLAY",
    "CHECKPOINT_SCN",
    "CHECKPOINT_SCN_DISPLAY",
    "MAX_SCN",
    "END_SCN",
    "END_SCN_DISPLAY",
    "COMPATIBLE",
    "UNIT_SIZE",
    "COMPRESSION",
    "INPUT_BYTES",
    "INPUT_BYTES_DISPLAY",
    "OUTPUT_BYTES",
    "OUTPUT_BYTES_DISPLAY",
    "COMPRESSION_RATIO",
    "FILE_STATUS",
    "PATH",
];

/// The newest round of each archive destination of each tenant.
pub(super) fn current_rounds(state: &State) -> Table {
    rounds(state.tenants.keys().flat_map(|id| state.newest_rounds(*id).into_values()))
}

/// Every round.
pub(super) fn all_rounds(state: &State) -> Table {
    rounds(state.rounds.values())
}

fn rounds<'a>(rounds: impl Iterator<Item = &'a Round>) -> Table {
    let mut view = Build::new(&ROUND_COLUMNS);
    for r in rounds {
        let input: u64 = r.progress.values().map(LsProgress::input_bytes).sum();
        let output: u64 = r.progress.values().map(LsProgress::output_bytes).sum();
        let used = r.pieces.keys().next_back().copied().unwrap_or(r.clock.base_piece);
        let deleted = r.pieces.values().filter(|p| p.file_status == FileStatus::Deleted);
        let (del_in, del_out) = deleted.fold((0, 0), |s, p| (s.0 + p.input_bytes, s.1 + p.output_bytes));
        view.row([
            n(r.tenant_id.0),
            n(r.dest_id.0),
            n(r.round_id.0),
            n(INCARNATION),
            n(r.dest_no.0),
            t(r.state),
            scn(r.clock.round_start),
            scn_display(r.clock.round_start),
            scn(r.checkpoint_scn),
            scn_display(r.checkpoint_scn),
            n(ARCHIVE_COMPATIBLE),
            n(r.clock.base_piece.0),
            n(used.0),
            n(r.clock.interval_ns / 1000),
            n(UNIT_BYTES),
            t(r.options.compression),
            n(input),
            bytes_display(input),
            n(output),
            bytes_display(output),
            ratio(input, output),
            n(del_in),
            bytes_display(del_in),
            n(del_out),
            bytes_display(del_out),
            t(comment(r)),
            t(&r.uri),
            scn(r.max_scn),
            scn_display(r.max_scn),
            t(r.options.binding),
            super::value::time(Some(r.state_since_ms)),
        ]);
    }
    view.done()
}

/// Why a round is as it is: its own comment, or what holds it up now.
pub(super) fn comment(round: &Round) -> String {
    match (&round.trouble, round.troubles().next()) {
        (Some(trouble), _) => trouble.failure.to_string(),
        (None, Some((ls, trouble))) if round.is_open() => format!("log stream {ls}: {}", trouble.failure),
        _ => round.comment.clone(),
    }
}

/// Every piece of every round.
pub(super) fn pieces(state: &State) -> Table {
    let mut view = Build::new(&PIECE_COLUMNS);
    for (round, piece) in state.rounds.values().flat_map(|r| r.pieces.values().map(move |p| (r, p))) {
        view.row(piece_row(round, piece));
    }
    view.done()
}

fn piece_row(round: &Round, p: &PieceRow) -> [Value; 24] {
    [
        n(round.tenant_id.0),
        n(p.key.dest_id.0),
        n(p.key.round_id.0),
        n(p.key.piece_id.0),
        n(INCARNATION),
        n(round.dest_no.0),
        t(p.status),
        scn(p.start_scn),
        scn_display(p.start_scn),
        scn(p.checkpoint_scn),
        scn_display(p.checkpoint_scn),
        scn(p.max_scn),
        scn(p.end_scn),
        scn_display(p.end_scn),
        n(ARCHIVE_COMPATIBLE),
        n(UNIT_BYTES),
        t(round.options.compression),
        n(p.input_bytes),
        bytes_display(p.input_bytes),
        n(p.output_bytes),
        bytes_display(p.output_bytes),
        ratio(p.input_bytes, p.output_bytes),
        t(p.file_status),
        t(&round.uri),
    ]
}

/// The parts of each LOG_ARCHIVE_DEST of each tenant.
pub(super) fn dests(state: &State) -> Table {
    let mut view = Build::new(&["TENANT_ID", "DEST_NO", "NAME", "VALUE"]);
    for (tenant, no, config) in
        state.tenants.values().flat_map(|t| t.archive.dests.iter().map(move |(no, d)| (t, no, d)))
    {
        let Some(dest) = state.destinations.get(&config.dest_id) else { continue };
        let o = &config.options;
        let parts = [
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
        for (name, value) in parts {
            view.row([n(tenant.id.0), n(no.0), t(name), t(value)]);
        }
    }
    view.done()
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

const PROGRESS_COLUMNS: [&str; 16] = [
    "TENANT_ID",
    "DEST_ID",
    "LS_ID",
    "ROUND_ID",
    "PIECE_ID",
    "INCARNATION",
    "START_SCN",
    "MIN_LSN",
    "MAX_LSN",
    "CHECKPOINT_SCN",
    "STATUS",
    "FILE_ID",
    "FILE_OFFSET",
    "INPUT_BYTES",
    "OUTPUT_BYTES",
    "COMMENT",
];

/// What the newest round of each archive destination has of each log stream, per piece. The row of the newest piece is
/// where archiving goes on.
pub(super) fn progress(state: &State) -> Table {
    let mut view = Build::new(&PROGRESS_COLUMNS);
    for r in state.tenants.keys().flat_map(|id| state.newest_rounds(*id).into_values()) {
        for (ls, p) in &r.progress {
            // Nothing archived yet: the place where it begins.
            let at_start = LsPiece {
                start_lsn: p.start_lsn,
                end_lsn: p.archived_lsn,
                checkpoint_scn: p.checkpoint_scn,
                output_bytes: 0,
            };
            let fresh = (!p.pieces.contains_key(&p.piece_id)).then_some((p.piece_id, &at_start));
            for (id, piece) in p.pieces.iter().map(|(id, piece)| (*id, piece)).chain(fresh) {
                view.row(progress_row(r, *ls, p, id, piece));
            }
        }
    }
    view.done()
}

fn progress_row(r: &Round, ls: LsId, p: &LsProgress, id: PieceId, piece: &LsPiece) -> [Value; 16] {
    // A piece that begins inside a block has a file of its own that begins there.
    let file_start = piece.start_lsn.max(piece.end_lsn.block_start());
    let trouble = p.trouble.as_ref().filter(|_| id == p.piece_id);
    [
        n(r.tenant_id.0),
        n(r.dest_id.0),
        n(ls.0),
        n(r.round_id.0),
        n(id.0),
        n(INCARNATION),
        scn(p.start_scn.max(r.clock.range(id).start)),
        n(piece.start_lsn.0),
        n(piece.end_lsn.0),
        scn(piece.checkpoint_scn),
        t(p.state),
        n(piece.end_lsn.file_id().0),
        n(limits::ARCHIVE_FILE_HEADER_BYTES + (piece.end_lsn.0 - file_start.0)),
        n(piece.input_bytes()),
        n(piece.output_bytes),
        t(trouble.map(|t| t.failure.to_string()).unwrap_or_default()),
    ]
}
