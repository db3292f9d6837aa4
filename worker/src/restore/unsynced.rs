//! Block files that were written and are not durable yet; they become so in groups.
//!
//! One sync per file would stop the disk once per block. Nothing depends on the order: a file that a crash took or cut
//! fails its check and is fetched again, and the file that makes the store a store is written after all of them.

use crate::disk::{blocking, io_failure};
use parking_lot::Mutex;
use std::fs::File;
use std::path::{Path, PathBuf};
use strandline_media::LargeFile;
use strandline_types::Failure;
use strandline_types::limits::RESTORE_FILES_UNSYNCED_MAX;

/// Bytes that are durable.
const DURABLE_BYTES: &str = "strandline_restore_data_bytes_total";

/// One file, written.
#[derive(Debug)]
pub(super) struct WrittenFile {
    file: File,
    path: PathBuf,
    bytes: u64,
}

/// Writes one file from front to back; an older one of its name is replaced.
pub(super) fn write_file(path: PathBuf, content: &[u8]) -> Result<WrittenFile, Failure> {
    let write = |path: &Path| {
        let mut file = LargeFile::new(File::create(path)?);
        file.write(content)?;
        Ok(file.into_file())
    };
    let file = write(&path).map_err(|e| io_failure("write", &path, &e))?;
    Ok(WrittenFile { file, path, bytes: content.len() as u64 })
}

/// The files that wait for their sync.
#[derive(Debug, Default)]
pub(super) struct UnsyncedFiles(Mutex<Vec<WrittenFile>>);

impl UnsyncedFiles {
    /// Takes more; syncs what is there once it is a group.
    pub(super) async fn add(&self, files: Vec<WrittenFile>) -> Result<(), Failure> {
        let group = {
            let mut waiting = self.0.lock();
            waiting.extend(files);
            if waiting.len() < RESTORE_FILES_UNSYNCED_MAX {
                return Ok(());
            }
            std::mem::take(&mut *waiting)
        };
        blocking(move || sync(group)).await
    }

    /// Syncs the rest.
    pub(super) async fn finish(self) -> Result<(), Failure> {
        let group = self.0.into_inner();
        blocking(move || sync(group)).await
    }
}

fn sync(group: Vec<WrittenFile>) -> Result<(), Failure> {
    let durable = metrics::counter!(DURABLE_BYTES);
    for written in group {
        written.file.sync_data().map_err(|e| io_failure("sync", &written.path, &e))?;
        durable.increment(written.bytes);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_written_is_there_whole_and_replaces_what_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let content = |n: usize| vec![n as u8; 100_000 * n + n];
        std::fs::write(dir.path().join("3"), b"a longer or a shorter rest of an attempt").unwrap();
        let unsynced = UnsyncedFiles::default();
        for n in 0..2 * RESTORE_FILES_UNSYNCED_MAX {
            let written = write_file(dir.path().join(n.to_string()), &content(n % 7)).unwrap();
            unsynced.add(vec![written]).await.unwrap();
        }
        unsynced.finish().await.unwrap();
        for n in 0..2 * RESTORE_FILES_UNSYNCED_MAX {
            assert!(std::fs::read(dir.path().join(n.to_string())).unwrap() == content(n % 7), "file {n}");
        }
    }

    #[test]
    fn a_full_disk_names_the_file_and_says_what_to_do() {
        let failure = write_file(PathBuf::from("/dev/full"), &[1; 10]).unwrap_err();
        assert_eq!((failure.class, failure.object.as_str()), (strandline_types::ErrorClass::Exhausted, "/dev/full"));
    }
}
