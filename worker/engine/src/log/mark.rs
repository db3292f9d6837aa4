//! A lower bound of what is durable, stored now and then in `durable`.
//!
//! Order rules: it is written only after the flush that makes it true, and without waiting for the disk: whichever mark
//! survives a power cut, it was true. A cut below it lowers it durably first, because what is written there afterwards
//! is not durable yet. Below the mark every byte must be there and right; above it a power cut may have left anything.
//!
//! The mark says in which boot it was written. Within one boot there was no power cut: what a killed process had written is
//! there, but for the end of its very last write.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use strandline_consensus::BootId;
use strandline_format::checksum::crc32c_raw;
use strandline_types::Lsn;

const FILE: &str = "durable";
const LSN_BYTES: usize = 8;
const BOOT_BYTES: usize = 16;
const SUM_BYTES: usize = 4;

/// A mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Everything below was durable.
    pub(super) durable: Lsn,
    /// When that was written; unknown where an earlier version wrote it.
    pub(super) boot: BootId,
}

/// The mark in `dir`. One that is missing or cannot be read says nothing.
pub(super) fn load(dir: &Path) -> Mark {
    let bytes = std::fs::read(dir.join(FILE)).unwrap_or_default();
    let with_boot = summed(&bytes, LSN_BYTES + BOOT_BYTES);
    let content = with_boot.or_else(|| summed(&bytes, LSN_BYTES)).unwrap_or_default();
    let lsn = content.iter().take(LSN_BYTES).fold(0, |n, b| n << 8 | u64::from(*b));
    let boot = content.get(LSN_BYTES..).and_then(|boot| boot.try_into().ok());
    Mark { durable: Lsn(lsn), boot: boot.map(BootId).unwrap_or_default() }
}

/// The first bytes of a file when what follows is their checksum.
fn summed(bytes: &[u8], length: usize) -> Option<&[u8]> {
    let (content, rest) = bytes.split_at_checked(length)?;
    (rest.get(..SUM_BYTES)? == crc32c_raw(!0, content).to_be_bytes()).then_some(content)
}

/// Everything below `durable` is on the disk.
pub(super) fn store(dir: &Path, durable: Lsn) -> io::Result<()> {
    write(dir, Mark { durable, boot: BootId::now() }).map(drop)
}

/// Nothing above `durable` is claimed any more, and a power cut does not bring the old mark back.
pub(super) fn lower(dir: &Path, durable: Lsn) -> io::Result<()> {
    write(dir, Mark { durable, boot: BootId::now() })?.sync_data()
}

pub(super) fn write(dir: &Path, mark: Mark) -> io::Result<File> {
    let mut bytes = Vec::with_capacity(LSN_BYTES + BOOT_BYTES + SUM_BYTES);
    bytes.extend_from_slice(&mark.durable.0.to_be_bytes());
    bytes.extend_from_slice(&mark.boot.0);
    bytes.extend_from_slice(&crc32c_raw(!0, &bytes).to_be_bytes());
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(FILE))?;
    file.write_all_at(&bytes, 0)?;
    Ok(file)
}
