//! Orders and results of backup tasks to and from the wire.

use bytes::Bytes;
use strandline_proto::{OnWire, v1};
use strandline_scheduler_core as core;
use strandline_types::{Lsn, PieceKey, Scn};

fn seal(seal: core::SealSpec) -> v1::SetSeal {
    v1::SetSeal {
        cipher: v1::Cipher::Aes256Gcm.into(),
        key: Bytes::copy_from_slice(seal.key.expose()),
        salt: Bytes::copy_from_slice(&seal.salt),
    }
}

fn ls_turn(p: core::LsTurn) -> v1::LsTurn {
    v1::LsTurn { ls_id: p.ls_id.0, turn: p.turn.0, retry: p.retry.0 }
}

fn piece(key: PieceKey) -> v1::RestorePiece {
    let PieceKey { dest_id, round_id, piece_id } = key;
    v1::RestorePiece { dest_id: dest_id.0, round_id: round_id.0, piece_id: piece_id.0 }
}

pub fn backup_ls(s: core::BackupLsSpec) -> v1::BackupLsSpec {
    v1::BackupLsSpec {
        dest_uri: s.uri,
        backup_set_id: s.set_id.0,
        incremental: s.incremental,
        min_checkpoint_scn: s.min_checkpoint_scn.0,
        data_file_bytes: s.data_file_bytes,
        access: s.access.reveal().to_owned(),
        base_set_id: s.base.map_or(0, |b| b.set_id.0),
        base_turn: s.base.map_or(0, |b| b.turn.0),
        base_index_retry: s.base.map_or(0, |b| b.index_retry.0),
        base_incremental: s.base.is_some_and(|b| b.incremental),
        failed_retries: s.failed_retries.into_iter().map(ls_turn).collect(),
        compression: s.compression.on_wire(),
        seal: s.seal.map(seal),
        bytes_per_s_max: s.bytes_per_s_max,
        threads_max: s.threads_max,
        owner: Some(s.owner.into()),
    }
}

pub fn backup_index(s: core::BackupIndexSpec) -> v1::BackupIndexSpec {
    v1::BackupIndexSpec {
        dest_uri: s.uri,
        backup_set_id: s.set_id.0,
        incremental: s.incremental,
        parts: s.parts.into_iter().map(ls_turn).collect(),
        access: s.access.reveal().to_owned(),
        owner: Some(s.owner.into()),
    }
}

pub fn backup_log(s: core::BackupLogSpec) -> v1::BackupLogSpec {
    v1::BackupLogSpec {
        archive_uri: s.archive_uri,
        archive_access: s.archive_access.reveal().to_owned(),
        dest_uri: s.uri,
        dest_access: s.access.reveal().to_owned(),
        backup_set_id: s.set_id.0,
        incremental: s.incremental,
        pieces: s.pieces.into_iter().map(piece).collect(),
        source_ls_id: s.source_ls_id.0,
        start_lsn: s.start_lsn.0,
        end_scn: s.end_scn.0,
        archive_key_source: s.archive_key_source,
        owner: Some(s.owner.into()),
    }
}

pub fn synthetic(s: core::SyntheticSpec) -> v1::SyntheticSpec {
    v1::SyntheticSpec {
        dest_uri: s.uri,
        access: s.access.reveal().to_owned(),
        chain_set_id: s.chain.set_id.0,
        chain_incremental: s.chain.incremental,
        chain_turn: s.chain.turn.0,
        chain_index_retry: s.chain.index_retry.0,
        backup_set_id: s.set_id.0,
        source_ls_id: s.source_ls_id.0,
        ls_turn: s.ls_turn.0,
        ls_retry: s.ls_retry.0,
        data_file_bytes: s.data_file_bytes,
        seal: s.seal.map(seal),
        owner: Some(s.owner.into()),
    }
}

pub fn backup_log_result(r: v1::BackupLogResult) -> core::BackupLogResult {
    core::BackupLogResult {
        start_lsn: Lsn(r.start_lsn),
        end_lsn: Lsn(r.end_lsn),
        end_scn: Scn(r.end_scn),
        file_count: r.file_count,
        output_bytes: r.output_bytes,
    }
}
