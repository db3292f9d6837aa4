//! What a step of the plan writes: [`MediumWork`] as single operations on the medium, in order.
//!
//! Bytes are a stand-in (the decided values, encoded), but they follow from the work alone, as in the real files: two
//! leaders that write different bytes under one name are fenced, and that ends the simulation.

use super::deletion;
use super::medium::Medium;
use super::rng::Rng;
use crate::invariants::Tree;
use std::collections::VecDeque;
use std::fmt::Debug;
use strandline_format::paths::archive::{ArchivePath, ls_log_dir};
use strandline_format::paths::backup::{BackupPath, SetName};
use strandline_scheduler_core::state::{DestKind, PieceRow};
use strandline_scheduler_core::{FreezePiece, MediumWork};
use strandline_types::{ErrorClass, Failure, Scn};

/// One operation.
#[derive(Clone, Debug)]
pub enum Part {
    /// Writes a whole object once.
    Put(String, Vec<u8>),
    /// Writes a whole object; the first writer's bytes stay.
    PutFirst(String, Vec<u8>),
    /// Removes an object.
    Delete(String),
    /// Lists the log files of a piece and writes the lists, then the rest of a frozen piece.
    Freeze(Box<FreezePiece>),
    /// Deletes some files of a set or piece.
    Clean(deletion::Part),
}

/// The operations of some work.
#[must_use]
pub fn parts(work: &[MediumWork]) -> VecDeque<Part> {
    work.iter().flat_map(parts_of).collect()
}

fn parts_of(work: &MediumWork) -> Vec<Part> {
    match work {
        // All destinations lie in one tree here, which only the format files would notice.
        MediumWork::Format { dest, created_ms, kind: DestKind::Archive, .. } => {
            vec![Part::Put(format!("d{}r/format.obbak", dest.dest_id), encode(&created_ms))]
        }
        MediumWork::Format { dest, created_ms, kind: DestKind::Data, .. } => {
            vec![Part::Put("data/format.obbak".to_owned(), encode(&(dest.dest_id, created_ms)))]
        }
        MediumWork::RoundStart { dest, round, clock } => {
            vec![put(&ArchivePath::RoundStart { dest: dest.dest_id, round: *round }, clock)]
        }
        MediumWork::RoundEnd { dest, round, clock, checkpoint_scn } => {
            vec![put(&ArchivePath::RoundEnd { dest: dest.dest_id, round: *round }, &(clock, checkpoint_scn))]
        }
        MediumWork::PieceStart { key, start_scn, .. } => {
            vec![put(&ArchivePath::PieceStart { key: *key, time_scn: *start_scn }, start_scn)]
        }
        MediumWork::PieceInfos { piece, frozen, .. } => {
            let path = ArchivePath::<Scn>::TenantArchivePieceInfos { key: piece.key }.path();
            vec![Part::PutFirst(path, encode(&(fixed(piece), frozen)))]
        }
        MediumWork::PublishCheckpoint { piece, checkpoint_scn, old_scn, .. } => {
            publish(piece, *checkpoint_scn, *old_scn)
        }
        MediumWork::FreezePiece(freeze) => vec![Part::Freeze(freeze.clone())],
        MediumWork::SetStart { set, kind, .. } => {
            let name = SetName { id: *set, kind: *kind };
            vec![Part::Put(BackupPath::<Scn>::SetStart { set: name }.path(), encode(&name))]
        }
        MediumWork::ComplementLog(log) => {
            let set = SetName { id: log.set_id, kind: log.kind };
            let path = BackupPath::<Scn>::ComplementLog { set, inner: ArchivePath::Format }.path();
            vec![Part::Put(path, encode(&(log.round_id, log.checkpoint_scn)))]
        }
        MediumWork::SetInfos(infos) => {
            let name = SetName { id: infos.set.set_id, kind: infos.set.kind };
            vec![Part::Put(BackupPath::<Scn>::SingleSetInfo { set: name }.path(), encode(&infos.set))]
        }
        MediumWork::SetEnd { set, success, .. } => {
            let name = SetName { id: set.set_id, kind: set.kind };
            let end = BackupPath::SetEnd { set: name, success: *success, time_scn: set.min_restore_scn };
            vec![Part::Put(end.path(), encode(&set.set_id))]
        }
        MediumWork::CleanBegin(work) => deletion::begin(work).into_iter().map(Part::Clean).collect(),
        MediumWork::CleanRest(work) => deletion::rest(work).into_iter().map(Part::Clean).collect(),
        // Its uploads are whole or not there.
        MediumWork::SetAbort { .. } => Vec::new(),
        // No destination is given up, and no run lasts for as long as orphans are left alone.
        MediumWork::CleanDest { .. } | MediumWork::Sweep(_) => Vec::new(),
        // Neither standbys nor drills.
        MediumWork::Follow(_) | MediumWork::Drill(_) | MediumWork::SealRun(_) => Vec::new(),
    }
}

