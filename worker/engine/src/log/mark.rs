//! A lower bound of what is durable, stored now and then in `durable`.
//!
//! Order rules: it is written only after the flush that makes it true, and without waiting for the disk: whichever mark
//! survives a power cut, it was true. A cut below it lowers it durably first, because what is written there afterwards
//! is not durable yet. Below the mark every byte must be there and right; above it a power cut may have left anything.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use strandline_format::checksum::crc32c_raw;
use strandline_types::Lsn;

const FILE: &str = "durable";
const MARK_BYTES: usize = 12;

/// The mark in `dir`. One that is missing or cannot be read says nothing.
pub(super) fn load(dir: &Path) -> Lsn {
    let mut bytes = [0; MARK_BYTES];
    let read = File::open(dir.join(FILE)).and_then(|f| f.read_exact_at(&mut bytes, 0));
    let (lsn, sum) = bytes.split_at(8);
    match read {
        // The slice has 8 bytes.
        Ok(()) if sum == crc32c_raw(!0, lsn).to_be_bytes() => Lsn(lsn.iter().fold(0, |n, b| n << 8 | u64::from(*b))),
        _ => Lsn::ZERO,
    }
}

/// Everything below `durable` is on the disk.
pub(super) fn store(dir: &Path, durable: Lsn) -> io::Result<()> {
    write(dir, durable).map(drop)
}

/// Nothing above `durable` is said any more, and a power cut does not bring the old mark back.
pub(super) fn lower(dir: &Path, durable: Lsn) -> io::Result<()> {
    write(dir, durable)?.sync_data()
}

fn write(dir: &Path, durable: Lsn) -> io::Result<File> {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&durable.0.to_be_bytes());
    let sum = crc32c_raw(!0, &bytes[..8]).to_be_bytes();
    bytes[8..].copy_from_slice(&sum);
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(dir.join(FILE))?;
    file.write_all_at(&bytes, 0)?;
    Ok(file)
}
