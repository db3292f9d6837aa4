//! Invariant 7: a restore to S gives what the oracle held at S, for every S in a restorable window; outside the windows
//! it is refused with the nearest restorable bounds.
//!
//! The catalogue is read from the medium's names, as a reader of the medium would; choice, windows and replay are those
//! of production. What is restorable is found a second time without them, from the published checkpoints alone.

use super::content::Content;
use super::world::{Event, START_MS, TENANT, World};
use crate::invariants::{Broken, Tree};
use bytes::Bytes;
use std::collections::BTreeSet;
use strandline_catalogue::{
    Catalogue, Choice, Owner, PieceEntry, Place, PlaceId, Refusal, Role, RoundEntry, SetEntry, Target, choose,
};
use strandline_format::entry::{EntryKind, join};
use strandline_format::palf::{ArchiveFileHeader, GroupWalker};
use strandline_format::paths::archive::{ArchivePath, checkpoint_dir, ls_log_dir};
use strandline_format::paths::backup::{BackupPath, SetName};
use strandline_scheduler_core::state::{BackupSet, LsPart, Round};
use strandline_scheduler_core::{TaskKey, TaskKind};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{
    BackupSetId, BackupSetStatus, ClusterId, DestId, FileStatus, LsId, LsnRange, PalfBase, PieceKey, PieceStatus, Scn,
};
use strandline_worker_core::replay::{Fed, ReplayBatch, ReplayCore, SourceGroup};

/// SCNs that are tried each time.
const TARGETS: u64 = 4;

/// What the restores of a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restores {
    /// Log streams that were restored and compared.
    pub streams: usize,
    /// Rows in them.
    pub rows: usize,
    /// Targets that were refused, rightly.
    pub refused: usize,
}

impl World {
    /// Tries some SCNs: any, and those at the borders of what can be restored.
    pub(super) fn try_restores(&mut self) -> Result<(), Broken> {
        let next = self.rng.between(2_000, 6_000);
        self.after(next, Event::Restore);
        let catalogue = self.catalogue();
        let truth = self.restorable(&catalogue);
        let mut targets: BTreeSet<Scn> =
            truth.iter().flat_map(|(from, to)| [from.prev(), *from, *to, to.next()]).collect();
        for _ in 0..TARGETS {
            targets.insert(Scn::from_ms(self.rng.between(START_MS, self.now_ms + 1000)));
            if let Some((from, to)) = self.rng.pick(&truth) {
                targets.insert(Scn(self.rng.between(from.0, to.0 + 1)));
            }
        }
        for target in targets {
            self.try_restore(&catalogue, &truth, target)?;
        }
        Ok(())
    }

    fn try_restore(&mut self, catalogue: &Catalogue, truth: &[(Scn, Scn)], target: Scn) -> Result<(), Broken> {
        let can_be = truth.iter().any(|(from, to)| *from <= target && target <= *to);
        match choose(catalogue, Target::Scn(target)) {
            Ok(choice) if can_be => self.restore(&choice).map_err(|e| format!("restore to {target}: {e}")),
            Ok(_) => Err(format!("a restore to {target} was not refused, restorable is {truth:?}")),
            Err(refusal) if can_be => {
                Err(format!("a restore to {target} was refused ({refusal:?}), restorable is {truth:?}"))
            }
            Err(refusal) => {
                self.restores.refused += 1;
                nearest(truth, target, &refusal)
            }
        }
    }

    /// Restores every log stream of the chosen set and compares it with the oracle.
    fn restore(&mut self, choice: &Choice) -> Result<(), Broken> {
        let set = choice.sets.last().ok_or("a choice without a set")?;
        let bases = self.set_bases(set.set_id)?;
        for (ls, base) in bases {
            let content = self.restore_stream(ls, base, choice).map_err(|e| format!("log stream {ls}: {e}"))?;
            let stream = self.streams.get(&ls).ok_or("a set of a log stream that never was")?;
            if let Some(what) = content.differs_from(&stream.content_at(choice.target_scn)?) {
                return Err(format!("log stream {ls}, set {}: {what}", set.set_id));
            }
            self.restores.streams += 1;
            self.restores.rows += content.rows();
        }
        Ok(())
    }

