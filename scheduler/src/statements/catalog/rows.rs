//! What a destination holds, as rows of the State. It only reads the medium, and the rows hold nothing from elsewhere.

use crate::clock;
use crate::statements::destination::opened;
use crate::statements::validate::objects::log_streams_in;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_catalogue::{PieceEntry, PlaceId, Role, SetEntry};
use strandline_format::pb;
use strandline_reader::{Scan, Source, scan};
use strandline_scheduler_core::state::{
    BackupSet, DestKind, DestOptions, ImportedFrom, LsPart, LsProgress, PieceRow, Restart, Round, SetSeal,
};
use strandline_scheduler_core::{ImportCatalog, MediumName};
use strandline_types::{
    ArchiveLsState, DestId, DestNo, Failure, FileStatus, JobId, LsId, Lsn, NodeId, PieceClock, PieceId, RetryId,
    RoundId, RoundState, Scn, TenantId, Term, TurnId,
};

/// Everything that a destination holds, as rows.
///
/// # Errors
/// What the medium says.
pub(super) async fn read(uri: &str) -> Result<ImportCatalog, Failure> {
    let (at, medium) = opened(uri)?;
    let found = scan(&Source::whole(Arc::clone(&medium))).await?;
    // The scan of one destination begins with its own place; what sets carry themselves follows.
    let own = &found.catalogue.places[0];
    let mut rounds = rounds_of(&found);
    for round in rounds.values_mut() {
        let mut readable = round.pieces.values().filter(|p| p.file_status == FileStatus::Available);
        if let Some(piece) = readable.next_back() {
            let streams = log_streams_in(medium.as_ref(), MediumName::Piece(piece.key)).await?;
            round.progress = streams.into_iter().map(|ls| (ls, progress(round))).collect();
        }
    }
    Ok(ImportCatalog {
        at,
        kind: if own.role == Role::Archive { DestKind::Archive } else { DestKind::Data },
        from: ImportedFrom {
            cluster_id: own.owner.cluster_id,
            cluster_name: own.cluster_name.clone(),
            tenant_id: own.owner.tenant_id,
            tenant_name: own.tenant_name.clone(),
            allow_delete: false,
        },
        name: None,
        sets: found.catalogue.sets.iter().map(|s| set_row(s, info(&found, s))).collect(),
        rounds: rounds.into_values().collect(),
    })
}

fn info<'a>(found: &'a Scan, set: &SetEntry) -> Option<&'a pb::BackupSetInfo> {
    found.infos.get(&(set.place, set.set_id)).map(|(_, info)| info)
}

fn set_row(s: &SetEntry, info: Option<&pb::BackupSetInfo>) -> BackupSet {
    let info = info.cloned().unwrap_or_default();
    let stats = info.stats.unwrap_or_default();
    let part = |p: &pb::LsTurnRetry| {
        (LsId(p.ls_id), LsPart { turn: TurnId(p.turn), retry: RetryId(p.retry), executor: NodeId(0) })
    };
    BackupSet {
        tenant_id: TenantId(0),
        set_id: s.set_id,
        job_id: JobId(0),
        dest_id: DestId(0),
        uri: String::new(),
        kind: s.kind,
        prev_full: s.prev_full,
        prev_inc: s.prev_inc,
        status: s.status,
        file_status: s.file_status,
        start_ms: Scn(info.start_time_ns).as_ms(),
        end_ms: s.end_ms,
        start_scn: Scn::MIN,
        start_replay_scn: s.start_replay_scn,
        min_restore_scn: s.min_restore_scn,
        consistent_scn: s.consistent_scn,
        input_bytes: stats.input_bytes,
        output_bytes: s.output_bytes,
        tablet_count: stats.tablet_count,
        finish_tablet_count: stats.finish_tablet_count,
        macro_block_count: stats.macro_block_count,
        file_count: stats.finish_file_count,
        meta_turn: TurnId(info.meta_turn_id),
        data_turn: s.data_turn,
        index_retry: s.index_retry,
        parts: info.log_streams.iter().map(part).collect(),
        extra_bytes: stats.extra_bytes,
        plus_archivelog: s.plus_archivelog,
        log_file_count: stats.log_file_count,
        archive_dest_id: s.archive.map_or(DestId(0), |(dest, _)| dest),
        archive_round_id: s.archive.map_or(RoundId(0), |(_, round)| round),
        seal: seal(s, &info),
        version: info.cluster_version,
        note: info.comment,
        result: info.result,
        comment: String::new(),
    }
}

