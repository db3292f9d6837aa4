//! What the files of a moment are: where the bytes of each come from, and their hash as they were written.
//!
//! Nothing is copied: a file is either one of the imported directory or made from a seed, so a moment of several hundred
//! megabytes is a map in memory and can still be compared byte for byte.

use crate::Outcome;
use crate::kv::files::{FileEntry, Record, send_bytes, send_file};
use crate::kv::record::{Head, chunk_key};
use crate::output::io_failure;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use strandline_types::{ErrorClass, Failure};
use tokio::sync::mpsc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// Where the bytes of a file come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file of the imported directory.
    File(PathBuf),
    /// Made from a seed.
    Made(u64),
}

/// One file of a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its bytes.
    pub source: Source,
    /// Its size and mode.
    pub head: Head,
    /// Hash of the bytes that were written.
    pub hash: u128,
}

/// The files of a moment, by relative path.
pub type Tree = BTreeMap<PathBuf, Content>;

impl Content {
    /// A file made from `seed`.
    pub fn made(seed: u64, bytes: u64) -> Self {
        let mut content = Self { source: Source::Made(seed), head: Head { bytes, mode: 0o644 }, hash: 0 };
        let mut data = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        Made::new(seed).fill(&mut data);
        content.hash = xxh3_128(&data);
        content
    }

    /// An imported file whose bytes had this hash.
    pub fn imported(file: &FileEntry, hash: u128) -> Self {
        Self { source: Source::File(file.absolute.clone()), head: file.head, hash }
    }

    /// The bytes that were written; an error when the imported file is not what it was.
    pub fn bytes(&self) -> Outcome<Vec<u8>> {
        let data = match &self.source {
            Source::File(path) => std::fs::read(path).map_err(|e| io_failure("cannot read the file", path, &e))?,
            Source::Made(seed) => {
                let mut data = vec![0; usize::try_from(self.head.bytes).unwrap_or(usize::MAX)];
                Made::new(*seed).fill(&mut data);
                data
            }
        };
        if xxh3_128(&data) == self.hash {
            return Ok(data);
        }
        let object = format!("{:?}", self.source);
        Err(Failure::new(ErrorClass::Invalid, "the file changed after it was imported", object, "run the demo again"))
    }

    /// Sends the records that write this file at `path`.
    pub fn send(&self, path: &Path, to: &mpsc::Sender<Record>) -> Outcome<()> {
        match &self.source {
            Source::File(absolute) => {
                let file = FileEntry { relative: path.to_owned(), absolute: absolute.clone(), head: self.head };
                send_file(&file, to).map(drop)
            }
            Source::Made(seed) => {
                let mut made = Made::new(*seed);
                send_bytes(path, self.head, to, |buffer| {
                    made.fill(buffer);
                    Ok(())
                })
                .map(drop)
            }
        }
    }

    /// Sends the deletion of the chunks from `first` on.
    pub fn send_deletion(&self, path: &Path, first: u64, to: &mpsc::Sender<Record>) {
        for n in first..self.head.chunks() {
            // A closed channel means that the receiver failed and says why.
            let n = u32::try_from(n).unwrap_or(u32::MAX);
            let _ = to.blocking_send(Record { key: chunk_key(path, n), value: None });
        }
    }
}

/// Bytes from a seed: the same for the same seed, in whatever portions they are asked for.
struct Made {
    seed: u64,
    position: u64,
    word: [u8; 8],
}

impl Made {
    fn new(seed: u64) -> Self {
        Self { seed, position: 0, word: [0; 8] }
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            let at = (self.position % 8) as usize;
            if at == 0 {
                let mixed = self.seed ^ (self.position / 8).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                self.word = xxh3_64(&mixed.to_le_bytes()).to_le_bytes();
            }
            *byte = self.word[at];
            self.position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn made_bytes_do_not_depend_on_the_portions() {
        let whole = Content::made(7, 1000).bytes().unwrap();
        let (mut made, mut parts) = (Made::new(7), vec![0u8; 1000]);
        let (first, rest) = parts.split_at_mut(13);
        made.fill(first);
        made.fill(rest);
        assert_eq!(whole, parts);
        assert_ne!(whole, Content::made(8, 1000).bytes().unwrap());
    }

    #[test]
    fn an_imported_file_that_changed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), b"one").unwrap();
        let listing = crate::kv::files::list(dir.path()).unwrap();
        let content = Content::imported(&listing.files[0], xxh3_128(b"one"));
        assert_eq!(content.bytes().unwrap(), b"one");
        std::fs::write(dir.path().join("a"), b"two").unwrap();
        assert!(content.bytes().unwrap_err().to_string().contains("changed"));
    }
}
