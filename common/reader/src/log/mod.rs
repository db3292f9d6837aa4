//! The archived log of one log stream, whatever form it lies in: plain objects, parts, overlapping, compacted,
//! compressed and sealed ones, over pieces, rounds and destinations.
//!
//! `chain` folds listings into files and files into one chain of bytes (pure), `files` lists and reads them, `stream`
//! gives verified groups, `later` finds the pieces after them. Restore, verification, inspection and export read archived log through here and nowhere else.

pub mod chain;
mod files;
mod later;
mod stream;
pub(crate) mod tail;

pub(crate) use files::CODE_WRONG_KEY;
pub use files::{LogFiles, LogSource, log_object, open_part};
pub use later::later_pieces;
pub use stream::{LogGroup, LogReader};
