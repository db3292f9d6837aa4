//! Damaged replicas that were put aside: `<data dir>/quarantine/t<tenant>-ls<ls>/`, one at most for each replica.
//!
//! Order rules: the guard of the group knows of the loss, durably, before a file moves (`Node::replica_is_lost`); an older
//! copy goes before the newer one comes, so that there are never two. A replica that never was whole again replaces no copy:
//! it holds less. Nothing here is ever opened again.

use crate::{files, places};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use strandline_types::{LsId, TenantId};

const DIR: &str = "quarantine";

/// Where the files of a damaged replica are kept.
pub(crate) fn place(data: &Path, tenant: TenantId, ls: LsId) -> PathBuf {
    data.join(DIR).join(format!("t{tenant}-ls{ls}"))
}

/// Moves the files of a replica there; `is_fragment`: it was damaged before it was whole, and goes where a copy is kept.
pub(crate) fn put_aside(data: &Path, tenant: TenantId, ls: LsId, is_fragment: bool) -> io::Result<()> {
    let (from, to) = (places::replica_dir(data, tenant, ls), place(data, tenant, ls));
    if is_fragment && to.exists() {
        files::remove_tree_if_there(from.root())?;
        return from.root().parent().map_or(Ok(()), files::sync_dir);
    }
    if !from.root().exists() {
        return Ok(());
    }
    files::remove_tree_if_there(&to)?;
    files::create_dir(&data.join(DIR))?;
    match fs::rename(from.root(), &to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    from.root().parent().map_or(Ok(()), files::sync_dir)?;
    files::sync_dir(&data.join(DIR))
}

/// Deletes them; none is as good.
pub(crate) fn remove(data: &Path, tenant: TenantId, ls: LsId) -> io::Result<()> {
    files::remove_tree_if_there(&place(data, tenant, ls))?;
    match fs::remove_dir(data.join(DIR)) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        other => other,
    }
}

/// Whose files are kept.
pub(crate) fn kept(data: &Path) -> io::Result<Vec<(TenantId, LsId)>> {
    let entries = match fs::read_dir(data.join(DIR)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut kept = Vec::new();
    for entry in entries {
        kept.extend(entry?.file_name().to_str().and_then(key_of));
    }
    Ok(kept)
}

fn key_of(name: &str) -> Option<(TenantId, LsId)> {
    let (tenant, ls) = name.strip_prefix('t')?.split_once("-ls")?;
    Some((TenantId(tenant.parse().ok()?), LsId(ls.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_copy_is_kept_and_the_newer_one_replaces_it() {
        let data = tempfile::tempdir().unwrap();
        let key = (TenantId(1002), LsId(1001));
        for damage in ["first", "second"] {
            let root = places::replica_dir(data.path(), key.0, key.1).root().to_owned();
            fs::create_dir_all(&root).unwrap();
            fs::write(root.join(damage), b"x").unwrap();
            put_aside(data.path(), key.0, key.1, false).unwrap();
            assert!(!root.exists());
            assert_eq!(kept(data.path()).unwrap(), [key]);
        }
        let files = || -> Vec<_> {
            fs::read_dir(place(data.path(), key.0, key.1)).unwrap().map(|e| e.unwrap().file_name()).collect()
        };
        assert_eq!(files(), ["second"]);
        // Without anything to move, and with less than was moved, it stays.
        put_aside(data.path(), key.0, key.1, false).unwrap();
        let root = places::replica_dir(data.path(), key.0, key.1).root().to_owned();
        fs::create_dir_all(&root).unwrap();
        put_aside(data.path(), key.0, key.1, true).unwrap();
        assert!(!root.exists());
        assert_eq!(files(), ["second"]);
        for _ in 0..2 {
            remove(data.path(), key.0, key.1).unwrap();
            assert_eq!(kept(data.path()).unwrap(), []);
        }
    }
}
