//! Blocking writes to a directory tree with the durability that docs/format-reference.md asks for.
//!
//! Order rules: a directory is durable before a file in it is reported; an appended range is compared first, written
//! second, synced third. The root of a destination is created only together with its identity file: otherwise an
//! unmounted network file system would silently be replaced by a directory on the local disk.

use crate::staging::{self, Staged, sync_dir};
use crate::tree::open_file;
use crate::{MediaError, Op, PutOutcome, Unfinished};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use strandline_format::paths::archive::ArchivePath;
use strandline_types::ErrorClass;

const COMPARE_BYTES: usize = 1 << 20;
/// Directories remembered as durable; when it is full it starts anew, which only costs syncs.
const KNOWN_DIRS_MAX: usize = 4096;
/// Directory of the probes at the root of every destination.
const PROBES: &str = "check_file";
/// Locks of appended files.
const APPEND_LOCKS: usize = 64;

/// Writer of one destination root.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    uri: String,
    /// Name of the file that claims a destination.
    identity: String,
    durable_dirs: Mutex<BTreeSet<PathBuf>>,
}

impl Disk {
    pub(crate) fn new(root: PathBuf, uri: String) -> Self {
        Self { root, uri, identity: ArchivePath::Format.path(), durable_dirs: Mutex::default() }
    }

    /// Writes a whole object; `fill_empty` allows an empty object of that name to be replaced.
    pub(crate) fn put(&self, path: &str, data: &[u8], fill_empty: bool) -> Result<PutOutcome, MediaError> {
        let mut staged = self.stage(Op::Put, path)?;
        let outcome = || -> io::Result<Option<PutOutcome>> {
            staged.write(data)?;
            let dest = self.root.join(path);
            if staged.publish()? {
                return Ok(Some(PutOutcome::Created));
            }
            let (there, _) = open_file(&dest)?;
            if there.metadata()?.len() == data.len() as u64 && first_difference(&there, 0, data)?.is_none() {
                // Its writer may have died before it was durable.
                there.sync_all()?;
                self.sync_parent(&dest)?;
                return Ok(Some(PutOutcome::AlreadyEqual));
            }
            if fill_empty && there.metadata()?.len() == 0 {
                std::fs::remove_file(&dest)?;
                return Ok(staged.publish()?.then_some(PutOutcome::Created));
            }
            Ok(None)
        }();
        drop(staged);
        outcome
            .map_err(|e| {
                self.forget_empty_dir(path);
                self.error(Op::Put, path, &e)
            })?
            .ok_or_else(|| self.fenced(Op::Put, path, "an object with other bytes is there"))
    }

    /// A half-written file for `path`, in a directory that is durable.
    pub(crate) fn stage(&self, op: Op, path: &str) -> Result<Staged, MediaError> {
        let dest = self.root.join(path);
        let staged = || self.ready_dir(&dest, path).and_then(|()| Staged::create(&dest));
        let first = staged();
        // Somebody may have removed the directory just then because it was empty.
        let gone = matches!(&first, Err(e) if e.kind() == io::ErrorKind::NotFound);
        if gone { staged() } else { first }.map_err(|e| self.error(op, path, &e))
    }

    /// Removes the directories above a probe's file that is gone, as far as they are empty: a probe leaves nothing.
    pub(crate) fn tidy_probes(&self, path: &str) {
        let mut above = Path::new(path).parent();
        while let Some(dir) = above.filter(|dir| dir.starts_with(PROBES) && !dir.as_os_str().is_empty()) {
            if std::fs::remove_dir(self.root.join(dir)).is_err() {
                return;
            }
            above = dir.parent();
        }
    }

    /// Removes directories below `path`, and itself, that hold nothing.
    pub(crate) fn prune(&self, path: &str) -> Result<(), MediaError> {
        let dir = self.root.join(path);
        if path.is_empty() || !dir.is_dir() {
            return Ok(());
        }
        self.known().retain(|known| !known.starts_with(&dir));
        prune_below(&dir).map(|_| ()).map_err(|e| self.error(Op::Delete, path, &e))
    }

    /// Publishes a streamed object; equal bytes that are there already are a success.
    pub(crate) fn publish(&self, path: &str, staged: &Staged) -> Result<(), MediaError> {
        let is_ours = || -> io::Result<bool> {
            if staged.publish()? {
                return Ok(true);
            }
            let dest = self.root.join(path);
            let (there, _) = open_file(&dest)?;
            let same = same_file(staged.file(), &there)?;
            if same {
                // Its writer may have died before it was durable.
                there.sync_all()?;
                self.sync_parent(&dest)?;
            }
            Ok(same)
        }();
        if is_ours.map_err(|e| self.error(Op::Write, path, &e))? {
            Ok(())
        } else {
            Err(self.fenced(Op::Write, path, "an object with other bytes is there"))
        }
    }

