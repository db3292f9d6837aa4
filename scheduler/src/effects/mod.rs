//! The scheduler's own writes to the medium: one file per kind of work.
//!
//! Rules (docs/format-reference.md; docs/oceanbase.md, 3.1 and 3.2): what is written was decided in Raft before; every piece of
//! work may be repeated by anybody at any time; a write-once file that is there with the same bytes is a success;
//! nothing is ever overwritten. Work never reads the State: everything it needs is in its argument.

mod checkpoint;
mod clean;
pub mod cluster_parameters;
pub mod complement;
pub mod destination;
mod follow;
mod freeze;
mod piece;
mod piece_attr;
pub mod put;
pub mod restore_source;
mod round;
mod set_attr;
mod set_end;
mod set_files;
mod set_infos;
mod table_list;

use crate::password_key;
use std::sync::Arc;
use std::time::Duration;
use strandline_format::paths::SetName;
use strandline_media::{Guarded, Medium, Metered, RetryPolicy, Retrying, Right};
use strandline_scheduler_core::{Action, DestRef, MediumWork};
use strandline_types::{Access, DestUri, ErrorClass, Failure, Scheme};

/// Opens a destination to read it: measured, and with a few quick retries inside. It refuses every write.
///
/// A destination in memory is refused: every server would have one of its own, and none would outlive it.
///
/// # Errors
/// `Invalid` for a destination that is none, or what is wrong with the keys.
pub fn open_at(uri: &DestUri, access: &Access) -> Result<Arc<dyn Medium>, Failure> {
    Ok(Arc::new(Guarded::new(open_unclaimed(uri, access)?, Right::Read)))
}

/// Opens a destination to write into it: every write first asks whose it is.
fn open_owned(dest: &DestRef) -> Result<Arc<dyn Medium>, Failure> {
    let medium = open_unclaimed(&dest.uri, &dest.access)?;
    Ok(Arc::new(Guarded::new(medium, Right::Write(dest.owner))))
}

/// Opens a directory inside of a destination to write into it.
fn open_inside(dest: &DestRef, uri: &DestUri) -> Result<Arc<dyn Medium>, Failure> {
    let whole = open_unclaimed(&dest.uri, &dest.access)?;
    let inside = open_unclaimed(uri, &dest.access)?;
    Ok(Arc::new(Guarded::inside(inside, whole, Right::Write(dest.owner))))
}

/// Opens a path that belongs to no destination yet, which its user has to claim ([`strandline_media::identity`]) or to leave
/// without a trace. Everything else is opened by its owner.
///
/// # Errors
/// As [`open_at`].
pub fn open_unclaimed(uri: &DestUri, access: &Access) -> Result<Arc<dyn Medium>, Failure> {
    Ok(Arc::new(retrying(uri, access)?))
}

/// The same for a statement, which only its client repeats: its errors say that they are final.
///
/// # Errors
/// As [`open_unclaimed`].
pub fn open_for_statement(uri: &DestUri, access: &Access) -> Result<Arc<dyn Medium>, Failure> {
    Ok(Arc::new(retrying(uri, access)?.for_good()))
}

fn refuse_memory(uri: &DestUri) -> Result<(), Failure> {
    if uri.place().scheme != Scheme::Memory {
        return Ok(());
    }
    let todo = "use file:// and an absolute path, for example file:///backup/archive";
    Err(Failure::new(ErrorClass::Invalid, "a destination in memory keeps nothing", uri.to_string(), todo))
}

fn retrying(uri: &DestUri, access: &Access) -> Result<Retrying, Failure> {
    refuse_memory(uri)?;
    let medium = strandline_media::open_with(&uri.to_string(), access.reveal())?;
    Ok(Retrying::new(Arc::new(Metered::new(medium)), RetryPolicy::default()))
}

/// A deletion or a look around that takes longer is given up and repeated: a hung medium must not hold up its subject.
const CLEAN_TIMEOUT: Duration = Duration::from_secs(300);

/// Does one piece of work. On return everything is durable. Work that looks for something says what it found: an action
/// to be proposed before the step's own.
///
/// # Errors
/// What the medium says, with the path.
pub async fn run(work: &MediumWork) -> Result<Option<Action>, Failure> {
    let dest = dest_of(work);
    match work {
        MediumWork::SealRun(run) => password_key::seal_run(run).await.map(Some),
        MediumWork::Drill(work) => follow::drill(work).await.map(Some),
        MediumWork::Follow(work) => {
            let medium = open_at(&dest.uri, &dest.access)?;
            in_time(dest, follow::follow(&medium, work)).await.map(Some)
        }
        MediumWork::CleanBegin(_) | MediumWork::CleanRest(_) | MediumWork::Sweep(_) | MediumWork::CleanDest { .. } => {
            let medium = open_for(work).await?;
            in_time(dest, run_on(medium.as_ref(), work)).await
        }
        _ => run_on(open_for(work).await?.as_ref(), work).await,
    }
}

