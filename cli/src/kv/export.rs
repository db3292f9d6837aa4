//! `kv export DIR`: every file of a table into a directory.
//!
//! Tablets are read in parallel, page by page; the chunks of a large file lie in several tablets and are written at their
//! offsets as they come. Order rule: a file counts only once its head and all its chunks were seen; one that lacks any is
//! an error that names it, never a shorter file.

use super::record::{CHUNK_BYTES, Head, chunk_key, parse_key};
use super::table::Table;
use crate::Outcome;
use crate::output::io_failure;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_types::{ErrorClass, Failure, LsId, TabletId};

/// Tablets that are read at the same time.
const TABLETS_IN_FLIGHT: usize = 4;

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Writes every file of `table` below `dir`, which must be empty or not exist.
pub async fn export(table: Arc<Table>, dir: &Path) -> Outcome<Exported> {
    prepare(dir)?;
    let sink = Arc::new(Mutex::new(Sink { root: dir.to_owned(), ..Sink::default() }));
    let tablets: Vec<(TabletId, LsId)> = table.tablets().collect();
    let mut reads = futures::stream::iter(tablets)
        .map(|(tablet, ls)| read_tablet(Arc::clone(&table), Arc::clone(&sink), tablet, ls))
        .buffer_unordered(TABLETS_IN_FLIGHT);
    while let Some(done) = reads.next().await {
        done?;
    }
    drop(reads);
    let mut sink = std::mem::take(&mut *sink.lock());
    finish(&table, &mut sink).await
}

fn prepare(dir: &Path) -> Outcome<()> {
    std::fs::create_dir_all(dir).map_err(|e| io_failure("cannot make the directory", dir, &e))?;
    let mut inside = std::fs::read_dir(dir).map_err(|e| io_failure("cannot list the directory", dir, &e))?;
    if inside.next().is_none() {
        return Ok(());
    }
    let object = dir.display().to_string();
    Err(Failure::new(ErrorClass::Invalid, "the directory is not empty", object, "name an empty or a new directory"))
}

async fn read_tablet(table: Arc<Table>, sink: Arc<Mutex<Sink>>, tablet: TabletId, ls: LsId) -> Outcome<()> {
    let mut start = Vec::new();
    loop {
        let page = table.page(tablet, ls, &start).await?;
        let Some((last, _)) = page.pairs.last() else { return Ok(()) };
        start.clear();
        start.extend_from_slice(last);
        start.push(0);
        let sink = Arc::clone(&sink);
        let written = tokio::task::spawn_blocking(move || {
            let mut sink = sink.lock();
            page.pairs.iter().try_for_each(|(key, value)| sink.take(key, value))
        });
        written.await.map_err(|e| Failure::new(ErrorClass::Transient, e.to_string(), "writing thread", ""))??;
        if !page.more {
            return Ok(());
        }
    }
}

/// Where pairs become files.
#[derive(Default)]
struct Sink {
    root: PathBuf,
    made: HashSet<PathBuf>,
    /// Files of more than one chunk.
    large: HashMap<PathBuf, Large>,
    done: Exported,
}

/// A file that comes in pieces.
#[derive(Default)]
struct Large {
    head: Option<Head>,
    /// Chunks seen, by number: late chunks of an older, longer file are among them.
    seen: HashSet<u32>,
}

impl Sink {
    fn take(&mut self, key: &Bytes, value: &Bytes) -> Outcome<()> {
        let (path, n) = parse_key(key)?;
        let target = self.root.join(path);
        let failed = |e: io::Error| io_failure("cannot write the file", &target, &e);
        if let Some(parent) = target.parent().filter(|p| !self.made.contains(*p)) {
            std::fs::create_dir_all(parent).map_err(failed)?;
            self.made.insert(parent.to_owned());
        }
        let (head, bytes) = match n {
            0 => Head::decode(value).map(|(h, b)| (Some(h), b)).ok_or_else(|| damaged(path, "its head is not one"))?,
            _ => (None, &value[..]),
        };
        match head {
            Some(head) if head.chunks() == 1 => {
                if bytes.len() as u64 != head.bytes {
                    return Err(damaged(path, "its head and its bytes disagree"));
                }
                std::fs::write(&target, bytes).and_then(|()| set_mode(&target, head)).map_err(failed)?;
                self.count(head);
            }
            _ => {
                let large = self.large.entry(path.to_owned()).or_default();
                large.head = large.head.or(head);
                large.seen.insert(n);
                write_at(&target, bytes, u64::from(n) * CHUNK_BYTES as u64).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn count(&mut self, head: Head) {
        self.done.files += 1;
        self.done.bytes += head.bytes;
    }

    /// Cuts and completes one file of several chunks, whose head is `head`.
    fn finish(&self, path: &Path, seen: &HashSet<u32>, head: Head) -> Outcome<()> {
        if let Some(n) = (0..head.chunks()).find(|&n| n > 0 && !u32::try_from(n).is_ok_and(|n| seen.contains(&n))) {
            return Err(damaged(path, &format!("chunk {n} of {} is missing", head.chunks())));
        }
        let target = self.root.join(path);
        let cut = OpenOptions::new().write(true).open(&target).and_then(|f| f.set_len(head.bytes));
        cut.and_then(|()| set_mode(&target, head)).map_err(|e| io_failure("cannot write the file", &target, &e))
    }
}

/// Completes every file of several chunks. A file without a head here is a small one with chunks that an older, longer
/// one left behind: its head is asked for once more, because those chunks may have made the small file longer.
async fn finish(table: &Table, sink: &mut Sink) -> Outcome<Exported> {
    for (path, large) in std::mem::take(&mut sink.large) {
        let head = match large.head {
            Some(head) => head,
            None => {
                let value = table.get(&chunk_key(&path, 0)).await?;
                let (head, _) =
                    value.as_deref().and_then(Head::decode).ok_or_else(|| damaged(&path, "it has no head"))?;
                head
            }
        };
        sink.finish(&path, &large.seen, head)?;
        if large.head.is_some() {
            sink.count(head);
        }
    }
    Ok(sink.done)
}

fn write_at(target: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    let file: File = OpenOptions::new().write(true).create(true).truncate(false).open(target)?;
    file.write_all_at(bytes, offset)
}

fn set_mode(target: &Path, head: Head) -> io::Result<()> {
    std::fs::set_permissions(target, Permissions::from_mode(head.mode))
}

fn damaged(path: &Path, what: &str) -> Failure {
    let todo = "import the file again, or restore the tenant to a moment when it was whole";
    Failure::new(ErrorClass::Corrupt, format!("the file cannot be exported: {what}"), path.display().to_string(), todo)
}
