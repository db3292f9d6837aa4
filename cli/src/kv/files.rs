//! Reading a directory: which files it holds, and their bytes as key-value records.
//!
//! Everything here blocks and runs on one thread of its own; records leave through a bounded channel. Only regular files
//! are taken; symbolic links, pipes, sockets and devices are left out and named, and none of them is opened.

use super::record::{CHUNK_BYTES, Head, PATH_BYTES_MAX, chunk_key};
use crate::Outcome;
use crate::output::io_failure;
use bytes::Bytes;
use std::fs::{File, FileType};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::Xxh3;

/// One regular file of a directory.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Path below the directory.
    pub relative: PathBuf,
    /// Where it lies.
    pub absolute: PathBuf,
    /// Size and mode.
    pub head: Head,
}

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// Regular files, sorted by relative path.
    pub files: Vec<FileEntry>,
    /// Entries that are no regular file, sorted: path below the directory, and what it is.
    pub left_out: Vec<(PathBuf, &'static str)>,
}

impl Listing {
    /// Sum of the sizes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|f| f.head.bytes).sum()
    }
}

/// Lists `root` and everything below it.
pub fn list(root: &Path) -> Outcome<Listing> {
    let mut listing = Listing::default();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        let failed = |e: std::io::Error| io_failure("cannot list the directory", &dir, &e);
        for item in std::fs::read_dir(&dir).map_err(failed)? {
            let item = item.map_err(failed)?;
            let kind = item.file_type().map_err(failed)?;
            if kind.is_dir() {
                open.push(item.path());
            } else if kind.is_file() {
                listing.files.push(entry(root, item.path())?);
            } else {
                let path = item.path();
                listing.left_out.push((below(root, &path), kind_of(kind)));
            }
        }
    }
    listing.files.sort_by(|a, b| a.relative.cmp(&b.relative));
    listing.left_out.sort();
    Ok(listing)
}

fn below(root: &Path, absolute: &Path) -> PathBuf {
    absolute.strip_prefix(root).unwrap_or(absolute).to_owned()
}

fn kind_of(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// A file that may not be read is found before anything is written.
fn entry(root: &Path, absolute: PathBuf) -> Outcome<FileEntry> {
    let opened = File::open(&absolute).and_then(|file| file.metadata());
    let meta = opened.map_err(|e| io_failure("cannot read the file", &absolute, &e))?;
    let relative = below(root, &absolute);
    if relative.as_os_str().as_bytes().len() > PATH_BYTES_MAX {
        let what = format!("the path is longer than {PATH_BYTES_MAX} bytes");
        return Err(Failure::new(ErrorClass::Invalid, what, relative.display().to_string(), "rename or move the file"));
    }
    let head = Head { bytes: meta.len(), mode: meta.permissions().mode() & 0o7777 };
    Ok(FileEntry { relative, absolute, head })
}

/// One key to write; no value deletes it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Option<Bytes>,
}

/// Sends the records of one file and gives the hash of its bytes. A closed channel ends it early: the receiver failed and
/// says why.
pub fn send_file(file: &FileEntry, to: &mpsc::Sender<Record>) -> Outcome<u128> {
    let mut from = File::open(&file.absolute).map_err(|e| io_failure("cannot open the file", &file.absolute, &e))?;
    send_bytes(&file.relative, file.head, to, |buffer| {
        from.read_exact(buffer).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => changed(&file.absolute),
            _ => io_failure("cannot read the file", &file.absolute, &e),
        })
    })
}

/// Sends the records of a file whose bytes come from `fill`, front to back.
pub fn send_bytes(
    relative: &Path,
    head: Head,
    to: &mpsc::Sender<Record>,
    mut fill: impl FnMut(&mut [u8]) -> Outcome<()>,
) -> Outcome<u128> {
    let (mut hash, mut left, mut buffer) = (Xxh3::new(), head.bytes, Vec::new());
    for n in 0..head.chunks() {
        buffer.resize(left.min(CHUNK_BYTES as u64) as usize, 0);
        fill(&mut buffer)?;
        left -= buffer.len() as u64;
        hash.update(&buffer);
        let value = if n == 0 { head.encode(&buffer) } else { buffer.clone() };
        let n = u32::try_from(n).map_err(|_| {
            Failure::new(
                ErrorClass::Invalid,
                "the file has too many chunks",
                relative.display().to_string(),
                "split it",
            )
        })?;
        if to.blocking_send(Record { key: chunk_key(relative, n), value: Some(value.into()) }).is_err() {
            break;
        }
    }
    Ok(hash.digest128())
}

fn changed(path: &Path) -> Failure {
    let todo = "import a directory that is not written to";
    Failure::new(ErrorClass::Invalid, "the file became shorter while it was read", path.display().to_string(), todo)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_is_no_regular_file_is_named_and_never_opened() {
        let dir = tempfile::tempdir().unwrap();
        let odd = OsStr::from_bytes(b"caf\xe9 '%#1\n\xf0\x9f\x98\x80");
        std::fs::write(dir.path().join(odd), "x").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("link")).unwrap();
        // Opening a pipe without a writer would wait for one.
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap();
        assert!(made.success());
        let listing = list(dir.path()).unwrap();
        assert_eq!(listing.files.iter().map(|f| f.relative.as_os_str()).collect::<Vec<_>>(), [odd]);
        let left_out = [(PathBuf::from("link"), "a symbolic link"), (PathBuf::from("pipe"), "a named pipe")];
        assert_eq!(listing.left_out, left_out);
    }
}