fn publish(piece: &PieceRow, scn: Scn, old: Option<Scn>) -> Vec<Part> {
    let key = piece.key;
    let mut parts = vec![put(&ArchivePath::CheckpointInfo { key }, &fixed(piece))];
    parts.push(Part::Put(ArchivePath::<Scn>::Checkpoint { key, scn }.path(), Vec::new()));
    parts.extend(old.filter(|o| *o != scn).map(|scn| Part::Delete(ArchivePath::<Scn>::Checkpoint { key, scn }.path())));
    parts
}

/// What never changes of a piece.
fn fixed(piece: &PieceRow) -> (strandline_types::PieceKey, Scn, Scn) {
    (piece.key, piece.start_scn, piece.end_scn)
}

fn put(path: &ArchivePath, content: &impl Debug) -> Part {
    Part::Put(path.path(), encode(content))
}

/// Stands for a file's payload: all that was decided about it.
fn encode(content: &impl Debug) -> Vec<u8> {
    format!("{content:?}").into_bytes()
}

impl Part {
    /// Does it.
    ///
    /// # Errors
    /// Whatever the medium says.
    pub fn run(&self, medium: &mut Medium, rng: &mut Rng) -> Result<(), Failure> {
        match self {
            Self::Put(path, bytes) => medium.put_if_absent(rng, path, bytes),
            Self::PutFirst(path, bytes) => match medium.put_if_absent(rng, path, bytes) {
                Err(failure) if failure.class == ErrorClass::Fenced => Ok(()),
                done => done,
            },
            Self::Delete(path) => medium.delete(rng, path),
            Self::Freeze(freeze) => run_freeze(freeze, medium, rng),
            Self::Clean(part) => part.run(medium, rng),
        }
    }
}

/// Lists of each log stream, list of the piece, interval, attributes, end placeholder: in this order.
fn run_freeze(freeze: &FreezePiece, medium: &mut Medium, rng: &mut Rng) -> Result<(), Failure> {
    let (key, piece) = (freeze.piece.key, &freeze.piece);
    let mut all = Vec::new();
    for &ls in &freeze.log_streams {
        let files = medium.list(rng, &format!("{}/", ls_log_dir(key, ls)))?;
        if files.is_empty() {
            continue;
        }
        medium.put_if_absent(rng, &ArchivePath::<Scn>::LsFileInfo { key, ls }.path(), &encode(&files))?;
        all.push((ls, files));
    }
    medium.put_if_absent(rng, &ArchivePath::<Scn>::PieceFileInfo { key }.path(), &encode(&all))?;
    let (start_scn, checkpoint_scn) = (piece.start_scn, piece.checkpoint_scn);
    medium.put_if_absent(rng, &ArchivePath::PieceInner { key, start_scn, checkpoint_scn }.path(), b"")?;
    medium.put_if_absent(rng, &ArchivePath::<Scn>::SinglePieceInfo { key }.path(), &encode(piece))?;
    medium.put_if_absent(rng, &ArchivePath::PieceEnd { key, time_scn: checkpoint_scn }.path(), &encode(piece))
}

/// True when a piece has everything that a frozen piece has.
#[must_use]
pub fn is_frozen(medium: &Medium, piece: &PieceRow) -> bool {
    let key = piece.key;
    let needed = [
        ArchivePath::PieceStart { key, time_scn: piece.start_scn }.path(),
        ArchivePath::<Scn>::TenantArchivePieceInfos { key }.path(),
        ArchivePath::<Scn>::PieceFileInfo { key }.path(),
        ArchivePath::<Scn>::SinglePieceInfo { key }.path(),
        ArchivePath::PieceEnd { key, time_scn: piece.checkpoint_scn }.path(),
    ];
    needed.iter().all(|p| medium.bytes(p).is_some())
}
