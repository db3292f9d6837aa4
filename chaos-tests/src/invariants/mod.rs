//! What must hold after every step, one invariant per file, with its number in the docs/protocols.md, section 9.
//!
//! A checker reads a destination as anybody would (by paths and bytes) and remembers what it has seen, so that it can
//! say "never": it must never know how the bytes came there.

mod archive_is_one_log;
mod checkpoint_is_durable;
mod cleaning_keeps_the_window;
mod frozen_pieces_stand;
mod replicas_agree;

pub use archive_is_one_log::{ArchiveIsOneLog, StreamKey};
pub use checkpoint_is_durable::{CheckpointIsDurable, Group};
pub use cleaning_keeps_the_window::{CleaningKeepsTheWindow, Promise, first_bare};
pub use frozen_pieces_stand::FrozenPiecesStand;
pub use replicas_agree::ReplicasAgree;

/// A destination, read only.
pub trait Tree {
    /// The bytes of an object, if it is there.
    fn bytes(&self, path: &str) -> Option<&[u8]>;

    /// The paths that begin with `prefix`, in order.
    fn paths<'a>(&'a self, prefix: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a>;
}

/// What is broken, in words.
pub type Broken = String;