    /// See [`crate::Medium::append`].
    ///
    /// Comparing and writing are one step for everybody in this process. Writers in other processes can only write the
    /// same bytes at the same place (docs/format-reference.md): no lock on the medium is needed for them.
    pub(crate) fn append(&self, path: &str, at: u64, data: &[u8]) -> Result<u64, MediaError> {
        let dest = self.root.join(path);
        let _one_step = append_lock(&dest);
        let file = self.open_append(&dest, path, at).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound if at > 0 => self.hole(path, 0, at),
            _ => self.error(Op::Append, path, &e),
        })?;
        let len = file.metadata().map_err(|e| self.error(Op::Append, path, &e))?.len();
        if len < at {
            return Err(self.hole(path, len, at));
        }
        let there = usize::try_from(len - at).unwrap_or(usize::MAX).min(data.len());
        let difference = first_difference(&file, at, &data[..there]);
        if let Some(offset) = difference.map_err(|e| self.error(Op::Append, path, &e))? {
            return Err(self.fenced(Op::Append, path, &format!("other bytes are there at offset {offset}")));
        }
        let written = || -> io::Result<u64> {
            if len == 0 {
                self.sync_parent(&dest)?;
            }
            file.write_all_at(&data[there..], at + there as u64)?;
            file.sync_data()?;
            Ok(len.max(at + data.len() as u64))
        }();
        written.map_err(|e| self.error(Op::Append, path, &e))
    }

    /// See [`crate::Medium::unfinished`].
    pub(crate) fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        staging::leftovers(&self.root).map_err(|e| self.error(Op::List, "", &e))
    }

    /// See [`crate::Medium::abort`]. `id` is the name of the half-written file beside `path`.
    pub(crate) fn abort(&self, path: &str, id: &str) -> Result<(), MediaError> {
        if staging::dest_of(id) != path.rsplit('/').next() {
            let reason = format!("'{id}' is no half-written file of this object");
            return Err(MediaError::new(ErrorClass::Invalid, Op::Abort, &self.uri, path, reason));
        }
        match std::fs::remove_file(self.root.join(path).with_file_name(id)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.error(Op::Abort, path, &e)),
            _ => Ok(()),
        }
    }

    fn open_append(&self, dest: &Path, path: &str, at: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        if at == 0 {
            self.ready_dir(dest, path)?;
            options.create(true).truncate(false);
        }
        options.open(dest)
    }

    /// Makes the directory of `dest` exist durably. Only the identity file may create the root.
    fn ready_dir(&self, dest: &Path, path: &str) -> io::Result<()> {
        let dir = dest.parent().unwrap_or(&self.root);
        if self.known().contains(dir) && dir.is_dir() {
            return Ok(());
        }
        if !self.root.is_dir() && path != self.identity {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the destination's own directory is not there"));
        }
        std::fs::create_dir_all(dir)?;
        let mut at = dir;
        while at != self.root {
            sync_dir(at)?;
            at = at.parent().unwrap_or(&self.root);
        }
        sync_dir(&self.root)?;
        if path == self.identity {
            // The root may be new. Its parent may be unreadable for us; then the administrator made the root.
            let _ = self.root.parent().map(sync_dir);
        }
        let mut known = self.known();
        if known.len() >= KNOWN_DIRS_MAX {
            known.clear();
        }
        known.insert(dir.to_owned());
        Ok(())
    }

    /// A write that failed leaves no empty directory behind.
    fn forget_empty_dir(&self, path: &str) {
        let dest = self.root.join(path);
        if let Some(dir) = dest.parent().filter(|dir| *dir != self.root) {
            self.known().remove(dir);
            // Best effort: a directory with something in it stays.
            let _ = std::fs::remove_dir(dir);
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.durable_dirs.lock()
    }

    fn sync_parent(&self, dest: &Path) -> io::Result<()> {
        sync_dir(dest.parent().unwrap_or(&self.root))
    }

    fn error(&self, op: Op, path: &str, error: &io::Error) -> MediaError {
        MediaError::from_io(op, &self.uri, path, error)
    }

    fn fenced(&self, op: Op, path: &str, reason: &str) -> MediaError {
        MediaError::new(ErrorClass::Fenced, op, &self.uri, path, reason)
    }

    fn hole(&self, path: &str, len: u64, at: u64) -> MediaError {
        let reason = format!("holds {len} bytes, an append at {at} would leave a hole");
        MediaError::new(ErrorClass::Invalid, Op::Append, &self.uri, path, reason)
    }
}

/// Removes a directory that holds nothing but such directories; false when something is in it.
fn prune_below(dir: &Path) -> io::Result<bool> {
    let mut is_empty = true;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        is_empty &= entry.file_type()?.is_dir() && prune_below(&entry.path())?;
    }
    if !is_empty {
        return Ok(false);
    }
    match std::fs::remove_dir(dir) {
        // Somebody was faster, either way.
        Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(true),
    }
}

/// The lock of a file; files share locks, which only costs a little waiting.
fn append_lock(dest: &Path) -> MutexGuard<'static, ()> {
    static LOCKS: [Mutex<()>; APPEND_LOCKS] = [const { Mutex::new(()) }; APPEND_LOCKS];
    let mut hasher = DefaultHasher::new();
    dest.hash(&mut hasher);
    // The remainder is below the number of locks.
    LOCKS[hasher.finish() as usize % APPEND_LOCKS].lock()
}

/// Offset in the file of the first byte that is not as in `expected`.
fn first_difference(file: &File, at: u64, expected: &[u8]) -> io::Result<Option<u64>> {
    let mut buffer = vec![0; COMPARE_BYTES.min(expected.len())];
    let mut offset = at;
    for chunk in expected.chunks(COMPARE_BYTES) {
        let there = &mut buffer[..chunk.len()];
        file.read_exact_at(there, offset)?;
        if let Some(i) = there.iter().zip(chunk).position(|(a, b)| a != b) {
            return Ok(Some(offset + i as u64));
        }
        offset += chunk.len() as u64;
    }
    Ok(None)
}

fn same_file(ours: &File, theirs: &File) -> io::Result<bool> {
    let len = ours.metadata()?.len();
    if theirs.metadata()?.len() != len {
        return Ok(false);
    }
    let mut buffer = vec![0; COMPARE_BYTES];
    let mut offset = 0;
    while offset < len {
        let n = usize::try_from(len - offset).unwrap_or(usize::MAX).min(COMPARE_BYTES);
        ours.read_exact_at(&mut buffer[..n], offset)?;
        if first_difference(theirs, offset, &buffer[..n])?.is_some() {
            return Ok(false);
        }
        offset += n as u64;
    }
    Ok(true)
}
