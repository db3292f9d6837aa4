//! Which versions of the data dictionary belong into a piece: a function of the log alone.
//!
//! A piece has the dictionary that held when it began and every one that was logged in it. An old leader that wakes up
//! late would write the same files as the new one did, so a frozen piece never grows by them.

use super::Cut;
use strandline_engine_api::LogFormat;
use strandline_types::dictionary::Dictionary;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;

/// The dictionaries that belong beside this stretch of log: `current`, the newest that the engine knows, where it held
/// at the end of the stretch, and every one that was logged inside it. Each has its SCN.
#[must_use]
pub fn dictionaries(format: &dyn LogFormat, cut: &Cut, current: Option<Dictionary>) -> Vec<Dictionary> {
    let held = |d: &Dictionary| d.scn.is_some_and(|scn| scn <= cut.base_after.scn);
    let mut found: Vec<Dictionary> = current.into_iter().filter(held).collect();
    let header = if cut.at == 0 { ARCHIVE_FILE_HEADER_BYTES as usize } else { 0 };
    let Some(log) = cut.bytes.get(header..) else { return found };
    found.extend(format.dictionaries(log, cut.range.start));
    found.sort_by_key(|d| d.scn);
    found.dedup_by_key(|d| d.scn);
    found
}
