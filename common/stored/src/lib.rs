//! Records that outlive the program that wrote them: commands of the scheduler's Raft log, its snapshots.
//!
//! ```text
//! version      u8, from [`FIRST_VERSION`] to [`LAST_VERSION`]
//! form         u8: 0 = the body follows; 1 = its length as u32 (little endian) and one LZ4 block follow
//! body         MessagePack; structs as maps from field name to value, enum variants by name
//! ```
//!
//! Fields and variants are found by their names, so their order means nothing. Rules for a record type:
//!
//! - A new variant, or a new field with `#[serde(default)]`, needs no new version. A field that is not known is left out.
//! - Everything else (a name, a type, a meaning) needs a new version and a [`Step`] from the one before.
//! - A record of a newer version is refused: a program never guesses.
//!
//! The crate must never touch a clock, a random source or any I/O. Why MessagePack and names: ADR 30.

mod body;
mod error;
mod record;
mod tree;

pub use error::StoredError;
pub use record::{FIRST_VERSION, LAST_VERSION, Step, Stored, bytes_in_record, decode, encode};
pub use rmpv::Value;
pub use tree::{Tree, put_field, rename_field, take_field};
