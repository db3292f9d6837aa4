//! The sets and pieces that a validation reads, of the tenant's own destinations or of any other.

use crate::effects::open_at;
use crate::effects::restore_source::{EncryptedSet, in_time};
use crate::statements::context::Context;
use std::sync::Arc;
use strandline_catalogue::{PlaceId, Role};
use strandline_format::paths::SetName;
use strandline_media::Medium;
use strandline_reader::{Source, scan};
use strandline_scheduler_core::MediumName;
use strandline_scheduler_core::state::{Destination, MediumObject, SetSeal, State, ValidateKind};
use strandline_types::{
    Address, BackupSetKind, BackupSetStatus, DestId, ErrorClass, Failure, FileStatus, LsId, TenantId,
};

/// The sets and pieces in the destinations of a tenant: from the State, for an imported tenant from the media.
///
/// # Errors
/// What the media say.
pub(super) async fn objects_of(
    cx: &Context<'_>,
    tenant: TenantId,
    kind: ValidateKind,
    key_source: &str,
) -> Result<(Vec<MediumObject>, Vec<EncryptedSet>), Failure> {
    let is_imported = cx.node.read(|s| s.tenant(tenant).map(|t| t.imported.is_some()))?;
    if !is_imported {
        return Ok(cx.node.read(|s| (own_objects(s, tenant, kind), own_sealed(s, tenant))));
    }
    let dests: Vec<Destination> =
        cx.node.read(|s| s.destinations.values().filter(|d| d.tenant_id == tenant).cloned().collect());
    let (mut objects, mut sealed) = (Vec::new(), Vec::new());
    for dest in dests {
        let at = Address { uri: dest.uri.clone(), access: dest.access.clone() };
        let (there, keys) = in_time(&dest.uri, found_at(&at, kind, key_source)).await?;
        objects.extend(there.into_iter().map(|o| MediumObject { dest_id: dest.id, ..o }));
        sealed.extend(keys);
    }
    Ok((objects, sealed))
}

/// Encrypted sets that the State knows.
fn own_sealed(state: &State, tenant: TenantId) -> Vec<EncryptedSet> {
    let mine = state.backup_sets.values().filter(|s| s.tenant_id == tenant);
    let sealed = mine.filter_map(|s| {
        let fingerprint = SetSeal::passwd(s.seal.as_ref());
        s.seal.map(|seal| EncryptedSet { set: s.set_id, salt: seal.salt.to_vec(), fingerprint })
    });
    sealed.collect()
}

/// Of the encrypted sets, those up to the newest one that is validated: an increment names blocks of the sets before it.
pub(super) fn needed(mut sealed: Vec<EncryptedSet>, objects: &[MediumObject]) -> Vec<EncryptedSet> {
    let ids = || {
        objects.iter().filter_map(|o| match o.name {
            MediumName::Set(id, kind) => Some((id, kind)),
            MediumName::Piece(_) => None,
        })
    };
    let builds_on = ids().filter(|(_, kind)| *kind == BackupSetKind::Inc).map(|(id, _)| id).max();
    sealed.retain(|s| ids().any(|(id, _)| id == s.set) || builds_on.is_some_and(|newest| s.set < newest));
    sealed
}

/// Sets and pieces of the tenant's own destinations, without those that are being written or deleted.
fn own_objects(state: &State, tenant: TenantId, kind: ValidateKind) -> Vec<MediumObject> {
    let is_worth = |s: FileStatus| matches!(s, FileStatus::Available | FileStatus::Broken);
    let all_streams =
        || state.tenants.get(&tenant).map(|t| t.log_streams.keys().copied().collect()).unwrap_or_default();
    let object = |name, dest_id, mut log_streams: Vec<LsId>, bytes, key_source: &str| {
        let dest = state.destinations.get(&dest_id)?;
        if log_streams.is_empty() {
            log_streams = all_streams();
        }
        let at = Address { uri: dest.uri.clone(), access: dest.access.clone() };
        Some(MediumObject { name, at, dest_id, log_streams, bytes, key_source: key_source.to_owned() })
    };
    let mut found = Vec::new();
    if kind != ValidateKind::Piece {
        let sets = state.backup_sets.values().filter(|s| s.tenant_id == tenant && is_worth(s.file_status));
        found.extend(sets.filter(|s| s.status == BackupSetStatus::Success).filter_map(|s| {
            // Its log is encrypted as the archive that it was copied from.
            let round = state.rounds.get(&(tenant, s.archive_round_id));
            let key_source = round.map_or("", |r| r.options.encryption.key_source());
            let streams = s.parts.keys().copied().collect();
            object(MediumName::Set(s.set_id, s.kind), s.dest_id, streams, s.output_bytes, key_source)
        }));
    }
    if kind != ValidateKind::BackupSet {
        for round in state.rounds_of(tenant) {
            let pieces = round.pieces.values().filter(|p| is_worth(p.file_status));
            let streams: Vec<LsId> = round.progress.keys().copied().collect();
            let key_source = round.options.encryption.key_source();
            found.extend(pieces.filter_map(|p| {
                object(MediumName::Piece(p.key), round.dest_id, streams.clone(), p.output_bytes, key_source)
            }));
        }
    }
    found
}