/// Salt and fingerprint that a password is checked with.
fn seal(s: &SetEntry, info: &pb::BackupSetInfo) -> Option<SetSeal> {
    let salt = info.password_salt.as_ref().try_into().ok()?;
    let mut fingerprint = [0; 8];
    for (n, byte) in fingerprint.iter_mut().enumerate() {
        *byte = u8::from_str_radix(info.password_hash.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    s.is_encrypted().then_some(SetSeal { salt, fingerprint })
}

/// Rounds that have a placeholder or a piece. This cluster never writes them: all of them count as stopped.
fn rounds_of(found: &Scan) -> BTreeMap<RoundId, Round> {
    let place = PlaceId(0);
    let mut rounds = BTreeMap::new();
    for piece in found.catalogue.pieces.iter().filter(|p| p.place == place) {
        let round = rounds.entry(piece.key.round_id).or_insert_with(|| round_row(found, piece));
        round.pieces.insert(piece.key.piece_id, piece_row(piece));
        round.checkpoint_scn = round.checkpoint_scn.max(piece.checkpoint_scn);
        round.max_scn = round.checkpoint_scn;
    }
    rounds
}

fn round_row(found: &Scan, first: &PieceEntry) -> Round {
    let id = first.key.round_id;
    let told = found.catalogue.rounds.iter().find(|r| r.round_id == id);
    let start = told.map_or(first.start_scn, |r| r.start_scn);
    let ended = told.is_some_and(|r| r.ended_at.is_some());
    let now_ms = clock::now().as_ms();
    Round {
        tenant_id: TenantId(0),
        dest_id: DestId(0),
        dest_no: DestNo(0),
        uri: String::new(),
        round_id: id,
        state: RoundState::Stop,
        state_since_ms: now_ms,
        options: DestOptions::default(),
        clock: PieceClock {
            round_start: start,
            base_piece: PieceId(first.key.piece_id.0),
            interval_ns: first.end_scn.0.saturating_sub(first.start_scn.0),
        },
        begun: true,
        drained: true,
        checkpoint_scn: start,
        uncovered_since_ms: None,
        max_scn: start,
        floor: BTreeMap::new(),
        progress: BTreeMap::new(),
        waiting: BTreeMap::new(),
        published_ms: 0,
        pieces: BTreeMap::new(),
        trouble: None,
        comment: if ended { "imported" } else { "imported; it has no end: its cluster may still write it" }.to_owned(),
        stopped_ms: Some(now_ms),
        restart: Restart::None,
        lag_history: Vec::new(),
    }
}

fn piece_row(p: &PieceEntry) -> PieceRow {
    PieceRow {
        key: p.key,
        status: p.status,
        file_status: p.file_status,
        start_scn: p.start_scn,
        end_scn: p.end_scn,
        checkpoint_scn: p.checkpoint_scn,
        max_scn: p.checkpoint_scn,
        input_bytes: p.output_bytes,
        output_bytes: p.output_bytes,
        sealed: true,
    }
}

/// Of a log stream of an imported round only its existence is known.
fn progress(round: &Round) -> LsProgress {
    LsProgress {
        term: Term(0),
        state: ArchiveLsState::Stopped,
        piece_id: PieceId(0),
        start_scn: round.clock.round_start,
        start_lsn: Lsn::ZERO,
        archived_lsn: Lsn::ZERO,
        checkpoint_scn: round.checkpoint_scn,
        pieces: BTreeMap::new(),
        output_before: 0,
        behind_since_ms: None,
        requests: 0,
        trouble: None,
        gap: None,
    }
}
