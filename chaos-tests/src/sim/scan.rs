//! What a reader of the medium finds, by the rules of the production scan: from names alone, and from what the files
//! under these names hold (which State holds too).

use super::settings::TENANT;
use super::world::World;
use crate::invariants::Tree;
use strandline_catalogue::{Catalogue, Owner, PieceEntry, Place, PlaceId, Role, RoundEntry, SetEntry};
use strandline_format::paths::archive::{ArchivePath, checkpoint_dir, piece_dir};
use strandline_format::paths::backup::{BackupPath, SetName};
use strandline_scheduler_core::state::{BackupSet, PieceRow, Round};
use strandline_types::{BackupSetStatus, ClusterId, DestId, FileStatus, PieceId, PieceKey, PieceStatus, Scn};

impl World {
    /// What a reader of the medium finds.
    pub(super) fn catalogue(&self) -> Catalogue {
        let owner = Owner { cluster_id: ClusterId(1), tenant_id: TENANT };
        let place = |role, uri: &str, dest| Place {
            uri: uri.to_owned(),
            role,
            owner,
            cluster_name: "sim".to_owned(),
            tenant_name: "t".to_owned(),
            dest_id: dest,
            of_set: None,
        };
        let state = self.group.state();
        let rounds: Vec<&Round> = state.rounds.values().filter(|r| r.tenant_id == TENANT).collect();
        let sets = state.backup_sets.values().filter(|s| s.tenant_id == TENANT);
        Catalogue {
            places: vec![place(Role::Archive, "mem://sim", DestId(0)), place(Role::Backup, "mem://data", DestId(0))],
            sets: sets.filter_map(|s| self.set_entry(s)).collect(),
            pieces: rounds.iter().flat_map(|r| self.pieces_of(r)).collect(),
            rounds: rounds.iter().filter_map(|r| self.round_entry(r)).collect(),
            short: Vec::new(),
        }
    }

    /// A set that has its end placeholder; without its own info file it is broken.
    fn set_entry(&self, set: &BackupSet) -> Option<SetEntry> {
        let name = SetName { id: set.set_id, kind: set.kind };
        let end = BackupPath::SetEnd { set: name, success: true, time_scn: set.min_restore_scn }.path();
        self.medium.bytes(&end)?;
        let info = self.medium.bytes(&BackupPath::<Scn>::SingleSetInfo { set: name }.path());
        Some(SetEntry {
            place: PlaceId(1),
            kind: set.kind,
            status: BackupSetStatus::Success,
            file_status: if info.is_some() { FileStatus::Available } else { FileStatus::Broken },
            prev_full: set.prev_full,
            prev_inc: set.prev_inc,
            ..SetEntry::full(set.set_id, set.start_replay_scn, set.min_restore_scn)
        })
    }

    fn round_entry(&self, round: &Round) -> Option<RoundEntry> {
        let (dest_id, round_id) = (round.dest_id, round.round_id);
        self.medium.bytes(&ArchivePath::<Scn>::RoundStart { dest: dest_id, round: round_id }.path())?;
        let end = ArchivePath::<Scn>::RoundEnd { dest: dest_id, round: round_id }.path();
        let ended_at = self.medium.bytes(&end).and_then(|_| self.published(dest_id, round_id));
        Some(RoundEntry { place: PlaceId(0), dest_id, round_id, start_scn: round.clock.round_start, ended_at })
    }

    /// Keys of the pieces that a round may have.
    pub(super) fn piece_keys(&self, round: &Round) -> impl Iterator<Item = PieceKey> + use<> {
        let (first, last) = (round.clock.base_piece, round.clock.piece_of(Scn::from_ms(self.now_ms + 60_000)));
        let round = (round.dest_id, round.round_id);
        (first.0..=last.0).map(move |id| PieceKey { dest_id: round.0, round_id: round.1, piece_id: PieceId(id) })
    }

    fn pieces_of(&self, round: &Round) -> Vec<PieceEntry> {
        self.piece_keys(round).filter_map(|key| self.piece_entry(round, key)).collect()
    }

    /// A piece with a directory: frozen when its own file or the history in a later piece says so, else up to its newest
    /// checkpoint.
    fn piece_entry(&self, round: &Round, key: PieceKey) -> Option<PieceEntry> {
        self.medium.paths(&format!("{}/", piece_dir(key))).next()?;
        let range = round.clock.range(key.piece_id);
        let row = round.pieces.get(&key.piece_id);
        let is_frozen = self.medium.bytes(&ArchivePath::<Scn>::SinglePieceInfo { key }.path()).is_some();
        let frozen = row.filter(|r| is_frozen || (r.status == PieceStatus::Frozen && self.is_in_history(key)));
        let file_status = |row: &PieceRow| self.frozen_status(row);
        let checkpoint = self.newest_checkpoint(key);
        Some(PieceEntry {
            place: PlaceId(0),
            key,
            status: if frozen.is_some() { PieceStatus::Frozen } else { PieceStatus::Active },
            file_status: match (frozen, checkpoint) {
                (Some(row), _) => file_status(row),
                (None, Some(_)) => FileStatus::Available,
                (None, None) => FileStatus::Incomplete,
            },
            start_scn: range.start,
            end_scn: range.end,
            checkpoint_scn: frozen.map(|row| row.checkpoint_scn).or(checkpoint).unwrap_or(range.start),
            output_bytes: 0,
        })
    }

    fn newest_checkpoint(&self, key: PieceKey) -> Option<Scn> {
        let dir = format!("{}/", checkpoint_dir(key));
        let scns = self.medium.paths(&dir).filter_map(|path| match ArchivePath::parse(path)? {
            ArchivePath::Checkpoint { scn, .. } => Some(scn),
            _ => None,
        });
        scns.max()
    }

    /// The newest history of the destination names it.
    fn is_in_history(&self, key: PieceKey) -> bool {
        let rounds = self.group.state().rounds.values().filter(|r| r.dest_id == key.dest_id);
        let later = rounds.flat_map(|r| self.piece_keys(r)).filter(|k| *k > key);
        let history = |key| self.medium.bytes(&ArchivePath::<Scn>::TenantArchivePieceInfos { key }.path());
        let newest = later.filter_map(|k| Some((k, history(k)?))).max_by_key(|(k, _)| *k);
        let text = format!("{key:?}");
        newest.is_some_and(|(_, bytes)| String::from_utf8_lossy(bytes).contains(&text))
    }

    /// A frozen piece without its end placeholder is being deleted, unless everything that its list names is there.
    fn frozen_status(&self, row: &PieceRow) -> FileStatus {
        let end = ArchivePath::PieceEnd { key: row.key, time_scn: row.checkpoint_scn }.path();
        let list = ArchivePath::<Scn>::PieceFileInfo { key: row.key }.path();
        let is_listed = self.medium.bytes(&list).is_some() && self.is_whole(row.key);
        if self.medium.bytes(&end).is_some() || is_listed { FileStatus::Available } else { FileStatus::Deleting }
    }
}
