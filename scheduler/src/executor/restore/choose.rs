//! What a restore needs, found on the media: scan, refuse what does not belong together, choose.

use super::in_time;
use crate::effects::put;
use crate::session::Settings;
use crate::sql::request::restore::{RestoreFrom, RestoreOptions, Until};
use strandline_catalogue::{Choice, Owner, Place, PlaceId, Refusal, Role, SetEntry, Target, choose};
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::identity::CODE_FORMAT_MISMATCH;
use strandline_media::split_secrets;
use strandline_reader::{Scan, open_sources, scan_all};
use strandline_scheduler_core::RestorePiece;
use strandline_scheduler_core::state::{RestoreSource, SourceLs};
use strandline_types::{Access, BackupSetId, ErrorClass, Failure, LsId, Lsn, PalfBase, RetryId, Scn, Secret, TurnId};

/// The original's number for something that is not allowed.
const NOT_ALLOWED_CODE: i32 = -4179;

/// What was found and chosen.
pub struct Found {
    /// Everything that the destinations hold.
    pub scan: Scan,
    /// What is needed of it.
    pub choice: Choice,
    /// Where the log of each log stream goes on.
    pub metas: pb::LsMetaInfos,
    /// Replicas that the source had.
    pub replicas: u32,
    access: Access,
    key_source: String,
}

/// Finds and chooses.
///
/// # Errors
/// What is missing, with the nearest restorable bounds; destinations that do not belong together.
pub async fn find(
    from: &RestoreFrom,
    until: Until,
    settings: &Settings,
    options: &RestoreOptions,
) -> Result<Found, Failure> {
    let uris: Vec<String> = match from {
        RestoreFrom::Destinations { data, archive } => [data].into_iter().chain(archive).cloned().collect(),
        RestoreFrom::Added => settings.sources.clone(),
    };
    if uris.is_empty() {
        let todo = "name them with FROM '<data uri>,<archive uri>', or with ALTER SYSTEM ADD RESTORE SOURCE";
        return Err(Failure::new(ErrorClass::Invalid, "the restore has no source", "RESTORE", todo));
    }
    in_time(&uris[0], read(from, &uris, until, options)).await
}

async fn read(from: &RestoreFrom, uris: &[String], until: Until, options: &RestoreOptions) -> Result<Found, Failure> {
    if let Some(uri) = uris.iter().find(|u| u.starts_with("mem://")) {
        let todo = "use file:// and an absolute path, for example file:///backup/archive";
        return Err(Failure::new(ErrorClass::Invalid, "a destination in memory keeps nothing", uri, todo));
    }
    let apart: Vec<(String, String)> = uris.iter().map(|u| split_secrets(u)).collect();
    let sources = open_sources(apart.iter().map(|(uri, access)| (uri.as_str(), access.as_str())))?;
    let scan = scan_all(&sources).await?;
    check_roles(from, &scan)?;
    check_owners(&scan)?;
    let target = match until {
        Until::Latest => Target::Newest,
        Until::Scn(scn) => Target::Scn(scn),
    };
    let choice = choose(&scan.catalogue, target).map_err(|refusal| why(&scan, refusal))?;
    let set = last(&choice)?;
    if let Some(other) = choice.sets.iter().find(|s| s.place != set.place) {
        let todo = "copy the sets of one chain into one destination";
        let what = "restore from multiple tenant backup paths is not supported";
        return Err(Failure::new(ErrorClass::Invalid, what, format!("backup set {}", other.set_id), todo)
            .with_code(NOT_ALLOWED_CODE));
    }
    let medium = scan.medium(set.place).ok_or_else(no_set)?;
    let name = SetName { id: set.set_id, kind: set.kind };
    let metas =
        put::read(medium.as_ref(), &BackupPath::LsMetaInfos { set: name }.path(), DataType::LsMetaInfos).await?;
    let path = BackupPath::LocalityInfo { set: name }.path();
    let locality = put::find::<pb::LocalityInfo>(medium.as_ref(), &path, DataType::LocalityInfo).await?;
    let replicas = locality.map_or(1, |l| l.replica_count).max(1);
    // All parts of one restore are reached with the same keys.
    let access = apart.into_iter().map(|(_, access)| access).find(|a| !a.is_empty()).unwrap_or_default();
    Ok(Found { scan, choice, metas, replicas, access: Access::new(access), key_source: options.key_source.clone() })
}

/// Without any usable set, what could not be read is the reason and not the absence that follows from it.
fn why(scan: &Scan, refusal: Refusal) -> Failure {
    match (&refusal, scan.problems.first()) {
        (Refusal::NoSet { .. }, Some(problem)) => {
            let todo = match problem.class {
                ErrorClass::Corrupt => "restore from another copy of the destination, or take a new full backup",
                _ => "restore with a cluster of that version",
            };
            Failure::new(problem.class, problem.what.clone(), problem.object.clone(), todo)
        }
        _ => refusal.into(),
    }
}

