//! A half-written file that becomes an object in one step (docs/format-reference.md).
//!
//! Order rule: write, fsync of the file, link under its final name (never over another object), fsync of the
//! directory. Where the file system can, the half-written file has no name at all, so that a killed process leaves
//! nothing behind; elsewhere (network file systems) it is `<name>#<digits>`, which no listing shows. Blocking.
//!
//! Large pieces go past the page cache of a local disk ([`LargeFile`]).

use crate::{LargeFile, Unfinished};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file under way to the name `dest`.
#[derive(Debug)]
pub(crate) struct Staged {
    file: LargeFile,
    dest: PathBuf,
    /// Its name when it has one.
    name: Option<PathBuf>,
}

impl Staged {
    /// Opens a new half-written file beside `dest`. The directory must exist.
    pub(crate) fn create(dest: &Path) -> io::Result<Self> {
        match unnamed(dest) {
            Ok(file) => Ok(Self { file: LargeFile::new(file), dest: dest.to_owned(), name: None }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(e),
            Err(_) => Self::create_named(dest),
        }
    }

    fn create_named(dest: &Path) -> io::Result<Self> {
        let mut n = 1_u32;
        loop {
            let mut name = dest.as_os_str().to_owned();
            name.push(format!("#{n}"));
            match OpenOptions::new().read(true).write(true).create_new(true).open(&name) {
                Ok(file) => {
                    let (file, name) = (LargeFile::cached(file), Some(name.into()));
                    return Ok(Self { file, dest: dest.to_owned(), name });
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// Adds bytes at the end.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write(data)
    }

    /// The half-written file, to read back what was written.
    pub(crate) const fn file(&self) -> &File {
        self.file.file()
    }

    /// Makes the bytes durable, then visible under the final name. `false`: an object has that name already.
    pub(crate) fn publish(&self) -> io::Result<bool> {
        self.file().sync_all()?;
        let linked = match &self.name {
            Some(name) => fs::hard_link(name, &self.dest),
            None => link_unnamed(self.file(), &self.dest),
        };
        match linked {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(e),
        }
        if let Some(dir) = self.dest.parent() {
            sync_dir(dir)?;
        }
        Ok(true)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Best effort: a leftover is invisible to every listing.
            let _ = fs::remove_file(name);
        }
    }
}

/// The file name that a half-written file of this name would get; `None` when it is none.
pub(crate) fn dest_of(name: &str) -> Option<&str> {
    let (dest, digits) = name.rsplit_once('#')?;
    (!dest.is_empty() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(dest)
}

/// Named half-written files below `root`, sorted. A root that is not there holds none.
pub(crate) fn leftovers(root: &Path) -> io::Result<Vec<Unfinished>> {
    let mut found = Vec::new();
    let mut dirs = vec![String::new()];
    while let Some(dir) = dirs.pop() {
        let entries = match fs::read_dir(root.join(&dir)) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let below = |name: &str| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
            if entry.file_type()?.is_dir() {
                dirs.push(below(&name));
            } else if let Some(dest) = dest_of(&name) {
                let Ok(meta) = entry.metadata() else { continue };
                let since = meta.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let started_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                found.push(Unfinished { path: below(dest), id: name, started_ms });
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unnamed(dest: &Path) -> io::Result<File> {
    let dir = dest.parent().unwrap_or_else(|| Path::new("/"));
    let fd = rustix::fs::open(dir, OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC, Mode::from_raw_mode(0o644))?;
    Ok(File::from(fd))
}

fn link_unnamed(file: &File, dest: &Path) -> io::Result<()> {
    let from = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, from, CWD, dest, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

/// Makes the entries of a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_staging_publish_once_and_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for (name, create) in [("a", Staged::create as fn(&Path) -> io::Result<Staged>), ("b", Staged::create_named)] {
            let dest = dir.path().join(name);
            let mut first = create(&dest).unwrap();
            let mut second = create(&dest).unwrap();
            first.write(b"one").unwrap();
            second.write(b"two").unwrap();
            assert!(!dest.exists(), "nothing is visible before publish");
            assert!(first.publish().unwrap());
            assert!(!second.publish().unwrap(), "an object is never replaced");
            assert_eq!(fs::read(&dest).unwrap(), b"one");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no leftovers");
    }
}
