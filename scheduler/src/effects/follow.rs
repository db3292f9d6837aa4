//! Looks for more log: the archive that a standby follows, and the backup that a drill restores. Both only read, and say
//! what they found as an action of the core.

use crate::executor::restore::{Sources, find, set_keys};
use crate::session::Settings;
use crate::sql::request::restore::{RestoreOptions, Until};
use std::sync::Arc;
use strandline_catalogue::log_cover;
use strandline_media::Medium;
use strandline_reader::{Source, scan};
use strandline_scheduler_core::{Action, DestRef, DrillWork, FollowWork, StartRestore};
use strandline_types::{Address, ErrorClass, Failure};

/// How far the archive of a standby's source goes, and the pieces from where the standby is.
///
/// # Errors
/// What the medium says; `Invalid` when the archive is somebody else's.
pub async fn follow(medium: &Arc<dyn Medium>, work: &FollowWork) -> Result<Action, Failure> {
    let found = scan(&Source::whole(Arc::clone(medium))).await?;
    let owner = found.catalogue.places.first().map(|p| p.owner);
    if owner.is_none_or(|o| o.tenant_id != work.source_tenant) {
        let what = "the archive is not that of the tenant that the standby was restored from";
        let todo = "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=<archive uri>'";
        return Err(Failure::new(ErrorClass::Invalid, what, medium.uri(), todo));
    }
    let cover = log_cover(&found.catalogue, owner, work.from);
    if cover.pieces.is_empty() {
        let todo = "the log that the standby needs next is gone: restore it again from a newer backup";
        return Err(Failure::new(ErrorClass::NotFound, cover.ended_by.to_string(), medium.uri(), todo).with_code(-4018));
    }
    let pieces = cover.pieces.iter().map(|p| p.key).collect();
    Ok(Action::StandbySource { tenant: work.dest.tenant_id, pieces, reach: cover.reach })
}

/// What a drill restores: chosen as for any administrator, from what lies on the media.
///
/// # Errors
/// What is missing; `Permission` for encrypted sets, whose password nobody keeps.
pub async fn drill(work: &DrillWork) -> Result<Action, Failure> {
    let address = |dest: &DestRef| Address { uri: dest.uri.clone(), access: dest.access.clone() };
    let from = Sources::Named { data: address(&work.dest), archive: Some(address(&work.archive)) };
    let options = RestoreOptions { key_source: work.key_source.clone(), ..RestoreOptions::default() };
    let found = find(&from, Until::Scn(work.scn), &options).await?;
    let source = found.source(set_keys(&found, &Settings::default()).await?)?;
    Ok(Action::StartRestore(Box::new(StartRestore {
        tenant_name: work.tenant_name.clone(),
        replicas: work.replicas,
        target_scn: work.scn,
        source,
        standby: false,
        description: "restore drill".to_owned(),
    })))
}
