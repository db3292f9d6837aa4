//! Who owns a destination: `format.obbak`, and the probe that proves that it can be written and read.
//!
//! A destination belongs to one tenant of one cluster. Nothing is ever written into a directory that holds something
//! and is not ours: [`claim`] comes before the first write of every caller. Names and times are not compared, as in the
//! original; everything else must be equal.

use crate::{Looks, MediaError, Medium, Op, PutOutcome};
use bytes::Bytes;
use strandline_format::paths::archive::ArchivePath;
use strandline_format::pb::{CheckFile, PathFormat};
use strandline_format::{DataType, small};
use strandline_types::{ClusterId, DestId, ErrorClass, INCARNATION, Scn, TenantId};

/// The original's number for "there is no `format.obbak`".
pub const CODE_FORMAT_MISSING: i32 = -9080;
/// The original's number for "`format.obbak` is somebody else's".
pub const CODE_FORMAT_MISMATCH: i32 = -9081;

/// What a destination is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestType {
    /// Log archive.
    Archive,
    /// Data backup.
    Backup,
}

impl DestType {
    /// As in `format.obbak`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive_log",
            Self::Backup => "backup_data",
        }
    }
}

/// Whose destination it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// For people.
    pub cluster_name: String,
    /// For people.
    pub tenant_name: String,
    /// Cluster.
    pub cluster_id: ClusterId,
    /// Tenant.
    pub tenant_id: TenantId,
    /// The id under which the tenant knows this path.
    pub dest_id: DestId,
    /// What for.
    pub dest_type: DestType,
}

/// Makes the destination ours, or finds that it is already, and proves that it can be written and read. Gives the path
/// of the check file that proved it.
///
/// # Errors
/// `Invalid` with -9081 when it belongs to somebody else, with -9080 when it holds something but no identity; or what
/// the medium says.
pub async fn claim(medium: &dyn Medium, identity: &Identity, now: Scn) -> Result<String, MediaError> {
    let path = ArchivePath::Format.path();
    let mut is_new = false;
    if read(medium).await?.is_none() {
        refuse_foreign_content(medium).await?;
        let bytes = small::write_small(DataType::Format, &identity.path_format(&medium.uri(), now));
        match medium.put_if_absent(&path, Bytes::from(bytes)).await {
            Ok(outcome) => is_new = outcome == PutOutcome::Created,
            // Somebody was faster; whether it was one of ours is looked up below.
            Err(e) if e.class == ErrorClass::Fenced => {}
            Err(e) => return Err(e),
        }
    }
    let there = read(medium).await?.ok_or_else(|| {
        MediaError::new(ErrorClass::Transient, Op::Get, &medium.uri(), &path, "written, yet not there")
    })?;
    identity.compare(&there, &medium.uri(), &path)?;
    let probed = probe(medium, identity, now).await;
    if is_new && matches!(&probed, Err(e) if e.class == ErrorClass::Invalid) {
        // A destination that is refused does not stay claimed.
        medium.delete(&path).await?;
    }
    probed
}

/// Finds that a destination that was claimed before is still ours, and proves that it can be written and read. Nothing
/// is written where it is not. Gives the path of the check file that proved it.
///
/// # Errors
/// `NotFound` with -9080 when there is no identity: the destination is not mounted, or was emptied; `Invalid` with -9081
/// when it belongs to somebody else; or what the medium says.
pub async fn confirm(medium: &dyn Medium, identity: &Identity, now: Scn) -> Result<String, MediaError> {
    let (uri, path) = (medium.uri(), ArchivePath::Format.path());
    let there = read(medium).await?.ok_or_else(|| {
        let reason = "the destination has no format.obbak: it is not mounted, or was emptied";
        MediaError::new(ErrorClass::NotFound, Op::Get, &uri, &path, reason).with_code(CODE_FORMAT_MISSING)
    })?;
    identity.compare(&there, &uri, &path)?;
    probe(medium, identity, now).await
}

/// The identity of a destination; `None` when it has none.
///
/// # Errors
/// `Corrupt` when it cannot be read as one, or what the medium says.
pub async fn read(medium: &dyn Medium) -> Result<Option<PathFormat>, MediaError> {
    let path = ArchivePath::Format.path();
    let look = || async {
        let bytes = match medium.get(&path).await {
            Ok(bytes) => bytes,
            Err(e) if e.is_not_found() => return Ok(None),
            Err(e) => return Err(e),
        };
        small::read_small(DataType::Format, &bytes)
            .map(Some)
            .map_err(|e| MediaError::new(ErrorClass::Corrupt, Op::Get, &medium.uri(), &path, e.to_string()))
    };
    Looks::default().sure(look).await
}