/// `FROM` names a data backup, then an archive.
fn check_roles(from: &RestoreFrom, scan: &Scan) -> Result<(), Failure> {
    let RestoreFrom::Destinations { data, archive } = from else { return Ok(()) };
    if archive.as_ref() == Some(data) {
        let todo = "give RESTORE … FROM '<data backup uri>,<archive uri>', in this order";
        let what = "one destination cannot be backup_data and archive_log at once";
        return Err(Failure::new(ErrorClass::Invalid, what, data.clone(), todo).with_code(CODE_FORMAT_MISMATCH));
    }
    let named = scan.catalogue.places.iter().filter(|p| p.of_set.is_none());
    for (place, wanted) in named.zip([(Role::Backup, "backup_data"), (Role::Archive, "archive_log")]) {
        if place.role != wanted.0 {
            let is = if place.role == Role::Archive { "archive_log" } else { "backup_data" };
            let todo = "give RESTORE … FROM '<data backup uri>,<archive uri>', in this order";
            let what = format!("this is the kind of destination {is}, not {}", wanted.1);
            return Err(
                Failure::new(ErrorClass::Invalid, what, place.uri.clone(), todo).with_code(CODE_FORMAT_MISMATCH)
            );
        }
    }
    Ok(())
}

/// Everything has to be of one tenant of one cluster.
fn check_owners(scan: &Scan) -> Result<(), Failure> {
    let mut places = scan.catalogue.places.iter();
    let Some(first) = places.next() else { return Err(no_set()) };
    let shown = |o: Owner| format!("tenant {} of cluster {}", o.tenant_id, o.cluster_id);
    match places.find(|p| p.owner != first.owner) {
        None => Ok(()),
        Some(other) => {
            let what = format!("{} is of {}, this is of {}", first.uri, shown(first.owner), shown(other.owner));
            let todo = "give destinations of one tenant";
            Err(Failure::new(ErrorClass::Invalid, what, other.uri.clone(), todo).with_code(NOT_ALLOWED_CODE))
        }
    }
}

fn no_set() -> Failure {
    Failure::new(ErrorClass::NotFound, "no backup set was chosen", "backup sets", "take a full backup")
}

/// The set that is restored: the last one of the chain.
fn last(choice: &Choice) -> Result<&SetEntry, Failure> {
    choice.sets.last().ok_or_else(no_set)
}

impl Found {
    /// What the set's own info file says.
    pub fn info(&self, set: &SetEntry) -> Option<&pb::BackupSetInfo> {
        self.scan.infos.get(&(set.place, set.set_id)).map(|(_, info)| info)
    }

    fn place(&self, id: PlaceId) -> Result<&Place, Failure> {
        self.scan.catalogue.place(id).ok_or_else(no_set)
    }

    /// Where a worker reads a place: a set's own archive lies below the set.
    fn uri(&self, id: PlaceId) -> Result<String, Failure> {
        let place = self.place(id)?;
        let Some(set) = place.of_set else { return Ok(place.uri.clone()) };
        let entry = self.scan.catalogue.sets.iter().find(|s| s.set_id == set).ok_or_else(no_set)?;
        let name = SetName { id: entry.set_id, kind: entry.kind };
        Ok(crate::effects::complement::uri(&self.place(entry.place)?.uri, name))
    }

    /// Everything that the job needs. `keys`: of each encrypted set of the chain.
    pub fn source(&self, keys: Vec<(BackupSetId, Secret)>) -> Result<RestoreSource, Failure> {
        let set = last(&self.choice)?;
        let place = self.place(set.place)?;
        let info = self.info(set);
        let archive_uri = self.choice.pieces.first().map_or_else(|| Ok(String::new()), |p| self.uri(p.place))?;
        let mut pieces = Vec::with_capacity(self.choice.pieces.len());
        for piece in &self.choice.pieces {
            let uri = self.uri(piece.place)?;
            pieces.push(RestorePiece { key: piece.key, uri: if uri == archive_uri { String::new() } else { uri } });
        }
        let seal_key = keys.iter().find(|(id, _)| *id == set.set_id).map(|(_, k)| k.clone()).unwrap_or_default();
        Ok(RestoreSource {
            data_uri: place.uri.clone(),
            archive_uri,
            access: self.access.clone(),
            key_source: self.key_source.clone(),
            cluster_name: place.cluster_name.clone(),
            cluster_version: info.map(|i| i.cluster_version.clone()).unwrap_or_default(),
            tenant_id: place.owner.tenant_id,
            tenant_name: place.tenant_name.clone(),
            set_id: set.set_id,
            set_kind: set.kind,
            sets: self.choice.sets.iter().map(|s| (s.set_id, s.kind)).collect(),
            data_turn: set.data_turn,
            log_streams: self.log_streams()?,
            pieces,
            total_bytes: self.choice.sets.iter().map(|s| s.output_bytes).sum(),
            log_bytes: self.choice.pieces.iter().map(|p| p.output_bytes).sum(),
            tablet_count: info.and_then(|i| i.stats).unwrap_or_default().tablet_count,
            seal_key,
            chain_keys: keys.into_iter().filter(|(id, _)| *id != set.set_id).collect(),
        })
    }

    fn log_streams(&self) -> Result<Vec<SourceLs>, Failure> {
        let one = |meta: &pb::LsMetaInfo| {
            let base = meta.base.ok_or_else(|| {
                let object = format!("log stream {}", meta.ls_id);
                let what = "its meta does not say where log replay begins";
                Failure::new(ErrorClass::Corrupt, what, object, "use another backup set")
            })?;
            Ok(SourceLs {
                ls_id: LsId(meta.ls_id),
                base: PalfBase {
                    lsn: Lsn(base.lsn),
                    prev_log_id: base.prev_log_id,
                    prev_accumulated_checksum: base.prev_accumulated_checksum,
                    prev_scn: Scn(base.prev_scn),
                },
                turn: TurnId(meta.turn),
                retry: RetryId(meta.retry),
            })
        };
        self.metas.log_streams.iter().map(one).collect()
    }
}
