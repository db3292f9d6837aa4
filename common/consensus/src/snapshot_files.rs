//! A snapshot as a directory of files: what is in it, which names may come over the wire, who removes it.
//!
//! A name is relative, `/`-separated, and has only plain components: no `..`, no root, nothing empty. A receiver of
//! names checks them here before touching the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Longest name of a file in a snapshot.
const NAME_BYTES_MAX: usize = 512;

/// A snapshot's directory in this process.
#[derive(Debug)]
pub(crate) struct SnapshotFiles {
    dir: PathBuf,
    received: bool,
}

impl SnapshotFiles {
    /// A directory that belongs to the state machine.
    pub(crate) fn lent(dir: PathBuf) -> Self {
        Self { dir, received: false }
    }

    /// A directory that came over the wire and goes when this is dropped.
    pub(crate) fn received(dir: PathBuf) -> Self {
        Self { dir, received: true }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for SnapshotFiles {
    fn drop(&mut self) {
        if self.received
            && let Err(e) = fs::remove_dir_all(&self.dir)
            && e.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(dir = %self.dir.display(), error = %e, "a received snapshot stays on disk");
        }
    }
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// All files below `dir`, sorted by name.
pub(crate) fn list_files(dir: &Path) -> io::Result<Vec<FileEntry>> {
    let mut files = Vec::new();
    let mut open = vec![(dir.to_path_buf(), String::new())];
    while let Some((path, prefix)) = open.pop() {
        for item in fs::read_dir(&path)? {
            let item = item?;
            let leaf = item.file_name().into_string().map_err(|_| invalid("a file name that is not UTF-8"))?;
            let name = if prefix.is_empty() { leaf } else { format!("{prefix}/{leaf}") };
            if item.file_type()?.is_dir() {
                open.push((item.path(), name));
            } else {
                files.push(FileEntry { name, bytes: item.metadata()?.len() });
            }
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// Where the file `name` belongs below `dir`; an error for a name that could lead elsewhere.
pub(crate) fn place(dir: &Path, name: &str) -> io::Result<PathBuf> {
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if name.len() > NAME_BYTES_MAX || !name.split('/').all(plain) {
        return Err(invalid("a file name that leads out of the snapshot"));
    }
    Ok(dir.join(name))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_out_of_the_snapshot() {
        let dir = Path::new("/snap");
        assert_eq!(place(dir, "a/b.sst").unwrap(), Path::new("/snap/a/b.sst"));
        for bad in ["", "/etc/passwd", "..", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b", &"x".repeat(600)] {
            assert!(place(dir, bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_file_is_listed_by_its_relative_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("log/deep")).unwrap();
        fs::write(dir.path().join("CURRENT"), b"x").unwrap();
        fs::write(dir.path().join("log/deep/1"), b"yy").unwrap();
        let names: Vec<_> = list_files(dir.path()).unwrap().into_iter().map(|f| (f.name, f.bytes)).collect();
        assert_eq!(names, [("CURRENT".to_owned(), 1), ("log/deep/1".to_owned(), 2)]);
    }

    #[test]
    fn a_received_directory_goes_with_its_handle_and_a_lent_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (lent, received) = (dir.path().join("lent"), dir.path().join("received"));
        fs::create_dir(&lent).unwrap();
        fs::create_dir(&received).unwrap();
        drop((SnapshotFiles::lent(lent.clone()), SnapshotFiles::received(received.clone())));
        assert!(lent.exists() && !received.exists());
    }
}
