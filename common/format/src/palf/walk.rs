//! Walking: from log bytes back to groups and entries, every checksum verified.
//!
//! A group that is not whole yet is [`Walk::Partial`], never an error: that is how the end of a growing file looks.
//! Everything else that is not a right group is a [`PalfError`] with its LSN; nothing is ever skipped.
//!
//! A header has only the 16 checksum bits that the original gave it. Give the base wherever it is known: then the
//! group's place, number and accumulated checksum are verified besides, and a hole or a fork is seen at all.

use super::{ENTRY_HEADER_BYTES, EntryHeader, GROUP_HEADER_BYTES, GroupHeader, PADDING_BASE_BYTES, chain};
use crate::FormatError;
use crate::checksum::crc32c_raw;
use strandline_types::{ErrorClass, Failure, Lsn, PalfBase, Scn};

/// What stands at a position of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Walk<'a> {
    /// A whole, verified group.
    Group(GroupView<'a>),
    /// The bytes end before the group does (or there are none).
    Partial,
}

/// A verified group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupView<'a> {
    /// Its header.
    pub header: GroupHeader,
    /// Where it begins.
    pub lsn: Lsn,
    /// First LSN after it.
    pub end: Lsn,
    /// All its bytes, header included.
    pub bytes: &'a [u8],
    /// True when it only fills its block; it has no entries then.
    pub is_padding: bool,
}

/// A verified entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryView<'a> {
    /// SCN of the entry.
    pub scn: Scn,
    /// Body: kind byte and payload.
    pub body: &'a [u8],
    /// Offset of the body in the group's bytes.
    pub offset: usize,
}

impl<'a> GroupView<'a> {
    /// The entries, in order; none for a padding group.
    pub fn entries(&self) -> impl Iterator<Item = EntryView<'a>> + use<'a> {
        let bytes = self.bytes;
        let mut at = if self.is_padding { bytes.len() } else { GROUP_HEADER_BYTES };
        std::iter::from_fn(move || {
            // The group was verified when this view was made: a header that does not decode is its end.
            let header = EntryHeader::decode(bytes.get(at..)?).ok()?;
            let offset = at + ENTRY_HEADER_BYTES;
            at = offset + header.log_bytes as usize;
            Some(EntryView { scn: header.scn, body: bytes.get(offset..at)?, offset })
        })
    }

    /// The state of the log after this group.
    #[must_use]
    pub const fn base_after(&self) -> PalfBase {
        PalfBase {
            lsn: self.end,
            prev_log_id: self.header.log_id,
            prev_accumulated_checksum: self.header.accumulated_checksum,
            prev_scn: self.header.max_scn,
        }
    }
}

/// What is wrong with a group.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PalfFault {
    /// No group header, or a damaged one.
    #[error("{0}")]
    Header(FormatError),
    /// An entry header is damaged or does not fit into its group.
    #[error("{0}")]
    Entry(FormatError),
    /// The group reaches over the end of its 64 MiB block.
    #[error("a group of {group_bytes} bytes crosses the end of its block")]
    CrossesBlock {
        /// Its length.
        group_bytes: u64,
    },
    /// A padding group that does not end where its block ends, or that holds something.
    #[error("a padding group {0}")]
    Padding(&'static str),
    /// The body of an entry is damaged.
    #[error("data checksum of an entry is {found:#x}, its bytes give {computed:#x}")]
    Data {
        /// The stored checksum.
        found: u64,
        /// What the bytes give.
        computed: u64,
    },
    /// SCNs fall, or an entry's SCN is above that of its group.
    #[error("scn {found} after {before}")]
    ScnOrder {
        /// The SCN that must not be passed.
        before: Scn,
        /// What stands there.
        found: Scn,
    },
    /// The group does not follow the group before it: another log, or a hole.
    #[error("the log has forked or a group is missing: {what} is {found}, expected {expected}")]
    Fork {
        /// Which part tells.
        what: &'static str,
        /// What stands there.
        found: u64,
        /// What must stand there.
        expected: u64,
    },
}

/// A log that is not right at `lsn`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log group at lsn {lsn}: {fault}")]
pub struct PalfError {
    /// Where the group begins.
    pub lsn: Lsn,
    /// What is wrong with it.
    pub fault: PalfFault,
}

impl PalfError {
    /// As a user reads it; `object` is the path of the object.
    #[must_use]
    pub fn into_failure(self, object: impl Into<String>) -> Failure {
        let todo = "the log is damaged here: restore up to the SCN before it, or use another copy of the destination";
        Failure::new(ErrorClass::Corrupt, self.to_string(), object, todo)
    }
}

/// The group at the start of `data`, which is the log from `at` on. With `base`, also its place in the log is verified
/// (`log_id`, accumulated checksum, SCN order).
///
/// # Errors
/// Anything that is neither a right group nor the beginning of one.
pub fn next_group<'a>(data: &'a [u8], at: Lsn, base: Option<&PalfBase>) -> Result<Walk<'a>, PalfError> {
    verify(data, at, base).map_err(|fault| PalfError { lsn: at, fault })
}

