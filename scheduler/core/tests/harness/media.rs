//! Media of one tenant that know in which order they may be written: work that comes out of order fails the test. What
//! lies on them is what a scan would find.

use std::collections::{BTreeMap, BTreeSet};
use strandline_scheduler_core::state::{BackupSet, PieceRow};
use strandline_scheduler_core::*;
use strandline_types::*;

#[derive(Clone, Debug, Default)]
pub struct Media {
    pub claimed: BTreeSet<DestId>,
    pub rounds: BTreeMap<RoundId, RoundFiles>,
    pub pieces: BTreeMap<PieceKey, PieceFiles>,
    pub sets: BTreeMap<BackupSetId, SetFiles>,
    /// Pieces that were ever frozen, also those that are deleted: later pieces name them.
    frozen: BTreeSet<PieceKey>,
    going: BTreeSet<MediumName>,
}

#[derive(Clone, Debug)]
pub struct RoundFiles {
    pub start: Scn,
    pub end: Option<Scn>,
}

#[derive(Clone, Debug)]
pub struct PieceFiles {
    pub start: Scn,
    pub has_infos: bool,
    pub checkpoint: Option<Scn>,
    pub frozen: Option<PieceRow>,
}

#[derive(Clone, Debug)]
pub struct SetFiles {
    pub kind: BackupSetKind,
    pub has_log: bool,
    pub infos: Option<BackupSet>,
    /// Whether its end placeholder says success.
    pub end: Option<bool>,
}

impl PieceFiles {
    /// It may still grow. A bare start, that a leader wrote and died on, is nobody's once its round stops: nothing came in.
    fn is_open(&self) -> bool {
        self.has_infos && self.frozen.is_none()
    }
}

impl Media {
    /// Does a piece of work. It may have been done before.
    pub fn take(&mut self, work: &MediumWork) {
        match work {
            MediumWork::Format { dest, .. } => {
                self.claimed.insert(dest.dest_id);
            }
            MediumWork::RoundStart { dest, round, clock } => {
                assert!(self.claimed.contains(&dest.dest_id), "round {round} in a destination that is nobody's");
                let there = self.rounds.entry(*round).or_insert(RoundFiles { start: clock.round_start, end: None });
                assert_eq!(there.start, clock.round_start, "a start never changes");
            }
            MediumWork::PieceStart { key, start_scn, .. } => self.start_piece(*key, *start_scn),
            MediumWork::PieceInfos { piece, frozen, .. } => self.write_infos(piece.key, frozen),
            MediumWork::PublishCheckpoint { piece, checkpoint_scn, old_scn, .. } => {
                self.publish(piece.key, *checkpoint_scn, *old_scn);
            }
            MediumWork::FreezePiece(work) => self.freeze(work),
            MediumWork::RoundEnd { round, checkpoint_scn, .. } => self.end_round(*round, *checkpoint_scn),
            MediumWork::SetStart { .. }
            | MediumWork::ComplementLog(_)
            | MediumWork::SetInfos(_)
            | MediumWork::SetEnd { .. } => self.take_of_set(work),
            MediumWork::CleanBegin(work) => {
                self.going.insert(work.name);
            }
            MediumWork::CleanRest(work) => self.remove(work.name),
            _ => {}
        }
    }

    fn start_piece(&mut self, key: PieceKey, start: Scn) {
        let round = self.rounds.get(&key.round_id).unwrap_or_else(|| panic!("piece {key} before its round"));
        assert!(round.end.is_none() || self.pieces.contains_key(&key), "piece {key} in a round that is over");
        let fresh = PieceFiles { start, has_infos: false, checkpoint: None, frozen: None };
        assert_eq!(self.pieces.entry(key).or_insert(fresh).start, start, "a start never changes");
    }

    /// Infos are written once and for all: every earlier piece of the destination has to be frozen by then.
    fn write_infos(&mut self, key: PieceKey, named: &[PieceRow]) {
        let is_earlier = |k: &&PieceKey| k.dest_id == key.dest_id && **k < key;
        let open = self.pieces.iter().find(|(k, p)| is_earlier(k) && p.is_open());
        assert!(open.is_none(), "infos of {key} before {open:?} is frozen");
        let earlier: Vec<PieceKey> = self.frozen.iter().filter(is_earlier).copied().collect();
        assert_eq!(named.iter().map(|p| p.key).collect::<Vec<_>>(), earlier, "infos of {key} name all before it");
        self.piece(key).has_infos = true;
    }

    fn publish(&mut self, key: PieceKey, checkpoint: Scn, old: Option<Scn>) {
        let piece = self.piece(key);
        assert!(piece.has_infos, "a checkpoint of {key} before its infos");
        assert!(piece.frozen.is_none(), "a checkpoint of {key}, which is frozen");
        assert!(checkpoint >= piece.start, "a checkpoint of {key} before its slice");
        assert!(piece.checkpoint.is_none_or(|there| checkpoint >= there), "the checkpoint of {key} falls");
        assert!(old <= piece.checkpoint, "{key} replaces a checkpoint that was never there");
        piece.checkpoint = Some(checkpoint);
    }

