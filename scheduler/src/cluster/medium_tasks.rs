//! Orders and results of tasks over what lies on a medium: restore, validation, cleaning, drills, table recovery.

use bytes::Bytes;
use strandline_proto::v1;
use strandline_scheduler_core as core;
use strandline_types::{BackupSetKind, Scn, Secret, limits};

fn key(secret: &Secret) -> Bytes {
    Bytes::copy_from_slice(secret.expose())
}

pub fn restore_data(s: core::RestoreDataSpec) -> v1::RestoreDataSpec {
    v1::RestoreDataSpec {
        data_uri: s.data_uri,
        backup_set_id: s.set_id.0,
        incremental: s.incremental,
        turn: s.data_turn.0,
        source_ls_id: s.source_ls_id.0,
        ls_turn: s.ls_turn.0,
        ls_retry: s.ls_retry.0,
        access: s.access.reveal().to_owned(),
        seal_key: key(&s.seal_key),
        chain_keys: s
            .chain_keys
            .iter()
            .map(|(set, secret)| v1::SetKey { backup_set_id: set.0, key: key(secret) })
            .collect(),
    }
}

pub fn restore_log(s: core::RestoreLogSpec) -> v1::RestoreLogSpec {
    v1::RestoreLogSpec {
        archive_uri: s.archive_uri,
        pieces: s.pieces.into_iter().map(piece).collect(),
        source_ls_id: s.source_ls_id.0,
        base: Some(s.base.into()),
        target_scn: s.target_scn.0,
        access: s.access.reveal().to_owned(),
        key_source: s.key_source,
        follow: s.follow,
    }
}

fn piece(p: core::RestorePiece) -> v1::RestorePiece {
    v1::RestorePiece { dest_id: p.key.dest_id.0, round_id: p.key.round_id.0, piece_id: p.key.piece_id.0, uri: p.uri }
}

pub fn validate(s: core::ValidateSpec) -> v1::ValidateSpec {
    let (backup_set_id, incremental, piece) = match s.name {
        core::MediumName::Set(set, kind) => (set.0, kind == BackupSetKind::Inc, None),
        core::MediumName::Piece(key) => (0, false, Some(piece(key.into()))),
    };
    v1::ValidateSpec {
        uri: s.uri,
        access: s.access.reveal().to_owned(),
        level: s.level.number(),
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
    let source = |uri: &str, access: &str| v1::RestoreSource { uri: uri.to_owned(), access: access.to_owned() };
    v1::RecoverTableSpec {
        sources: vec![
            source(&s.data.data_uri, s.data.access.reveal()),
            source(&s.log.archive_uri, s.log.access.reveal()),
        ],
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
