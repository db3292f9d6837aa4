//! Reads a backup destination from itself alone: scans its catalogue, streams archived log of every form, fetches blocks
//! over a chain of sets, and verifies all of it.
//!
//! It never writes to a destination, and it asks no scheduler.

mod export;
mod folder;
mod keys;
pub mod log;
mod scan;
mod set_names;
mod source;
pub mod verify;

pub use export::{Exported, export_plain};
pub use folder::Folder;
pub use keys::Keys;
pub use log::{LogGroup, LogReader, LogSource, later_pieces};
pub use scan::{Problem, Scan, scan, scan_all};
pub use set_names::{SetNames, data_file};
pub use source::{NamedSource, Only, Source, object_name, open_sources, split_uri};
