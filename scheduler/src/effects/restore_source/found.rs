//! The sets and pieces that were chosen, and the restore source of the State that is made of them.

use super::sources::{last, no_set};
use strandline_catalogue::{Choice, PieceEntry, Place, PlaceId, Role, SetEntry};
use strandline_format::paths::SetName;
use strandline_format::paths::backup::complement_log_dir;
use strandline_format::pb;
use strandline_reader::Scan;
use strandline_scheduler_core::state::{ArchivedLog, RestoreSource, SourceLs};
use strandline_types::{Address, BackupSetId, ErrorClass, Failure, LsId, Lsn, PalfBase, RetryId, Scn, Secret, TurnId};

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
    pub(super) addresses: Vec<Address>,
    pub(super) key_source: String,
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
