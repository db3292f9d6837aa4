//! Where the files of every replica lie: `<data dir>/t<tenant>/ls<ls>/`, and `<data dir>/trash` for what is being deleted.

use crate::dirs::ReplicaDir;
use crate::files;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use strandline_types::{LsId, TenantId};

/// Files that are being deleted; emptied on every start.
pub(crate) fn trash(data: &Path) -> PathBuf {
    data.join("trash")
}

/// Files of one replica.
pub(crate) fn replica_dir(data: &Path, tenant: TenantId, ls: LsId) -> ReplicaDir {
    ReplicaDir::new(data.join(format!("t{tenant}")).join(format!("ls{ls}")))
}

/// Directories `t<tenant>/ls<ls>`.
pub(crate) fn stored_replicas(dir: &Path) -> io::Result<Vec<ReplicaDir>> {
    let mut found = Vec::new();
    for tenant in subdirs(dir, "t")? {
        found.extend(subdirs(&tenant, "ls")?.into_iter().map(ReplicaDir::new));
    }
    Ok(found)
}

/// Tenant and log stream of every directory `t<tenant>/ls<ls>`.
pub(crate) fn stored_keys(data: &Path) -> io::Result<Vec<(TenantId, LsId)>> {
    let number = |path: &Path, prefix: &str| path.file_name()?.to_str()?.strip_prefix(prefix)?.parse::<u64>().ok();
    let found = stored_replicas(data)?;
    let keys = found.iter().filter_map(|dir| {
        let tenant = number(dir.root().parent()?, "t")?;
        Some((TenantId(tenant), LsId(number(dir.root(), "ls")?)))
    });
    Ok(keys.collect())
}

/// Sub-directories whose name is `prefix` and a number, in order of names.
fn subdirs(dir: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix(prefix)).and_then(|n| n.parse::<u64>().ok());
        if number.is_some() && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Takes a replica's files away. The rename comes first: half-deleted files are never opened.
pub(crate) fn delete_replica(data: &Path, tenant: TenantId, ls: LsId) -> io::Result<()> {
    let doomed = trash(data).join(format!("t{tenant}-ls{ls}"));
    files::create_dir(&trash(data))?;
    files::remove_tree_if_there(&doomed)?;
    let from = replica_dir(data, tenant, ls);
    match fs::rename(from.root(), &doomed) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        other => other?,
    }
    if let Some(tenant_dir) = from.root().parent() {
        match files::sync_dir(tenant_dir) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        // The last log stream of a tenant takes its directory along; others keep it.
        let _ = fs::remove_dir(tenant_dir);
    }
    files::remove_tree_if_there(&doomed)
}
