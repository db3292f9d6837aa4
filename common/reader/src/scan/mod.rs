//! Reads what destinations hold, from the media alone: no State, no cluster.
//!
//! The medium decides: a set without its `end_success` placeholder does not exist for restore, the checkpoint of an
//! active piece is the largest name in its checkpoint directory that its log bears out. Tolerant: a file that cannot be read is a problem of
//! the set or piece that it belongs to, which then counts as damaged; everything else is still found.

mod archive;
mod backup;
mod deleted;
mod files;
mod found;
mod newest;

pub use found::{Problem, Scan};

use crate::folder::Folder;
use crate::source::Source;
use std::sync::Arc;
use strandline_catalogue::{Owner, Place, Role};
use strandline_format::paths::backup::complement_log_dir;
use strandline_format::pb;
use strandline_media::identity::{self, DestType};
use strandline_media::{Looks, Medium};
use strandline_types::{ClusterId, DestId, ErrorClass, Failure, TenantId};

/// Scans several destinations as one catalogue.
///
/// # Errors
/// As [`scan`].
pub async fn scan_all(sources: &[Source]) -> Result<Scan, Failure> {
    let mut all = Scan::default();
    for source in sources {
        all.absorb(scan(source).await?);
    }
    Ok(all)
}

/// Scans one destination; `format.obbak` says what it is. The archive that a set carries itself is a place of its own.
///
/// # Errors
/// `NotFound` with -9080 where there is no `format.obbak`; what the medium says when it cannot be listed at all.
pub async fn scan(source: &Source) -> Result<Scan, Failure> {
    let medium = &source.medium;
    let there = Looks::default().sure(|| identity_of(medium)).await?;
    if there.dest_type == DestType::Archive.name() {
        return archive::scan(source, place(medium.as_ref(), &there, Role::Archive)).await;
    }
    let mut found = backup::scan(source, place(medium.as_ref(), &there, Role::Backup)).await?;
    for (set, id) in backup::with_own_log(&found) {
        let inside: Arc<dyn Medium> = Arc::new(Folder::new(Arc::clone(medium), complement_log_dir(set)));
        let own = Place { of_set: Some(id), ..place(inside.as_ref(), &there, Role::ComplementLog) };
        match archive::scan(&Source::whole(inside), own).await {
            Ok(log) => found.absorb(log),
            Err(e) => found.problems.push(Problem { object: e.object, what: e.what, class: ErrorClass::Corrupt }),
        }
    }
    Ok(found)
}

async fn identity_of(medium: &Arc<dyn Medium>) -> Result<pb::PathFormat, Failure> {
    identity::read(medium.as_ref()).await?.ok_or_else(|| {
        let todo = "name the folder that holds format.obbak, or one set or piece below it";
        let what = "there is no format.obbak: not a backup destination";
        Failure::new(ErrorClass::NotFound, what, medium.uri(), todo).with_code(identity::CODE_FORMAT_MISSING)
    })
}

fn place(medium: &dyn Medium, there: &pb::PathFormat, role: Role) -> Place {
    Place {
        uri: medium.uri(),
        role,
        owner: Owner { cluster_id: ClusterId(there.cluster_id), tenant_id: TenantId(there.tenant_id) },
        cluster_name: there.cluster_name.clone(),
        tenant_name: there.tenant_name.clone(),
        dest_id: DestId(there.dest_id),
        of_set: None,
    }
}
