//! What views of jobs have in common: the code and the reason of an end, and how sets and pieces are named.

use crate::jobs::machine::logic::JobLogic;
use crate::orders::MediumName;
use crate::refuse;
use crate::state::RestoreSource;
use strandline_types::Failure;

/// OB_ERROR: a failure that has no number of its own.
const GENERAL_ERROR: i32 = -4000;

/// RESULT: 0, or the failure's number, else the number of the failure's class.
pub(super) fn result(failure: Option<&Failure>) -> Option<i64> {
    Some(failure.map_or(0, refuse::result_code).into())
}

/// RESULT of cleaning and validation: 0, or the failure's number, else the general error.
pub(super) fn result_or_general(failure: Option<&Failure>) -> Option<i64> {
    Some(failure.map_or(0, |f| if f.code == 0 { GENERAL_ERROR } else { f.code }).into())
}

/// COMMENT: why a job failed, or else the oldest trouble of those of `jobs` that run, in the words of
/// CDB_STRANDLINE_WAITING.
pub(super) fn comment<'a>(
    failure: Option<&'a Failure>,
    jobs: impl IntoIterator<Item = &'a dyn JobLogic>,
) -> Option<String> {
    Some(reason(failure, jobs).map(ToString::to_string).unwrap_or_default())
}

/// As [`comment`]; `None` for a job that has not failed and has no trouble.
pub(super) fn reason<'a>(
    failure: Option<&'a Failure>,
    jobs: impl IntoIterator<Item = &'a dyn JobLogic>,
) -> Option<&'a Failure> {
    failure.or_else(|| oldest_trouble(jobs))
}

fn oldest_trouble<'a>(jobs: impl IntoIterator<Item = &'a dyn JobLogic>) -> Option<&'a Failure> {
    let running = jobs.into_iter().filter(|job| job.is_running());
    running.flat_map(<dyn JobLogic>::troubles).min_by_key(|t| t.since_ms).map(|t| &t.failure)
}

/// The id of a set or of a piece.
pub(super) const fn id_of(name: MediumName) -> u64 {
    match name {
        MediumName::Set(id, _) => id.0,
        MediumName::Piece(key) => key.piece_id.0,
    }
}

/// The round of a piece; 0 for a set.
pub(super) const fn round_of(name: MediumName) -> u64 {
    match name {
        MediumName::Set(..) => 0,
        MediumName::Piece(key) => key.round_id.0,
    }
}

/// BACKUP_SET_LIST: `backup_set_1_full,backup_set_2_inc`.
pub(super) fn set_list(source: &RestoreSource) -> Option<String> {
    let names = source.sets.iter().map(|(id, kind)| format!("backup_set_{id}_{}", kind.tag()));
    Some(names.collect::<Vec<_>>().join(","))
}

/// BACKUP_PIECE_LIST: `piece_d1001r1p1,piece_d1001r1p2`.
pub(super) fn piece_list(source: &RestoreSource) -> Option<String> {
    Some(source.pieces().map(|key| format!("piece_{key}")).collect::<Vec<_>>().join(","))
}