    /// Where the parts of a set begin to replay.
    fn set_bases(&self, set: BackupSetId) -> Result<Vec<(LsId, PalfBase)>, Broken> {
        let state = self.group.state();
        let row = state.backup_sets.get(&(TENANT, set)).ok_or("a set without a row")?;
        if row.parts.is_empty() {
            return Err(format!("set {set} has no part"));
        }
        let base = |(ls, part): (&LsId, &LsPart)| {
            let (kind, retry, turn) = (TaskKind::BackupLs, part.retry, part.turn);
            let key = TaskKey { job_id: row.job_id, tenant_id: TENANT, ls_id: *ls, kind, turn, retry };
            let base = self.points.get(&key).ok_or_else(|| format!("nobody did {key}"))?;
            Ok((*ls, *base))
        };
        row.parts.iter().map(base).collect()
    }

    fn restore_stream(&self, ls: LsId, base: PalfBase, choice: &Choice) -> Result<Content, Broken> {
        let stream = self.streams.get(&ls).ok_or("a set of a log stream that never was")?;
        let (applied, mut content) = stream.applied(base.lsn)?;
        if applied != base {
            return Err(format!("the set's base {base:?} is not that of the log, {applied:?}"));
        }
        let mut core = ReplayCore::new(base.lsn, base.prev_scn, choice.target_scn);
        for piece in &choice.pieces {
            for path in self.log_files(piece.key, ls) {
                if !core.has_reached_target() {
                    self.replay_file(&path, &mut core)?;
                    while let Some(batch) = core.take_rest() {
                        apply(Some(batch), &mut content)?;
                    }
                }
            }
        }
        Ok(content)
    }

    fn log_files(&self, key: PieceKey, ls: LsId) -> Vec<String> {
        let dir = format!("{}/", ls_log_dir(key, ls));
        let mut files: Vec<_> = self
            .medium
            .paths(&dir)
            .filter_map(|path| match ArchivePath::parse(path)? {
                ArchivePath::Log { file_id, .. } => Some((file_id, path.to_owned())),
                _ => None,
            })
            .collect();
        files.sort_unstable();
        files.into_iter().map(|(_, path)| path).collect()
    }

    fn replay_file(&self, path: &str, core: &mut ReplayCore) -> Result<(), Broken> {
        let bytes = self.medium.bytes(path).unwrap_or_default();
        if (bytes.len() as u64) < ARCHIVE_FILE_HEADER_BYTES {
            return Ok(());
        }
        let header = ArchiveFileHeader::decode(bytes).map_err(|e| format!("{path}: {e}"))?;
        let log = &bytes[ARCHIVE_FILE_HEADER_BYTES as usize..];
        let mut walker = GroupWalker::new(log, header.start_lsn, None);
        while let Some(group) = walker.next_group().map_err(|e| format!("{path}: {e}"))? {
            let entries = if group.is_padding {
                Vec::new()
            } else {
                group.entries().map(|e| (e.scn, Bytes::copy_from_slice(e.body))).collect()
            };
            let range = LsnRange { start: group.lsn, end: group.end };
            let fed = core
                .feed(&SourceGroup { range, scn: group.header.max_scn, entries })
                .map_err(|e| format!("{path}: {e}"))?;
            if fed == Fed::Beyond {
                break;
            }
        }
        Ok(())
    }