fn verify<'a>(data: &'a [u8], at: Lsn, base: Option<&PalfBase>) -> Result<Walk<'a>, PalfFault> {
    if data.len() < GROUP_HEADER_BYTES {
        return Ok(Walk::Partial);
    }
    let header = GroupHeader::decode(data).map_err(PalfFault::Header)?;
    let total = header.total_bytes();
    if total > at.left_in_block() {
        return Err(PalfFault::CrossesBlock { group_bytes: total });
    }
    if header.is_padding() && total != at.left_in_block() {
        return Err(PalfFault::Padding("does not reach the end of its block"));
    }
    if let Some(base) = base {
        follows(&header, at, base)?;
    }
    let Some(bytes) = data.get(..total as usize) else { return Ok(Walk::Partial) };
    let entries = if header.is_padding() { padding(bytes)? } else { entries(bytes, header.max_scn, base)? };
    if let Some(base) = base {
        let expected = u64::from(chain(base.prev_accumulated_checksum as u32, entries));
        same("accumulated checksum", header.accumulated_checksum, expected)?;
    }
    let is_padding = header.is_padding();
    Ok(Walk::Group(GroupView { header, lsn: at, end: at.advance(total), bytes, is_padding }))
}

fn follows(header: &GroupHeader, at: Lsn, base: &PalfBase) -> Result<(), PalfFault> {
    same("lsn", at.0, base.lsn.0)?;
    same("log id", header.log_id, base.prev_log_id + 1)?;
    if header.max_scn < base.prev_scn {
        return Err(PalfFault::ScnOrder { before: base.prev_scn, found: header.max_scn });
    }
    Ok(())
}

const fn same(what: &'static str, found: u64, expected: u64) -> Result<(), PalfFault> {
    if found == expected { Ok(()) } else { Err(PalfFault::Fork { what, found, expected }) }
}

/// Verifies the entries of a group and gives the chain of their data checksums.
fn entries(bytes: &[u8], max_scn: Scn, base: Option<&PalfBase>) -> Result<u32, PalfFault> {
    let mut before = base.map_or(Scn::MIN, |b| b.prev_scn);
    let (mut at, mut sum) = (GROUP_HEADER_BYTES, 0);
    while at < bytes.len() {
        let (header, body) = entry(bytes, at)?;
        let computed = crc32c_raw(0, body);
        check_data(header.data_checksum, computed)?;
        if header.scn < before {
            return Err(PalfFault::ScnOrder { before, found: header.scn });
        }
        if header.scn > max_scn {
            return Err(PalfFault::ScnOrder { before: max_scn, found: header.scn });
        }
        before = header.scn;
        sum = chain(sum, computed);
        at += ENTRY_HEADER_BYTES + body.len();
    }
    Ok(sum)
}

/// A padding group holds nothing (a bare header), or one entry: a checked base header and zeros. Its chain is 0.
fn padding(bytes: &[u8]) -> Result<u32, PalfFault> {
    if bytes.len() == GROUP_HEADER_BYTES {
        return Ok(0);
    }
    let (header, body) = entry(bytes, GROUP_HEADER_BYTES)?;
    if GROUP_HEADER_BYTES + ENTRY_HEADER_BYTES + body.len() != bytes.len() {
        return Err(PalfFault::Padding("holds more than one entry"));
    }
    let (checked, zeros) = body.split_at(body.len().min(PADDING_BASE_BYTES));
    check_data(header.data_checksum, crc32c_raw(0, checked))?;
    if zeros.chunks(4096).any(|chunk| chunk.iter().fold(0, |any, byte| any | byte) != 0) {
        return Err(PalfFault::Padding("is not zero"));
    }
    Ok(0)
}

fn entry(bytes: &[u8], at: usize) -> Result<(EntryHeader, &[u8]), PalfFault> {
    let rest = bytes.get(at..).unwrap_or_default();
    let header = EntryHeader::decode(rest).map_err(|e| PalfFault::Entry(e.moved(at as u64)))?;
    let end = ENTRY_HEADER_BYTES + header.log_bytes as usize;
    let body = rest.get(ENTRY_HEADER_BYTES..end).ok_or(PalfFault::Entry(FormatError::Truncated {
        what: "log entry",
        at: at as u64,
        need: end as u64,
        have: rest.len() as u64,
    }))?;
    Ok((header, body))
}

fn check_data(found: u64, computed: u32) -> Result<(), PalfFault> {
    let computed = u64::from(computed);
    if found == computed { Ok(()) } else { Err(PalfFault::Data { found, computed }) }
}

/// Walks consecutive groups of a piece of log and keeps the state between them.
#[derive(Clone, Debug)]
pub struct GroupWalker<'a> {
    data: &'a [u8],
    at: Lsn,
    base: Option<PalfBase>,
}

impl<'a> GroupWalker<'a> {
    /// Walks `data`, which is the log from `at` on. Without `base` the place of the first group is taken as it is.
    #[must_use]
    pub const fn new(data: &'a [u8], at: Lsn, base: Option<PalfBase>) -> Self {
        Self { data, at, base }
    }

    /// Where the next group begins.
    #[must_use]
    pub const fn lsn(&self) -> Lsn {
        self.at
    }

    /// The state before the next group, once it is known.
    #[must_use]
    pub const fn base(&self) -> Option<PalfBase> {
        self.base
    }

    /// Bytes that were not walked.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.data
    }

    /// The next whole group; `None` at the end or before a group that is not whole.
    ///
    /// # Errors
    /// As [`next_group`]; the walker stays where it is.
    pub fn next_group(&mut self) -> Result<Option<GroupView<'a>>, PalfError> {
        match next_group(self.data, self.at, self.base.as_ref())? {
            Walk::Partial => Ok(None),
            Walk::Group(group) => {
                self.data = &self.data[group.bytes.len()..];
                self.at = group.end;
                self.base = Some(group.base_after());
                Ok(Some(group))
            }
        }
    }
}

impl<'a> Iterator for GroupWalker<'a> {
    type Item = Result<GroupView<'a>, PalfError>;

    /// Ends at the first error only if the caller stops: the error is given again and again.
    fn next(&mut self) -> Option<Self::Item> {
        self.next_group().transpose()
    }
}
