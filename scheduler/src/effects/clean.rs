//! The scheduler's own deletions: placeholders, infos and leftovers of a set or piece, and what belongs to nothing.
//!
//! The order is that of the format's `deletion`. Each deletion may be repeated; what is gone is a success. Nothing
//! outside of the named directory is ever touched.

use futures::stream::{self, StreamExt, TryStreamExt};
use strandline_format::paths::archive::{PIECES_DIR, ROUNDS_DIR};
use strandline_format::paths::backup::SETS_DIR;
use strandline_format::paths::deletion::{Stored, rank};
use strandline_format::paths::{ArchivePath, SetName};
use strandline_media::{Medium, Unfinished};
use strandline_reader::object_name;
use strandline_scheduler_core::{Action, CleanWork, MediumName, SweepWork, Swept};
use strandline_types::{ErrorClass, Failure, PieceKey, limits};
use tracing::{debug, warn};

/// What a destination without sets and pieces may still have: marks of rounds in which nothing was archived, and probes.
const OWN_DIRS: [&str; 2] = [ROUNDS_DIR, "check_file"];

/// Deletes the end placeholder.
pub async fn begin(medium: &dyn Medium, work: &CleanWork) -> Result<(), Failure> {
    let ends = placeholders(medium, work.name, Stored::is_end).await?;
    delete_all(medium, ends).await.map(|_| ())
}

/// Deletes everything that is left, in the order of docs/oceanbase.md, 4.10, and the start placeholder last.
pub async fn rest(medium: &dyn Medium, work: &CleanWork) -> Result<(), Failure> {
    begin(medium, work).await?;
    empty_directory(medium, &work.name.to_string(), rank).await?;
    medium.prune(&work.name.to_string()).await?;
    let starts = placeholders(medium, work.name, Stored::is_start).await?;
    delete_all(medium, starts).await?;
    if let MediumName::Piece(PieceKey { dest_id: dest, round_id: round, .. }) = work.name
        && work.ends_round
    {
        delete_all(medium, vec![ArchivePath::RoundEnd { dest, round }.path()]).await?;
        delete_all(medium, vec![ArchivePath::RoundStart { dest, round }.path()]).await?;
    }
    Ok(())
}

/// Deletes check files, marks of rounds and the identity of a destination that holds nothing else any more. Everything
/// that State knows of is gone by now: what is left was put there by somebody else, perhaps this very moment, and then
/// nothing is touched. One that holds nothing at all is done: the identity went last.
pub async fn destination(medium: &dyn Medium) -> Result<(), Failure> {
    let format = ArchivePath::Format.path();
    let left: Vec<String> = medium.list("").await?.into_iter().map(|o| o.path).collect();
    if left.is_empty() {
        return Ok(());
    }
    let is_own = |path: &str| path == format || OWN_DIRS.iter().any(|dir| path.starts_with(&format!("{dir}/")));
    let others: Vec<&String> = left.iter().filter(|path| !is_own(path)).collect();
    if let Some(other) = others.first() {
        let what = format!("{} objects are left in the destination", others.len());
        let todo = "another cluster writes here, or they are not Strandline's: look at them; the destination keeps its identity";
        return Err(Failure::new(ErrorClass::Invalid, what, object_name(&medium.uri(), other), todo));
    }
    for dir in OWN_DIRS {
        empty_directory(medium, dir, |_| 0).await?;
        medium.prune(dir).await?;
    }
    for dir in [SETS_DIR, PIECES_DIR] {
        medium.prune(dir).await?;
    }
    delete_all(medium, vec![format]).await.map(|_| ())
}

/// Looks for what belongs to nothing, and removes what has done so for long enough. The answer is the whole picture.
pub async fn sweep(medium: &dyn Medium, work: &SweepWork) -> Result<Action, Failure> {
    let mut seen = Swept::default();
    for unfinished in unfinished(medium).await? {
        if unfinished.started_ms < work.abort_before_ms {
            medium.abort(&unfinished).await?;
            seen.aborted += 1;
        } else {
            seen.unfinished += 1;
        }
    }
    let there = medium.list_dirs("").await?;
    for name in &work.gone {
        let dir = name.to_string();
        if !there.contains(&dir) || medium.list(&dir).await?.is_empty() {
            continue;
        }
        if work.remove.contains(&dir) {
            warn!(%dir, uri = medium.uri(), "files of something that was deleted are removed after their grace time");
            empty_directory(medium, &dir, rank).await?;
            medium.prune(&dir).await?;
            seen.removed += 1;
        } else {
            seen.orphans.push(dir);
        }
    }
    Ok(Action::Swept { dest: work.dest.dest_id, seen })
}

/// Uploads that were not finished. A key that may only work below the destination is not always given the right to ask a
/// bucket for them: then there are none.
pub async fn unfinished(medium: &dyn Medium) -> Result<Vec<Unfinished>, Failure> {
    match medium.unfinished().await {
        Err(e) if e.class == ErrorClass::Permission => {
            debug!(uri = medium.uri(), error = %e, "unfinished uploads cannot be listed: none is removed here");
            Ok(Vec::new())
        }
        uploads => Ok(uploads?),
    }
}

async fn placeholders(
    medium: &dyn Medium,
    name: MediumName,
    wanted: fn(Stored, &str) -> bool,
) -> Result<Vec<String>, Failure> {
    let stored = match name {
        MediumName::Set(id, kind) => Stored::Set(SetName { id, kind }),
        MediumName::Piece(key) => Stored::Piece(key),
    };
    let listed = medium.list(stored.placeholder_dir()).await?;
    Ok(listed.into_iter().map(|o| o.path).filter(|p| wanted(stored, p)).collect())
}

/// Deletes everything below a directory, by rank, and looks again: who writes there meanwhile is told of.
async fn empty_directory(medium: &dyn Medium, dir: &str, rank: fn(&str) -> u8) -> Result<(), Failure> {
    let mut paths: Vec<String> = medium.list(dir).await?.into_iter().map(|o| o.path).collect();
    paths.sort_by_key(|p| rank(p));
    for same_rank in paths.chunk_by(|a, b| rank(a) == rank(b)) {
        delete_all(medium, same_rank.to_vec()).await?;
    }
    match medium.list(dir).await?.first() {
        None => Ok(()),
        Some(left) => {
            let object = object_name(&medium.uri(), &left.path);
            let what = "a file is there again after it was deleted";
            Err(Failure::new(ErrorClass::Transient, what, object, "it is deleted again; find out who writes there"))
        }
    }
}

async fn delete_all(medium: &dyn Medium, paths: Vec<String>) -> Result<usize, Failure> {
    let count = paths.len();
    let deletions = stream::iter(paths).map(|path| async move { medium.delete(&path).await });
    deletions.buffer_unordered(limits::DELETES_IN_FLIGHT_MAX).try_collect::<()>().await?;
    Ok(count)
}
