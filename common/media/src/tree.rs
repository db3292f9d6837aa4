//! Blocking reads of a directory tree.
//!
//! Only regular files are objects, links to them included. Whatever else lies in the tree (names that are no UTF-8, named
//! pipes, sockets, devices, links that lead nowhere or in a circle) is told apart and never opened in a way that can wait
//! for somebody, and a directory that cannot be read hides only itself.

use crate::staging::dest_of;
use crate::{Listed, MediaError, Op, Stray, Survey};
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use strandline_types::ErrorClass;

/// Reader of one destination root.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    uri: String,
}

/// A directory on the way down: its name below the root, and what it is, to notice links that lead back up.
struct Dir {
    path: String,
    above: Vec<(u64, u64)>,
}

impl Tree {
    pub(crate) const fn new(root: PathBuf, uri: String) -> Self {
        Self { root, uri }
    }

    pub(crate) fn get(&self, path: &str) -> Result<Vec<u8>, MediaError> {
        let read = || -> io::Result<Vec<u8>> {
            let (mut file, meta) = open_file(&self.root.join(path))?;
            let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0));
            io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok(bytes)
        };
        read().map_err(|e| self.error(Op::Get, path, &e))
    }

    pub(crate) fn get_range(&self, path: &str, range: &Range<u64>) -> Result<Vec<u8>, MediaError> {
        let failed = |e: io::Error| self.error(Op::Get, path, &e);
        let (file, meta) = open_file(&self.root.join(path)).map_err(failed)?;
        let short = |len: u64| {
            let reason = format!("holds {len} bytes, bytes {}..{} are needed", range.start, range.end);
            MediaError::new(ErrorClass::Corrupt, Op::Get, &self.uri, path, reason)
        };
        if meta.len() < range.end {
            return Err(short(meta.len()));
        }
        let wanted = usize::try_from(range.end - range.start).map_err(|_| short(meta.len()))?;
        let mut bytes = vec![0; wanted];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(bytes),
            // It was cut meanwhile.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(short(file.metadata().map_err(failed)?.len())),
            Err(e) => Err(failed(e)),
        }
    }

    pub(crate) fn head(&self, path: &str) -> Result<u64, MediaError> {
        let look = || {
            let meta = fs::metadata(self.root.join(path))?;
            check_kind(&meta)?;
            Ok(meta.len())
        };
        look().map_err(|e| self.error(Op::Head, path, &e))
    }

    /// A missing file is a success.
    pub(crate) fn delete(&self, path: &str) -> Result<(), MediaError> {
        match fs::remove_file(self.root.join(path)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(self.error(Op::Delete, path, &e)),
            _ => Ok(()),
        }
    }

    /// The directories directly below `dir`, links to them included.
    pub(crate) fn dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        let mut found = Vec::new();
        for (name, kind) in self.entries(dir).map_err(|e| self.error(Op::List, dir, &e))? {
            let Ok(name) = name.into_string() else { continue };
            let path = below(dir, &name);
            let is_dir = || fs::metadata(self.root.join(&path)).is_ok_and(|meta| meta.is_dir());
            if kind.is_dir() || (kind.is_symlink() && is_dir()) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Everything below `dir`.
    pub(crate) fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        let mut found = Survey::default();
        let above = fs::metadata(self.root.join(dir)).map(|meta| vec![(meta.dev(), meta.ino())]).unwrap_or_default();
        let mut dirs = vec![Dir { path: dir.to_owned(), above }];
        while let Some(dir) = dirs.pop() {
            let entries = match self.entries(&dir.path) {
                Ok(entries) => entries,
                Err(e) if is_for_good(&e) && !dir.path.is_empty() => {
                    let (path, what) = (dir.path, format!("the directory cannot be read: {e}"));
                    found.strays.push(Stray { path, what, hides: true });
                    continue;
                }
                Err(e) => return Err(self.error(Op::List, &dir.path, &e)),
            };
            for (name, kind) in entries {
                match name.into_string() {
                    Ok(name) if !kind.is_dir() && dest_of(&name).is_some() => {}
                    Ok(name) => self.sort_in(&dir, below(&dir.path, &name), kind, &mut dirs, &mut found)?,
                    Err(name) => found.strays.push(Stray {
                        path: below(&dir.path, &name.to_string_lossy()),
                        what: "its name is not UTF-8".to_owned(),
                        hides: false,
                    }),
                }
            }
        }
        found.objects.sort();
        found.strays.sort();
        Ok(found)
    }

    fn sort_in(
        &self,
        dir: &Dir,
        path: String,
        kind: FileType,
        dirs: &mut Vec<Dir>,
        found: &mut Survey,
    ) -> Result<(), MediaError> {
        let mut stray = |path: String, what: String, hides| found.strays.push(Stray { path, what, hides });
        if let Some(what) = no_file(kind) {
            stray(path, format!("it is {what}, not a file"), false);
            return Ok(());
        }
        let meta = match fs::metadata(self.root.join(&path)) {
            Ok(meta) => meta,
            // It went away meanwhile, or the link leads nowhere.
            Err(e) if e.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => return Ok(()),
            Err(e) if kind.is_symlink() && (is_for_good(&e) || e.kind() == io::ErrorKind::NotFound) => {
                stray(path, format!("it is a link that cannot be followed: {e}"), false);
                return Ok(());
            }
            Err(e) if is_for_good(&e) => {
                stray(path, format!("it cannot be looked at: {e}"), true);
                return Ok(());
            }
            Err(e) => return Err(self.error(Op::List, &path, &e)),
        };
        let id = (meta.dev(), meta.ino());
        if let Some(what) = no_file(meta.file_type()) {
            stray(path, format!("it is a link to {what}, not to a file"), false);
        } else if meta.is_file() {
            found.objects.push(Listed { path, bytes: meta.len() });
        } else if dir.above.contains(&id) {
            stray(path, "it is a link to a directory above it".to_owned(), false);
        } else {
            let above = dir.above.iter().copied().chain([id]).collect();
            dirs.push(Dir { path, above });
        }
        Ok(())
    }

    /// Names and kinds in a directory; one that is not there, or is no directory, has none.
    fn entries(&self, dir: &str) -> io::Result<Vec<(std::ffi::OsString, FileType)>> {
        let entries = match fs::read_dir(self.root.join(dir)) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(e) => return Err(e),
        };
        let kind = |entry: fs::DirEntry| match entry.file_type() {
            Ok(kind) => Ok(Some((entry.file_name(), kind))),
            // Where the file system has to be asked for a kind, the file may be gone by then.
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        };
        entries.filter_map(|entry| entry.and_then(kind).transpose()).collect()
    }

    fn error(&self, op: Op, path: &str, error: &io::Error) -> MediaError {
        // A directory of this name is no object of it.
        let is_dir = error.kind() == io::ErrorKind::IsADirectory && matches!(op, Op::Get | Op::Head);
        let none = io::Error::from(io::ErrorKind::NotFound);
        MediaError::from_io(op, &self.uri, path, if is_dir { &none } else { error })
    }
}

/// Opens a regular file for reading; anything else is refused and not waited for.
pub(crate) fn open_file(path: &Path) -> io::Result<(File, Metadata)> {
    // Looked at first: opening a device can do something by itself.
    check_kind(&fs::metadata(path)?)?;
    // It may have been replaced by a pipe since: opening one waits for its writer without this flag.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    check_kind(&meta)?;
    Ok((file, meta))
}

fn check_kind(meta: &Metadata) -> io::Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let Some(what) = no_file(meta.file_type()) else { return Err(io::ErrorKind::IsADirectory.into()) };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a file")))
}

/// What something is that is neither file nor directory nor link.
fn no_file(kind: FileType) -> Option<&'static str> {
    match kind {
        kind if kind.is_fifo() => Some("a named pipe"),
        kind if kind.is_socket() => Some("a socket"),
        kind if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        _ => None,
    }
}

/// An error of this one name and not of the medium, which is there and answers.
fn is_for_good(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(error.kind(), K::PermissionDenied | K::InvalidFilename | K::NotADirectory | K::InvalidInput)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

fn below(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
