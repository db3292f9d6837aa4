//! Looks for log in the archive that a standby follows, and for the backup that a drill restores. Both only read and return
//! what they found as an action of the core.

use super::restore_source::{Sources, WRONG_PASSWORD_CODE, find, set_keys};
use std::sync::Arc;
use strandline_catalogue::{LogCover, Target, log_cover};
use strandline_media::Medium;
use strandline_reader::{Source, scan};
use strandline_scheduler_core::{Action, DestRef, DrillWork, FollowWork, StartRestore};
use strandline_types::{Address, CODE_NOT_ENOUGH_LOG, ErrorClass, Failure, scn_text};

/// How far the archive of a standby's source goes, and the pieces from where the standby is.
///
/// # Errors
/// What the medium says; `Invalid` when the archive is not the source tenant's.
pub async fn follow(medium: &Arc<dyn Medium>, work: &FollowWork) -> Result<Action, Failure> {
    let found = scan(&Source::whole(Arc::clone(medium))).await?;
    let owner = found.catalogue.places.first().map(|p| p.owner);
    if owner.is_none_or(|o| o.tenant_id != work.source_tenant) {
        let what = "the archive is not that of the tenant that the standby was restored from";
        let todo = "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=<archive uri>'";
        return Err(Failure::new(ErrorClass::Invalid, what, medium.uri(), todo));
    }
    let cover = log_cover(&found.catalogue, owner, work.from);
    // New pieces come first: the standby replays as far as it can.
    let has_more = !cover.pieces.is_empty() && cover.reach > work.known_scn;
    if !has_more && cover.ended_by.is_final(&found.catalogue) {
        return Err(ended(&cover, work, medium.uri()));
    }
    let pieces = cover.pieces.iter().map(|p| p.key).collect();
    Ok(Action::StandbySource { tenant: work.dest.tenant_id, pieces, reach: cover.reach })
}

/// The log does not go on from where the standby is: what comes later is that of another round.
fn ended(cover: &LogCover, work: &FollowWork, uri: String) -> Failure {
    let at = work.known_scn;
    let what = format!("the standby comes to SCN {at} ({}) and no further: {}", scn_text(at), cover.ended_by);
    let todo = "name another archive of the source that has the log (SET LOG_RESTORE_SOURCE), ACTIVATE STANDBY as it is, \
                or DROP TENANT and RESTORE it again from a backup of the newer round";
    Failure::new(ErrorClass::NotFound, what, uri, todo).with_code(CODE_NOT_ENOUGH_LOG)
}

/// What a drill restores, chosen from the media as for a `RESTORE`.
///
/// # Errors
/// What is missing; `Permission` for encrypted sets, whose password is not kept.
pub async fn drill(work: &DrillWork) -> Result<Action, Failure> {
    let address = |dest: &DestRef| Address { uri: dest.uri.clone(), access: dest.access.clone() };
    let from = Sources::Named { data: address(&work.dest), archive: Some(address(&work.archive)) };
    let found = find(&from, Target::Scn(work.scn), &work.key_source).await?;
    let keys = set_keys(&found, &[]).await.map_err(not_for_drills)?;
    let source = found.source(keys)?;
    Ok(Action::StartRestore(Box::new(StartRestore {
        tenant_name: work.tenant_name.clone(),
        replicas: work.replicas,
        target_scn: work.scn,
        source,
        standby: false,
        description: "restore drill".to_owned(),
    })))
}

/// A drill has no session in which a password could be given.
fn not_for_drills(failure: Failure) -> Failure {
    if failure.code != WRONG_PASSWORD_CODE {
        return failure;
    }
    let todo = "a drill has no password for it: prove it by a RESTORE into another tenant in a session with SET DECRYPTION, \
                or take backups without a password";
    Failure { todo: todo.to_owned(), ..failure }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn a_drill_of_an_encrypted_set_does_not_ask_for_another_restore_of_itself() {
        let todo = "SET DECRYPTION IDENTIFIED BY '<password>' in this session, then RESTORE again";
        let failure = Failure::new(ErrorClass::Permission, "it is encrypted", "backup set 3", todo);
        let told = not_for_drills(failure.clone().with_code(WRONG_PASSWORD_CODE));
        assert!(told.todo.contains("a drill has no password") && !told.todo.contains("in this session"), "{told}");
        assert_eq!(not_for_drills(failure.clone()), failure, "what is something else stays");
    }
}