    /// What can be restored, from names on the medium alone: from each whole set up to the checkpoint of its round.
    fn restorable(&self, catalogue: &Catalogue) -> Vec<(Scn, Scn)> {
        let usable = catalogue.sets.iter().filter(|s| is_whole(s) && chain_is_whole(catalogue, s));
        let reach = |s: &SetEntry| s.archive.and_then(|(dest, round)| self.published(dest, round));
        usable.filter_map(|s| Some((s.min_restore_scn, reach(s)?))).filter(|(from, to)| from <= to).collect()
    }

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
        let of_tenant = state.backup_sets.values().filter(|s| s.tenant_id == TENANT);
        let job_round = |set: &BackupSet| state.backup_jobs.get(&set.job_id).map(|j| j.round_id);
        let archive = |set: &BackupSet| {
            let round = rounds.iter().find(|r| Some(r.round_id) == job_round(set))?;
            Some((round.dest_id, round.round_id))
        };
        Catalogue {
            places: vec![place(Role::Archive, "mem://sim", DestId(0)), place(Role::Backup, "mem://data", DestId(0))],
            sets: of_tenant.filter(|s| self.has_success(s)).map(|s| set_entry(s, archive(s))).collect(),
            pieces: rounds.iter().flat_map(|r| self.pieces_of(r)).collect(),
            rounds: rounds.iter().map(|r| self.round_entry(r)).collect(),
        }
    }

    fn has_success(&self, set: &BackupSet) -> bool {
        let name = SetName { id: set.set_id, kind: set.kind };
        self.medium
            .bytes(&BackupPath::SetEnd { set: name, success: true, time_scn: set.min_restore_scn }.path())
            .is_some()
    }

    fn round_entry(&self, round: &Round) -> RoundEntry {
        let (dest_id, round_id) = (round.dest_id, round.round_id);
        let end = ArchivePath::<Scn>::RoundEnd { dest: dest_id, round: round_id }.path();
        let ended_at = self.medium.bytes(&end).and_then(|_| self.published(dest_id, round_id));
        RoundEntry { place: PlaceId(0), dest_id, round_id, start_scn: round.clock.round_start, ended_at }
    }

    fn pieces_of(&self, round: &Round) -> Vec<PieceEntry> {
        let (first, last) = (round.clock.base_piece, round.clock.piece_of(Scn::from_ms(self.now_ms + 60_000)));
        let keys = (first.0..=last.0).map(|id| round.piece_key(strandline_types::PieceId(id)));
        keys.filter_map(|key| self.piece_entry(round, key)).collect()
    }

    fn piece_entry(&self, round: &Round, key: PieceKey) -> Option<PieceEntry> {
        let range = round.clock.range(key.piece_id);
        self.medium.bytes(&ArchivePath::PieceStart { key, time_scn: range.start }.path())?;
        let dir = format!("{}/", checkpoint_dir(key));
        let scns = self.medium.paths(&dir).filter_map(|path| match ArchivePath::parse(path)? {
            ArchivePath::Checkpoint { scn, .. } => Some(scn),
            _ => None,
        });
        let checkpoint = scns.max();
        let is_frozen = self.medium.bytes(&ArchivePath::<Scn>::SinglePieceInfo { key }.path()).is_some();
        Some(PieceEntry {
            place: PlaceId(0),
            key,
            status: if is_frozen { PieceStatus::Frozen } else { PieceStatus::Active },
            file_status: if checkpoint.is_some() { FileStatus::Available } else { FileStatus::Incomplete },
            start_scn: range.start,
            end_scn: range.end,
            checkpoint_scn: checkpoint.unwrap_or(range.start),
            output_bytes: 0,
        })
    }
}

fn set_entry(set: &BackupSet, archive: Option<(DestId, strandline_types::RoundId)>) -> SetEntry {
    SetEntry {
        place: PlaceId(1),
        kind: set.kind,
        status: set.status,
        file_status: set.file_status,
        prev_full: set.prev_full,
        prev_inc: set.prev_inc,
        archive,
        ..SetEntry::full(set.set_id, set.start_replay_scn, set.min_restore_scn)
    }
}

fn is_whole(set: &SetEntry) -> bool {
    set.status == BackupSetStatus::Success && set.file_status == FileStatus::Available
}

fn chain_is_whole(catalogue: &Catalogue, set: &SetEntry) -> bool {
    let is_there = |id: BackupSetId| id.0 == 0 || catalogue.sets.iter().any(|s| s.set_id == id && is_whole(s));
    let mut at = Some(set);
    while let Some(set) = at {
        if !is_there(set.prev_full) || !is_there(set.prev_inc) {
            return false;
        }
        at = catalogue.sets.iter().find(|s| set.prev_inc.0 != 0 && s.set_id == set.prev_inc);
    }
    true
}

fn apply(batch: Option<ReplayBatch>, content: &mut Content) -> Result<(), Broken> {
    for item in batch.into_iter().flat_map(|b| b.items) {
        let kind = EntryKind::from_number(item.kind).ok_or("replay made an entry of no kind")?;
        content.apply(&join(kind, &item.body))?;
    }
    Ok(())
}

/// A refusal names the nearest bounds below and above.
fn nearest(truth: &[(Scn, Scn)], target: Scn, refusal: &Refusal) -> Result<(), Broken> {
    let below = truth.iter().map(|(_, to)| *to).filter(|to| *to < target).max();
    let above = truth.iter().map(|(from, _)| *from).filter(|from| *from > target).min();
    match refusal {
        Refusal::NoSet { .. } if truth.is_empty() => Ok(()),
        Refusal::OutOfReach { below: b, above: a, .. } if (*b, *a) == (below, above) => Ok(()),
        other => {
            Err(format!("a restore to {target} was refused with {other:?}, the bounds are {below:?} and {above:?}"))
        }
    }
}
