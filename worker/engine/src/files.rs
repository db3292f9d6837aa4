//! Small durable files of the engine: replaced whole, with a checksum; and the directory steps that make a change stay.
//!
//! A file that was replaced is either the old or the new one after a crash, never a mixture.

use crate::error::corrupt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use strandline_format::checksum::crc32c_raw;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};

const CHECKSUM_BYTES: usize = 4;

/// Writes `bytes` and a checksum as the new content of `path`, durably.
pub(crate) fn replace_checked(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(&crc32c_raw(!0, bytes).to_be_bytes())?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), sync_dir)
}

/// Content of a file that [`replace_checked`] wrote; `None` when it is not there.
pub(crate) fn read_checked(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let bytes = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let Some((sum, body)) = bytes.split_first_chunk::<CHECKSUM_BYTES>() else {
        return Err(corrupt(format!("{} is shorter than its checksum", path.display())));
    };
    if u32::from_be_bytes(*sum) != crc32c_raw(!0, body) {
        return Err(corrupt(format!("{}: checksum does not match", path.display())));
    }
    Ok(Some(body.to_vec()))
}

/// Creates a directory and whatever is missing above it, durably.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        create_dir(parent)?;
    }
    match fs::create_dir(path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    path.parent().map_or(Ok(()), sync_dir)
}

/// Makes creations, renames and deletions in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes every file below `dir` and the directories themselves durable. RocksDB may be compacting there already: a
/// file that goes away meanwhile needs no sync, and what RocksDB makes it syncs itself.
pub(crate) fn sync_tree(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        } else {
            match File::open(entry.path()) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                file => file?.sync_all()?,
            }
        }
    }
    sync_dir(dir)
}

/// Makes `to` a second tree with the same content: what never changes (SST files, full log blocks) is linked, the rest
/// is copied.
pub(crate) fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            link_tree(&source, &target)?;
        } else if never_changes(&source, entry.metadata()?.len()) {
            // Another file system cannot link: then a copy does.
            fs::hard_link(&source, &target).or_else(|_| fs::copy(&source, &target).map(drop))?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

fn never_changes(path: &Path, bytes: u64) -> bool {
    match path.extension().and_then(|e| e.to_str()) {
        Some("sst") => true,
        Some("log") => bytes == ARCHIVE_FILE_HEADER_BYTES + BLOCK_BODY_BYTES,
        _ => false,
    }
}

/// Removes a file; a missing one is as good.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes a directory with everything in it; a missing one is as good.
pub(crate) fn remove_tree_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