    fn freeze(&mut self, work: &FreezePiece) {
        let (key, row) = (work.piece.key, work.piece);
        let piece = self.piece(key);
        assert!(piece.has_infos, "{key} is frozen before its infos");
        assert!(piece.checkpoint.is_none_or(|c| c <= row.checkpoint_scn), "{key} is frozen below its checkpoint");
        // It may have been frozen by a leader that then died: with the same figures.
        assert!(piece.frozen.is_none_or(|there| there == row), "{key} is frozen twice: {:?} and {row:?}", piece.frozen);
        piece.frozen = Some(row);
        self.frozen.insert(key);
    }

    fn end_round(&mut self, id: RoundId, checkpoint: Scn) {
        let open = self.pieces.iter().find(|(k, p)| k.round_id == id && p.is_open());
        assert!(open.is_none(), "the end of round {id} before {open:?} is frozen");
        let round = self.rounds.get_mut(&id).unwrap_or_else(|| panic!("the end of round {id} before its start"));
        assert!(round.end.is_none_or(|there| there == checkpoint), "round {id} ends twice");
        round.end = Some(checkpoint);
    }

    fn take_of_set(&mut self, work: &MediumWork) {
        match work {
            MediumWork::SetStart { dest, set, kind } => {
                assert!(self.claimed.contains(&dest.dest_id), "set {set} in a destination that is nobody's");
                let fresh = SetFiles { kind: *kind, has_log: false, infos: None, end: None };
                assert_eq!(self.sets.entry(*set).or_insert(fresh).kind, *kind);
            }
            MediumWork::ComplementLog(log) => {
                let set = self.set(log.set_id);
                assert!(set.end.is_none() || set.has_log, "log comes into set {}, which is over", log.set_id);
                set.has_log = true;
            }
            MediumWork::SetInfos(infos) => {
                let (id, row) = (infos.set.set_id, infos.set.clone());
                let set = self.set(id);
                assert!(set.end.is_none() && set.has_log == row.plus_archivelog, "infos of set {id} come too early");
                set.infos = Some(row);
            }
            MediumWork::SetEnd { set: row, success, .. } => {
                let (id, is_success) = (row.set_id, *success);
                let set = self.set(id);
                assert!(set.end.is_none_or(|there| there == is_success), "set {id} has two ends");
                let has_infos = set.infos.as_ref() == Some(&**row);
                assert!(has_infos || !is_success, "set {id} is a success without infos that say so");
                set.end = Some(is_success);
            }
            _ => {}
        }
    }

    fn remove(&mut self, name: MediumName) {
        assert!(self.going.contains(&name), "{name} goes, and readers still list it");
        match name {
            MediumName::Set(id, _) => drop(self.sets.remove(&id)),
            MediumName::Piece(key) => drop(self.pieces.remove(&key)),
        }
    }

    fn piece(&mut self, key: PieceKey) -> &mut PieceFiles {
        self.pieces.get_mut(&key).unwrap_or_else(|| panic!("piece {key} has no start"))
    }

    fn set(&mut self, id: BackupSetId) -> &mut SetFiles {
        self.sets.get_mut(&id).unwrap_or_else(|| panic!("set {id} has no start"))
    }

    /// Nothing that the State says is there is missing: what it says was on the media first.
    pub fn bear_out(&self, state: &State) {
        for dest in state.destinations.values().filter(|d| d.formatted) {
            assert!(self.claimed.contains(&dest.id), "destination {} is not claimed", dest.id);
        }
        for round in state.rounds.values().filter(|r| r.begun) {
            let files = &self.rounds[&round.round_id];
            assert!(round.is_open() || files.end == Some(round.checkpoint_scn), "round {}: {files:?}", round.round_id);
            let is_there = |p: &&PieceRow| !matches!(p.file_status, FileStatus::Deleting | FileStatus::Deleted);
            for row in round.pieces.values().filter(is_there) {
                let files = &self.pieces[&row.key];
                let is_published = files.has_infos && files.checkpoint >= Some(row.checkpoint_scn);
                assert!(row.file_status != FileStatus::Available || is_published, "{row:?}: {files:?}");
                assert!(row.status != PieceStatus::Frozen || files.frozen == Some(*row), "{row:?}: {files:?}");
            }
        }
        let is_whole = |s: &&BackupSet| s.status == BackupSetStatus::Success && s.file_status == FileStatus::Available;
        for set in state.backup_sets.values().filter(is_whole) {
            assert_eq!(self.sets[&set.set_id].end, Some(true), "set {}", set.set_id);
        }
    }
}