/// Writes a connectivity check file, reads it back, tries to write other bytes over it, and removes older ones of the
/// same tenant. Gives the path of the check file.
///
/// # Errors
/// What the medium says; `Corrupt` when other bytes come back; `Invalid` when the medium silently replaces an object
/// that must not be replaced: every promise of an archive rests on that.
pub async fn probe(medium: &dyn Medium, identity: &Identity, now: Scn) -> Result<String, MediaError> {
    let path = ArchivePath::CheckFile { tenant: identity.tenant_id, time: now }.path();
    let bytes = Bytes::from(small::write_small(DataType::CheckFile, &identity.check_file(&medium.uri(), now)));
    match medium.put_if_absent(&path, bytes.clone()).await {
        Ok(_) => {
            let look = || async {
                if medium.get(&path).await? == bytes {
                    return Ok(());
                }
                let reason = "the medium gave back other bytes than were written";
                Err(MediaError::new(ErrorClass::Corrupt, Op::Get, &medium.uri(), &path, reason))
            };
            Looks::default().sure(look).await?;
            refuse_overwriting(medium, &path).await?;
        }
        // Two probes in one second: the other one has just proved the same.
        Err(e) if e.class == ErrorClass::Fenced => {}
        Err(e) => return Err(e),
    }
    let (dir, _) = path.split_once('/').unwrap_or((&path, ""));
    let ours = format!("{dir}/{}_", identity.tenant_id);
    for old in medium.list(dir).await? {
        if old.path.starts_with(&ours) && old.path < path {
            match medium.delete(&old.path).await {
                // Locked (WORM): it stays until its retention ends.
                Err(e) if e.class == ErrorClass::Permission => {}
                outcome => outcome?,
            }
        }
    }
    Ok(path)
}

/// Writes other bytes over a check file that is there: the medium must refuse.
async fn refuse_overwriting(medium: &dyn Medium, path: &str) -> Result<(), MediaError> {
    match medium.put_if_absent(path, Bytes::from_static(b"other bytes")).await {
        Err(e) if e.class == ErrorClass::Fenced => Ok(()),
        Err(e) => Err(e),
        Ok(_) => {
            medium.delete(path).await?;
            let reason = "the store ignores If-None-Match: it replaced an object silently, so two writers could destroy \
                          each other's bytes; use another store (strandline dest check names what a store can do)";
            Err(MediaError::new(ErrorClass::Invalid, Op::Put, &medium.uri(), path, reason))
        }
    }
}

/// A path without identity must hold nothing. What file systems put there by themselves does not count, nor do the
/// probes of somebody who has looked and not decided yet.
///
/// # Errors
/// `Invalid` with -9080 that names what lies there.
pub async fn refuse_foreign_content(medium: &dyn Medium) -> Result<(), MediaError> {
    let is_content = |name: &str| name != "lost+found" && name != "check_file" && !name.starts_with('.');
    let dirs = medium.list_dirs("").await?;
    let mut first = dirs.into_iter().find(|d| is_content(d));
    if first.is_none() {
        // What is no object counts as well: a name that is not UTF-8, a pipe.
        let there = medium.survey("").await?;
        let mut paths = there.objects.into_iter().map(|o| o.path).chain(there.strays.into_iter().map(|s| s.path));
        first = paths.find(|p| is_content(p) && !p.contains('/'));
    }
    match first {
        None => Ok(()),
        Some(name) => {
            let reason =
                format!("the path is not empty (it holds '{name}') and has no format.obbak: give an empty one");
            Err(MediaError::new(ErrorClass::Invalid, Op::Open, &medium.uri(), "", reason)
                .with_code(CODE_FORMAT_MISSING))
        }
    }
}

impl Identity {
    /// What `format.obbak` says of a path with this identity.
    #[must_use]
    pub fn path_format(&self, uri: &str, now: Scn) -> PathFormat {
        PathFormat {
            cluster_name: self.cluster_name.clone(),
            tenant_name: self.tenant_name.clone(),
            path: uri.to_owned(),
            cluster_id: self.cluster_id.0,
            tenant_id: self.tenant_id.0,
            incarnation: INCARNATION,
            dest_id: self.dest_id.0,
            dest_type: self.dest_type.name().to_owned(),
            created_scn: now.0,
        }
    }

    fn check_file(&self, uri: &str, now: Scn) -> CheckFile {
        CheckFile {
            cluster_name: self.cluster_name.clone(),
            tenant_name: self.tenant_name.clone(),
            path: uri.to_owned(),
            cluster_id: self.cluster_id.0,
            tenant_id: self.tenant_id.0,
            incarnation: INCARNATION,
            created_scn: now.0,
        }
    }

    fn compare(&self, there: &PathFormat, uri: &str, path: &str) -> Result<(), MediaError> {
        let mut ours = self.path_format(uri, Scn(there.created_scn));
        ours.cluster_name.clone_from(&there.cluster_name);
        ours.tenant_name.clone_from(&there.tenant_name);
        if ours == *there {
            return Ok(());
        }
        let reason = format!(
            "the path belongs to tenant {} ({}) of cluster {} ({}) as {} destination {} at {}: give another path",
            there.tenant_id,
            there.tenant_name,
            there.cluster_id,
            there.cluster_name,
            there.dest_type,
            there.dest_id,
            there.path,
        );
        Err(MediaError::new(ErrorClass::Invalid, Op::Open, uri, path, reason).with_code(CODE_FORMAT_MISMATCH))
    }
}