/// Opens the destination of work that writes.
async fn open_for(work: &MediumWork) -> Result<Arc<dyn Medium>, Failure> {
    let dest = dest_of(work);
    match work {
        MediumWork::Format { .. } => open_unclaimed(&dest.uri, &dest.access),
        MediumWork::CleanDest { .. } => open_owned(dest),
        MediumWork::ComplementLog(log) => {
            let set = SetName { id: log.set_id, kind: log.kind };
            open_inside(dest, &complement::uri(&dest.uri, set))
        }
        _ => {
            let medium = open_owned(dest)?;
            // Work that goes by a listing must not take a destination that is not mounted for an empty one.
            medium.prove().await?;
            Ok(medium)
        }
    }
}

/// What holds a piece of work up that does not end: told while it is waited for.
pub fn silent(work: &MediumWork) -> Failure {
    let (what, object, todo) = match work {
        MediumWork::SealRun(run) => (
            "the source of the key does not answer",
            run.key_source.clone(),
            "check it on every scheduler, as the server's user; the run begins when it answers",
        ),
        other => (
            "the destination does not answer",
            dest_of(other).uri.to_string(),
            "check that it is mounted and reachable from every scheduler; the work goes on when it answers",
        ),
    };
    Failure::new(ErrorClass::Transient, what, object, todo)
}

async fn in_time<T>(dest: &DestRef, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(CLEAN_TIMEOUT, work).await.unwrap_or_else(|_| {
        let what = format!("cleaning has not come to an end within {} s", CLEAN_TIMEOUT.as_secs());
        let todo = "it goes on by itself; check that the destination is mounted and reachable";
        Err(Failure::new(ErrorClass::Transient, what, dest.uri.to_string(), todo))
    })
}

async fn run_on(medium: &dyn Medium, work: &MediumWork) -> Result<Option<Action>, Failure> {
    match work {
        MediumWork::Format { dest, kind, created_ms, again } => {
            let check_file = if *again {
                destination::again(medium, dest, *kind).await?
            } else {
                destination::format(medium, dest, *kind, *created_ms).await?
            };
            return Ok(Some(Action::DestChecked { dest: dest.dest_id, check_file }));
        }
        MediumWork::Sweep(work) => return clean::sweep(medium, work).await.map(Some),
        MediumWork::RoundStart { round, clock, dest } => round::start(medium, dest.dest_id, *round, clock).await?,
        MediumWork::RoundEnd { round, clock, checkpoint_scn, dest } => {
            round::end(medium, dest.dest_id, *round, clock, *checkpoint_scn).await?;
        }
        MediumWork::PieceStart { key, start_scn, .. } => piece::start(medium, *key, *start_scn).await?,
        MediumWork::PieceInfos { dest, piece, frozen, log_streams } => {
            piece::infos(medium, dest, piece, (frozen, log_streams)).await?;
        }
        MediumWork::PublishCheckpoint { dest, piece, checkpoint_scn, old_scn } => {
            checkpoint::publish(medium, dest, piece, *checkpoint_scn, *old_scn).await?;
        }
        MediumWork::FreezePiece(freeze) => freeze::freeze(medium, freeze).await?,
        MediumWork::SetStart { dest, set, kind } => set_end::start(medium, dest, *set, *kind).await?,
        MediumWork::ComplementLog(log) => complement::write(medium, log).await?,
        MediumWork::SetInfos(infos) => set_infos::write(medium, infos).await?,
        MediumWork::SetEnd { set, success, .. } => set_end::end(medium, set, *success).await?,
        MediumWork::SetAbort { set, kind, .. } => set_end::abort(medium, *set, *kind).await?,
        MediumWork::CleanBegin(work) => clean::begin(medium, work).await?,
        MediumWork::CleanRest(work) => clean::rest(medium, work).await?,
        MediumWork::CleanDest { .. } => clean::destination(medium).await?,
        // They write nothing: `run` sees to them.
        MediumWork::Follow(_) | MediumWork::Drill(_) | MediumWork::SealRun(_) => {}
    }
    Ok(None)
}

fn dest_of(work: &MediumWork) -> &DestRef {
    match work {
        MediumWork::Format { dest, .. }
        | MediumWork::RoundStart { dest, .. }
        | MediumWork::PieceStart { dest, .. }
        | MediumWork::PieceInfos { dest, .. }
        | MediumWork::PublishCheckpoint { dest, .. }
        | MediumWork::RoundEnd { dest, .. }
        | MediumWork::SetStart { dest, .. }
        | MediumWork::SetEnd { dest, .. }
        | MediumWork::SetAbort { dest, .. }
        | MediumWork::CleanDest { dest } => dest,
        MediumWork::CleanBegin(work) | MediumWork::CleanRest(work) => &work.dest,
        MediumWork::Sweep(work) => &work.dest,
        MediumWork::Follow(work) => &work.dest,
        MediumWork::Drill(work) => &work.dest,
        MediumWork::SealRun(work) => &work.dest,
        MediumWork::FreezePiece(freeze) => &freeze.dest,
        MediumWork::ComplementLog(log) => &log.dest,
        MediumWork::SetInfos(infos) => &infos.dest,
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