/// Sets and pieces of any destination, found on the medium.
///
/// # Errors
/// What the medium says.
pub(super) async fn found_at(
    at: &Address,
    kind: ValidateKind,
    key_source: &str,
) -> Result<(Vec<MediumObject>, Vec<EncryptedSet>), Failure> {
    let medium = open_at(&at.uri, &at.access)?;
    let found = scan(&Source::whole(Arc::clone(&medium))).await?;
    let sets = found.infos.iter().filter(|_| kind != ValidateKind::Piece);
    let mut names: Vec<(MediumName, u64)> = sets
        .map(|(_, (name, info))| (MediumName::Set(name.id, name.kind), info.stats.unwrap_or_default().output_bytes))
        .collect();
    // A set whose infos cannot be read is validated too.
    let dirs = if kind == ValidateKind::Piece { Vec::new() } else { medium.list_dirs("").await? };
    for set in dirs.iter().filter_map(|dir| SetName::parse(dir)) {
        let name = MediumName::Set(set.id, set.kind);
        if names.iter().all(|(known, _)| *known != name) {
            names.push((name, 0));
        }
    }
    let is_archive = |p: PlaceId| found.catalogue.place(p).is_some_and(|p| p.role == Role::Archive);
    let pieces = found.catalogue.pieces.iter().filter(|p| kind != ValidateKind::BackupSet && is_archive(p.place));
    names.extend(pieces.map(|p| (MediumName::Piece(p.key), p.output_bytes)));
    let mut objects = Vec::with_capacity(names.len());
    for (name, bytes) in names {
        objects.push(MediumObject {
            name,
            at: at.clone(),
            dest_id: DestId(0),
            log_streams: log_streams_in(medium.as_ref(), name).await?,
            bytes,
            key_source: key_source.to_owned(),
        });
    }
    let sealed = found.catalogue.sets.iter().filter(|s| s.is_encrypted());
    let sealed =
        sealed.filter_map(|s| found.infos.get(&(s.place, s.set_id)).map(|(_, info)| EncryptedSet::of(s.set_id, info)));
    Ok((objects, sealed.collect()))
}

/// Log streams that have a directory in a set or piece.
///
/// # Errors
/// What the medium says.
pub async fn log_streams_in(medium: &dyn Medium, name: MediumName) -> Result<Vec<LsId>, Failure> {
    let dirs = medium.list_dirs(&name.to_string()).await?;
    let id = |dir: &String| dir.rsplit('/').next()?.strip_prefix("logstream_")?.parse().ok().map(LsId);
    Ok(dirs.iter().filter_map(id).collect())
}

/// The named ones; all of them when none is named.
///
/// # Errors
/// `NotFound` for an id that is not there.
pub(super) fn by_ids(objects: Vec<MediumObject>, ids: &[u64]) -> Result<Vec<MediumObject>, Failure> {
    if ids.is_empty() {
        return Ok(objects);
    }
    let id_of = |o: &MediumObject| match o.name {
        MediumName::Set(id, _) => id.0,
        MediumName::Piece(key) => key.piece_id.0,
    };
    if let Some(missing) = ids.iter().find(|id| !objects.iter().any(|o| id_of(o) == **id)) {
        let todo = "see CDB_OB_BACKUP_SET_FILES and CDB_OB_ARCHIVELOG_PIECE_FILES";
        let what = "there is nothing of this id to validate";
        return Err(Failure::new(ErrorClass::NotFound, what, format!("id {missing}"), todo).with_code(-9159));
    }
    Ok(objects.into_iter().filter(|o| ids.contains(&id_of(o))).collect())
}
