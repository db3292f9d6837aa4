//! What is refused about the destinations of a restore: wrong kinds, several owners, nothing that can be restored.

use super::sources::{NOT_ALLOWED_CODE, Sources, no_set};
use strandline_catalogue::{Owner, Refusal, Role};
use strandline_format::paths::archive::piece_dir;
use strandline_media::identity::CODE_FORMAT_MISMATCH;
use strandline_reader::Scan;
use strandline_types::{ErrorClass, Failure, PieceKey};

/// What to do where something may not be read.
const MAKE_READABLE: &str = "make it readable for the user of the servers, on every scheduler and worker";

/// The failure for a refusal of the catalogue. Where no set is usable, it names what could not be read, not the absence
/// that follows from it. Where the log ends early, it names what is wrong with the piece that ends it.
pub(super) fn refused(scan: &Scan, refusal: Refusal) -> Failure {
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

/// Refuses `FROM` unless it names a data backup and then an archive.
pub(super) fn roles(from: &Sources, scan: &Scan) -> Result<(), Failure> {
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

/// Refuses destinations of more than one tenant or cluster.
pub(super) fn owners(scan: &Scan) -> Result<(), Failure> {
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
