//! What jobs read on the media. Each says it itself, by place and never by the text of a destination: its address may have
//! other attributes than the destination's own, and may be that of another tenant's destination.

use crate::orders::MediumName;
use crate::state::{ArchivedLog, RestoreSource};
use strandline_types::{BackupSetId, PieceKey, Place};

/// Something on a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A set, and with it every set that it is built on.
    Set(Place, BackupSetId),
    /// A piece of the archive at a place; that may be the log which a set carries.
    Piece(Place, PieceKey),
}

/// What a restore or a table recovery reads.
pub(crate) fn of_source(source: &RestoreSource) -> Vec<Read> {
    let sets = source.sets.iter().map(|(id, _)| *id).chain([source.set_id]);
    let mut reads: Vec<Read> = sets.map(|id| Read::Set(source.data.place().clone(), id)).collect();
    reads.extend(of_log(&source.log));
    reads
}

pub(crate) fn of_log(log: &[ArchivedLog]) -> Vec<Read> {
    let of = |log: &ArchivedLog| -> Vec<Read> {
        log.pieces.iter().map(|key| Read::Piece(log.from.place().clone(), *key)).collect()
    };
    log.iter().flat_map(of).collect()
}

/// What one object of a validation is; blocks of an increment lie in the sets that it is built on.
pub(crate) fn of_object(at: &Place, name: MediumName) -> Read {
    match name {
        MediumName::Set(id, _) => Read::Set(at.clone(), id),
        MediumName::Piece(key) => Read::Piece(at.clone(), key),
    }
}
