//! What a restore needs, found on the media: scan, refuse what does not belong together, choose.

use super::in_time;
use crate::effects::put;
use crate::session::Settings;
use crate::sql::request::restore::{RestoreFrom, RestoreOptions, Until};
use std::time::Duration;
use strandline_catalogue::{Choice, Owner, PieceEntry, Place, PlaceId, Refusal, Role, SetEntry, Target, choose};
use strandline_format::paths::archive::piece_dir;
use strandline_format::paths::backup::complement_log_dir;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::{DataType, pb};
use strandline_media::Looks;
use strandline_media::identity::CODE_FORMAT_MISMATCH;
use strandline_reader::{Scan, open_sources, scan as scan_one};
use strandline_scheduler_core::state::{ArchivedLog, RestoreSource, SourceLs};
use strandline_types::{
    Address, BackupSetId, ErrorClass, Failure, LsId, Lsn, PalfBase, PieceKey, RetryId, Scheme, Scn, Secret, TurnId,
};

/// The original's number for something that is not allowed.
const NOT_ALLOWED_CODE: i32 = -4179;
/// A refusal takes two scans: what lies there may change while it is looked at, and a listing may be one of before.
const SCANS: Looks = Looks { most: 2, first: Duration::from_millis(200) };
/// What helps where something may not be read.
const MAKE_READABLE: &str = "make it readable for the user of the servers, on every scheduler and worker";

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
    /// The destination that each place was found in, as it was named, with its own keys.
    addresses: Vec<Address>,
    key_source: String,
}

/// Where a restore is to look.
// One per statement: its size does not matter.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Sources {
    /// A data backup, then an archive: in this order, so that a mistaken one is noticed.
    Named {
        /// Data backup destination.
        data: Address,
        /// Archive destination.
        archive: Option<Address>,
    },
    /// Any of them, in any order.
    Added(Vec<Address>),
}

