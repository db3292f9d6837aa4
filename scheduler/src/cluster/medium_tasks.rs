//! Orders and results of tasks over what lies on a medium: restore, validation, cleaning, drills, table recovery.

use bytes::Bytes;
use strandline_proto::{OnWire, v1};
use strandline_scheduler_core as core;
use strandline_types::{BackupSetKind, PieceKey, Scn, Secret, limits};

fn key(secret: &Secret) -> Bytes {
    Bytes::copy_from_slice(secret.expose())
}

pub fn restore_data(s: core::RestoreDataSpec) -> v1::RestoreDataSpec {
    v1::RestoreDataSpec {
        data_uri: s.data.uri.to_string(),
        backup_set_id: s.set_id.0,
        incremental: s.incremental,
        turn: s.data_turn.0,
        source_ls_id: s.source_ls_id.0,
        ls_turn: s.ls_turn.0,
        ls_retry: s.ls_retry.0,
        access: s.data.access.reveal().to_owned(),
        seal_key: key(&s.seal_key),
        chain_keys: s
            .chain_keys
            .iter()
            .map(|(set, secret)| v1::SetKey { backup_set_id: set.0, key: key(secret) })
            .collect(),
    }
}

/// The first archive stands in the order itself, the others behind it. One without pieces has nothing to read.
pub fn restore_log(s: core::RestoreLogSpec) -> v1::RestoreLogSpec {
    let mut logs = s.log.into_iter().filter(|log| !log.pieces.is_empty()).map(archived_log);
    let first = logs.next().unwrap_or_default();
    v1::RestoreLogSpec {
        archive_uri: first.archive_uri,
        pieces: first.pieces,
        source_ls_id: s.source_ls_id.0,
        base: Some(s.base.into()),
        target_scn: s.target_scn.0,
        access: first.access,
        key_source: s.key_source,
        follow: s.follow,
        more: logs.collect(),
    }
}

fn archived_log(log: core::state::ArchivedLog) -> v1::ArchivedLog {
    v1::ArchivedLog {
        archive_uri: log.from.uri.to_string(),
        access: log.from.access.reveal().to_owned(),
        pieces: log.pieces.into_iter().map(piece).collect(),
    }
}

fn piece(key: PieceKey) -> v1::RestorePiece {
    v1::RestorePiece { dest_id: key.dest_id.0, round_id: key.round_id.0, piece_id: key.piece_id.0 }
}

pub fn validate(s: core::ValidateSpec) -> v1::ValidateSpec {
    let (backup_set_id, incremental, piece) = match s.name {
        core::MediumName::Set(set, kind) => (set.0, kind == BackupSetKind::Inc, None),
        core::MediumName::Piece(key) => (0, false, Some(piece(key))),
    };
    v1::ValidateSpec {
        uri: s.at.uri.to_string(),
        access: s.at.access.reveal().to_owned(),
        level: s.level.on_wire(),
        backup_set_id,
        incremental,
        piece,
        source_ls_id: s.source_ls_id.0,
        seal_keys: s.seal_keys.iter().map(key).collect(),
        archive_key_source: s.archive_key_source,
    }
}

pub fn clean(s: core::CleanSpec) -> v1::CleanSpec {
    v1::CleanSpec {
        uri: s.uri,
        access: s.access.reveal().to_owned(),
        directories: s.directories,
        owner: Some(s.owner.into()),
    }
}

pub fn recover_table(s: core::RecoverTableSpec) -> v1::RecoverTableSpec {
    v1::RecoverTableSpec {
        source_ls_id: s.source_ls_id.0,
        data: Some(restore_data(s.data)),
        log: Some(restore_log(s.log)),
        tablets: s
            .tablets
            .into_iter()
            .map(|t| v1::TabletMap { source_tablet_id: t.source_tablet_id.0, target_table: t.target_table })
            .collect(),
        target_tenant_id: s.target_tenant_id.0,
    }
}

/// What a validation found; a worker that says too much is cut short.
pub fn validate_result(r: v1::ValidateResult) -> core::ValidateResult {
    let damage = |d: v1::Damage| core::Damage { path: d.path, kind: d.kind, detail: d.detail };
    core::ValidateResult {
        objects: r.objects,
        bytes: r.bytes,
        damage_count: r.damage_count.max(r.damages.len() as u64),
        damages: r.damages.into_iter().take(limits::DAMAGES_REPORTED_MAX).map(damage).collect(),
    }
}

pub fn fingerprint_result(r: v1::FingerprintResult) -> core::FingerprintResult {
    core::FingerprintResult { scn: Scn(r.scn), keys: r.keys, digest: r.digest.to_vec() }
}

pub fn recover_table_result(r: v1::RecoverTableResult) -> core::RecoverTableResult {
    core::RecoverTableResult { keys: r.keys, bytes_fetched: r.bytes_fetched, replayed_scn: Scn(r.replayed_scn) }
}
