//! The trait that every destination implements, and what it promises.

use crate::MediaError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;

/// One destination root. All paths are relative to it, `/`-separated, without `.` and `..`.
///
/// Every writing call is idempotent: the same call again, after a lost reply or by another process, is a success that
/// changes nothing. The same place with *other* bytes is `Fenced`, and nothing is written.
#[async_trait]
pub trait Medium: Send + Sync + Debug {
    /// Writes a whole object; on return it is durable, and it was never visible in part.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes is there (an empty one may be filled).
    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError>;

    /// Like [`Medium::put`], but tells whether the object was there, and never fills an empty one.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes is there.
    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError>;

    /// The whole object.
    ///
    /// # Errors
    /// `NotFound`, or what the medium says.
    async fn get(&self, path: &str) -> Result<Bytes, MediaError>;

    /// Exactly the bytes of `range`.
    ///
    /// # Errors
    /// `NotFound`; `Corrupt` when the object ends before the range does.
    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError>;

    /// Length of the object.
    ///
    /// # Errors
    /// `NotFound`, or what the medium says.
    async fn head(&self, path: &str) -> Result<u64, MediaError>;

    /// Every object below `dir` (empty = the root), at any depth, sorted by path; paths are relative to the root.
    /// A directory that is not there holds nothing.
    ///
    /// # Errors
    /// What the medium says.
    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError>;

    /// The directories directly below `dir`, sorted, relative to the root.
    ///
    /// # Errors
    /// What the medium says.
    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError>;

    /// Removes an object. A missing one is a success.
    ///
    /// # Errors
    /// What the medium says.
    async fn delete(&self, path: &str) -> Result<(), MediaError>;

    /// Makes the object hold `data` at offset `at`, durably, and gives its new length. Offset 0 creates it.
    ///
    /// What already lies beyond `at` is read back and compared: equal bytes count as written, and only the missing
    /// tail is added. So a torn append is completed by repeating it.
    ///
    /// # Errors
    /// `Fenced` when other bytes lie there; `Invalid` when the object ends before `at`.
    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError>;

    /// A writer for a big write-once object. Nothing is visible before [`ObjectWriter::finish`].
    ///
    /// # Errors
    /// What the medium says.
    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError>;

    /// The destination as its administrator wrote it.
    fn uri(&self) -> String;
}

/// Streams one big write-once object. Dropped without `finish`: nothing stays.
#[async_trait]
pub trait ObjectWriter: Send + Debug {
    /// Adds bytes at the end. After an error the writer is dead: every later call fails.
    ///
    /// # Errors
    /// What the medium says.
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError>;

    /// Makes the object durable, then visible, and gives its length.
    ///
    /// # Errors
    /// `Fenced` when an object with other bytes became visible meanwhile.
    async fn finish(self: Box<Self>) -> Result<u64, MediaError>;
}

/// What [`Medium::put_if_absent`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Nothing was there; it is now.
    Created,
    /// The same bytes were there already.
    AlreadyEqual,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Relative to the root.
    pub path: String,
    /// Length.
    pub bytes: u64,
}