impl Sources {
    /// What a statement names, or what its session has added.
    ///
    /// # Errors
    /// `Invalid` for what is no destination.
    pub fn of(from: &RestoreFrom, settings: &Settings) -> Result<Self, Failure> {
        Ok(match from {
            RestoreFrom::Destinations { data, archive } => {
                let archive = archive.as_deref().map(Address::parse).transpose()?;
                Self::Named { data: Address::parse(data)?, archive }
            }
            RestoreFrom::Added => {
                Self::Added(settings.sources.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn all(&self) -> Vec<Address> {
        match self {
            Self::Named { data, archive } => [data].into_iter().chain(archive).cloned().collect(),
            Self::Added(all) => all.clone(),
        }
    }
}

/// Finds and chooses.
///
/// # Errors
/// What is missing, with the nearest restorable bounds; destinations that do not belong together.
pub async fn find(from: &Sources, until: Until, options: &RestoreOptions) -> Result<Found, Failure> {
    let all = from.all();
    let Some(first) = all.first() else {
        let todo = "name them with FROM '<data uri>,<archive uri>', or with ALTER SYSTEM ADD RESTORE SOURCE";
        return Err(Failure::new(ErrorClass::Invalid, "the restore has no source", "RESTORE", todo));
    };
    in_time(&first.uri, read(from, &all, until, options)).await
}

async fn read(from: &Sources, all: &[Address], until: Until, options: &RestoreOptions) -> Result<Found, Failure> {
    if let Some(address) = all.iter().find(|a| a.place().scheme == Scheme::Memory) {
        let todo = "use file:// and an absolute path, for example file:///backup/archive";
        let what = "a destination in memory keeps nothing";
        return Err(Failure::new(ErrorClass::Invalid, what, address.to_string(), todo));
    }
    let (scan, addresses, choice) = SCANS.sure(|| chosen(from, all, until)).await?;
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
    Ok(Found { scan, choice, metas, replicas, addresses, key_source: options.key_source.clone() })
}

/// What all destinations hold, and what is needed of it.
async fn chosen(from: &Sources, all: &[Address], until: Until) -> Result<(Scan, Vec<Address>, Choice), Failure> {
    let (mut scan, mut addresses) = (Scan::default(), Vec::new());
    for named in open_sources(all)? {
        let found = scan_one(&named.source).await?;
        addresses.extend(std::iter::repeat_n(named.address, found.media.len()));
        scan.absorb(found);
    }
    check_roles(from, &scan)?;
    check_owners(&scan)?;
    let target = match until {
        Until::Latest => Target::Newest,
        Until::Scn(scn) => Target::Scn(scn),
    };
    let choice = choose(&scan.catalogue, target).map_err(|refusal| why(&scan, refusal))?;
    Ok((scan, addresses, choice))
}

/// Without any usable set, what could not be read is the reason and not the absence that follows from it. What is wrong with
/// the piece that ends the log is said with it.
fn why(scan: &Scan, refusal: Refusal) -> Failure {
    if let Refusal::Lost { ended_by, .. }
    | Refusal::NoLog { ended_by, .. }
    | Refusal::OutOfReach { missing: Some((_, ended_by)), .. } = &refusal
    {
        let is_in =
            |object: &str, dir: &str| object.contains(&format!("/{dir}/")) || object.ends_with(&format!("/{dir}"));
        // Of the piece itself, or of the one whose loss cuts it off.
        let next = |key: PieceKey| PieceKey { piece_id: key.piece_id.next(), ..key };
        let dirs = ended_by.piece().into_iter().flat_map(|key| [piece_dir(key), piece_dir(next(key))]);
        let problem = dirs.map(|dir| scan.problems.iter().find(|p| is_in(&p.object, &dir))).find_map(|p| p.cloned());
        let keeps_object = matches!(refusal, Refusal::OutOfReach { .. });
        let failure = Failure::from(refusal);
        return match problem {
            // The object is the SCN that was asked for.
            Some(p) if keeps_object => {
                Failure { what: format!("{}: {}: {}", failure.what, p.object, p.what), ..failure }
            }
            Some(p) => {
                let todo = if p.class == ErrorClass::Permission { MAKE_READABLE.to_owned() } else { failure.todo };
                let class = if p.class == ErrorClass::Permission { p.class } else { failure.class };
                Failure { class, what: format!("{}: {}", failure.what, p.what), object: p.object, todo, ..failure }
            }
            None => failure,
        };
    }
    match (&refusal, scan.problems.first()) {
        (Refusal::NoSet { .. }, Some(problem)) => {
            let todo = match problem.class {
                ErrorClass::Corrupt => "restore from another copy of the destination, or take a new full backup",
                ErrorClass::Permission => MAKE_READABLE,
                _ => "restore with a cluster of that version",
            };
            Failure::new(problem.class, problem.what.clone(), problem.object.clone(), todo)
        }
        _ => refusal.into(),
    }
}

/// `FROM` names a data backup, then an archive.
fn check_roles(from: &Sources, scan: &Scan) -> Result<(), Failure> {
    let Sources::Named { data, archive } = from else { return Ok(()) };
    if archive.as_ref().is_some_and(|a| a.place() == data.place()) {
        let todo = "give RESTORE … FROM '<data backup uri>,<archive uri>', in this order";
        let what = "one destination cannot be backup_data and archive_log at once";
        return Err(Failure::new(ErrorClass::Invalid, what, data.to_string(), todo).with_code(CODE_FORMAT_MISMATCH));
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

    /// How a worker reaches a place: as its destination was named. A set's own archive lies below the set.
    fn address(&self, id: PlaceId) -> Result<Address, Failure> {
        let place = self.place(id)?;
        let address = self.addresses.get(id.0 as usize).ok_or_else(no_set)?;
        let Some(set) = place.of_set else { return Ok(address.clone()) };
        let entry = self.scan.catalogue.sets.iter().find(|s| s.set_id == set).ok_or_else(no_set)?;
        Ok(address.below(&complement_log_dir(SetName { id: entry.set_id, kind: entry.kind })))
    }

    /// The chosen pieces in order, with the archives that hold them.
    fn log(&self) -> Result<Vec<ArchivedLog>, Failure> {
        let runs = self.choice.pieces.chunk_by(|a, b| a.place == b.place);
        let of = |run: &[PieceEntry]| {
            Ok(ArchivedLog { from: self.address(run[0].place)?, pieces: run.iter().map(|p| p.key).collect() })
        };
        runs.map(of).collect()
    }

    /// A standby goes on with the archive that was named, also when the last log of its restore lies in a set.
    pub fn follow_archive(&self, source: &mut RestoreSource) {
        let mut archives = self.scan.catalogue.places.iter().zip(&self.addresses);
        let Some((_, from)) = archives.find(|(place, _)| place.role == Role::Archive) else { return };
        let is_archive = |at: &Address| self.addresses.iter().any(|a| a.place() == at.place());
        if !source.archive().is_some_and(is_archive) {
            source.log.push(ArchivedLog { from: from.clone(), pieces: Vec::new() });
        }
    }

    /// Everything that the job needs. `keys`: of each encrypted set of the chain.
    pub fn source(&self, keys: Vec<(BackupSetId, Secret)>) -> Result<RestoreSource, Failure> {
        let set = last(&self.choice)?;
        let place = self.place(set.place)?;
        let info = self.info(set);
        let seal_key = keys.iter().find(|(id, _)| *id == set.set_id).map(|(_, k)| k.clone()).unwrap_or_default();
        Ok(RestoreSource {
            data: self.address(set.place)?,
            log: self.log()?,
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
