//! Destinations: who owns one, and whether it can be used at all.
//!
//! [`examine`] runs before a destination enters the State, so that a bad one is refused where it was typed; [`format()`]
//! is the plan's step that makes it ours. Neither writes anything into a path that holds something foreign.

use crate::clock;
use bytes::Bytes;
use strandline_format::paths::ArchivePath;
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{MediaError, Medium, Op};
use strandline_scheduler_core::DestRef;
use strandline_scheduler_core::state::DestKind;
use strandline_types::{DestUri, ErrorClass, Failure, Scn};

fn identity_of(dest: &DestRef, kind: DestKind) -> Identity {
    Identity {
        cluster_name: dest.cluster_name.clone(),
        tenant_name: dest.tenant_name.clone(),
        cluster_id: dest.cluster_id,
        tenant_id: dest.tenant_id,
        dest_id: dest.dest_id,
        dest_type: match kind {
            DestKind::Archive => DestType::Archive,
            DestKind::Data => DestType::Backup,
        },
    }
}

/// `format.obbak`: ours already, or written now; and a probe that the path can be written and read. Gives the check file
/// that proved it.
pub async fn format(medium: &dyn Medium, dest: &DestRef, kind: DestKind, created_ms: u64) -> Result<String, Failure> {
    if let Some(parent) = &dest.made_below {
        make_below(parent, dest, created_ms).await?;
    }
    Ok(identity::claim(medium, &identity_of(dest, kind), Scn::from_ms(created_ms)).await?)
}

/// A destination that was given up and is wanted again: `format.obbak` has to be there.
/// Gives the check file that proved it.
pub async fn again(medium: &dyn Medium, dest: &DestRef, kind: DestKind) -> Result<String, Failure> {
    Ok(identity::confirm(medium, &identity_of(dest, kind), clock::now()).await?)
}

/// The directory of a destination that does not exist yet: a check file is written into it through its parent,
/// which has to be there. It is older than the one of [`identity::claim`], which removes it.
async fn make_below(parent: &DestUri, dest: &DestRef, created_ms: u64) -> Result<(), Failure> {
    let Some(below) = dest.uri.place().path_below(parent.place()) else { return Ok(()) };
    let path =
        ArchivePath::CheckFile { tenant: dest.tenant_id, time: Scn::from_ms(created_ms.saturating_sub(1000)) }.path();
    let parent = super::open_unclaimed(parent, &dest.access)?;
    parent.put_if_absent(&format!("{below}/{path}"), Bytes::new()).await?;
    Ok(())
}

/// Whether a path can become (or is) the destination `dest`. `known` = the State has it already under this id, with its
/// identity written: then a path without one is not mounted, and is never claimed anew. Gives the check file that proved
/// it.
///
/// # Errors
/// Permission, foreign or non-empty paths, and whatever the medium says.
pub async fn examine(
    medium: &dyn Medium,
    dest: &DestRef,
    kind: DestKind,
    known: bool,
    now: Scn,
) -> Result<String, Failure> {
    let identity = identity_of(dest, kind);
    if known {
        return Ok(identity::confirm(medium, &identity, now).await?);
    }
    if let Some(there) = identity::read(medium).await? {
        let reason = format!(
            "the path belongs to tenant {} ({}) of cluster {} ({}) as {} destination {}: give another path",
            there.tenant_id, there.tenant_name, there.cluster_id, there.cluster_name, there.dest_type, there.dest_id,
        );
        let error = MediaError::new(ErrorClass::Invalid, Op::Open, &medium.uri(), "", reason);
        return Err(error.with_code(identity::CODE_FORMAT_MISMATCH).into());
    }
    identity::refuse_foreign_content(medium).await?;
    Ok(identity::probe(medium, &identity, now).await?)
}
