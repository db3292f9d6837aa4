//! Reads a backup destination from itself alone: scans its catalogue, streams archived log of every form, fetches blocks
//! over a chain of sets, and verifies all of it.
//!
//! It never writes to a destination, and it asks no scheduler.

mod keys;
pub mod log;

pub use keys::Keys;
pub use log::{LogGroup, LogReader, LogSource};
