//! Which versions of the data dictionary belong into a piece: a function of the log alone.
//!
//! A piece has the dictionary that held when it began and every one that was logged in it. An old leader that wakes up
//! late would write the same files as the new one did, so a frozen piece never grows by them.

use super::Cut;
use bytes::Bytes;
use strandline_format::entry::{EntryBody, EntryKind, decode};
use strandline_format::palf::GroupWalker;
use strandline_format::pb;
use strandline_types::Scn;
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;

/// The dictionaries that belong beside this stretch of log: `current`, the newest that the engine knows, where it held
/// at the end of the stretch, and every one that was logged inside it. Each has its SCN.
#[must_use]
pub fn dictionaries(cut: &Cut, current: Option<pb::Dictionary>) -> Vec<pb::Dictionary> {
    let mut found: Vec<pb::Dictionary> =
        current.into_iter().filter(|d| d.scn > 0 && Scn(d.scn) <= cut.base_after.prev_scn).collect();
    let header = if cut.at == 0 { ARCHIVE_FILE_HEADER_BYTES as usize } else { 0 };
    let Some(log) = cut.bytes.get(header..) else { return found };
    let mut walker = GroupWalker::new(log, cut.range.start, None);
    // The stretch was verified when it was cut.
    while let Ok(Some(group)) = walker.next_group() {
        for entry in group.entries() {
            // Looking at the kind first: bodies of other kinds are not decoded.
            if entry.body.first() != Some(&EntryKind::Dictionary.number()) {
                continue;
            }
            if let Ok(EntryBody::Dictionary(dictionary)) = decode(Bytes::copy_from_slice(entry.body)) {
                found.push(pb::Dictionary { scn: entry.scn.0, ..dictionary });
            }
        }
    }
    found.sort_by_key(|d| d.scn);
    found.dedup_by_key(|d| d.scn);
    found
}
