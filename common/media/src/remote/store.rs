//! What a kind of object store can do, in the smallest steps; [`super::medium`] makes the promises out of them.

use crate::{Listed, LogForm, MediaError, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt::Debug;
use std::ops::Range;

/// Objects and directories of one listing.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) objects: Vec<Listed>,
    pub(crate) dirs: Vec<String>,
}

/// What became of a write that needs the place to be free, or at a certain length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditional {
    /// It is done.
    Done,
    /// The condition did not hold; nothing was written.
    Refused,
    /// The store has no such condition; nothing was written.
    Unknown,
}

/// One kind of store. Paths are relative to the destination. No step retries.
#[async_trait]
pub(crate) trait Store: Send + Sync + Debug + 'static {
    fn log_form(&self) -> LogForm;

    /// False when conditional writes are known to mean nothing here.
    fn has_conditions(&self) -> bool;

    /// True when `delete` only marks.
    fn deletes_by_tag(&self) -> bool;

    /// Bytes of one part of a streamed object.
    fn part_bytes(&self, number: usize) -> usize;

    /// Creates an object; with `only_if_absent` never over another one.
    async fn put(&self, path: &str, data: Bytes, only_if_absent: bool) -> Result<Conditional, MediaError>;

    /// Bytes of an object; `None` = all. May be shorter than the range.
    async fn get(&self, path: &str, range: Option<Range<u64>>) -> Result<Bytes, MediaError>;

    async fn head(&self, path: &str) -> Result<u64, MediaError>;

    async fn list(&self, dir: &str, one_level: bool) -> Result<Listing, MediaError>;

    /// A missing object is a success.
    async fn delete(&self, path: &str) -> Result<(), MediaError>;

    async fn tag(&self, path: &str) -> Result<(), MediaError>;

    /// Appends at exactly `at`; `Refused` when the object does not end there or is no log file.
    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<Conditional, MediaError>;

    /// Begins a streamed object and gives its upload's name.
    async fn begin(&self, path: &str) -> Result<String, MediaError>;

    /// Sends part `number` (from 1) and gives the token that [`Store::complete`] needs.
    async fn part(&self, path: &str, upload: &str, number: usize, data: Bytes) -> Result<String, MediaError>;

    /// Makes the object visible; never over another one where the store has conditions. `Unknown`: the upload is not
    /// known any more.
    async fn complete(&self, path: &str, upload: &str, parts: &[String]) -> Result<Conditional, MediaError>;

    /// A missing upload is a success.
    async fn abort(&self, path: &str, upload: &str) -> Result<(), MediaError>;

    async fn uploads(&self) -> Result<Vec<Unfinished>, MediaError>;
    /// See [`crate::Medium::keeps_versions`].
    async fn keeps_versions(&self) -> Option<bool> {
        None
    }

    /// Copies on the server's side; `Unknown` where it cannot.
    async fn copy(&self, from: &str, to: &str) -> Result<Conditional, MediaError>;
}
