//! Looks through the write-ahead logs of a RocksDB before it is opened: was one of them cut in the middle?
//!
//! RocksDB ends its recovery silently at the first bad record, whatever lies behind it. That is right after a power cut,
//! which leaves the unsynced end of a file in any state, and wrong after a kill: then everything that was written is
//! there but the end of the very last write. So within one boot a bad record is damage unless it is the last one of its
//! file and is cut off where the file ends. Only for files that were written in this boot.
//!
//! A file is blocks of 32 KiB. A record never crosses a block: checksum (u32), length (u16), type (u8), for reused files a
//! log number (u32), then the bytes. The checksum is that of everything from the type on, masked. What is left of a block
//! and is too short for a header is zero.

use crate::durable_mark::crc32c;
use std::io;
use std::path::{Path, PathBuf};

const BLOCK_BYTES: usize = 32 * 1024;
const HEADER_BYTES: usize = 7;
const REUSED_HEADER_BYTES: usize = 11;
const CRC_MASK: u32 = 0xa282_ead8;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Walked {
    /// Nothing.
    Whole,
    /// It ends in a record that was not written to its end.
    Torn,
    /// There is a bad record here that is no torn end.
    Bad(usize),
}

/// The first damage in the write-ahead logs of a database, in words.
pub(crate) fn first_damage(dir: &Path) -> io::Result<Option<String>> {
    for path in files(dir)? {
        if let Walked::Bad(at) = walk(&std::fs::read(&path)?) {
            return Ok(Some(format!("{} is damaged at offset {at}", path.display())));
        }
    }
    Ok(None)
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse::<u64>().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|e| e == "log")) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

fn walk(file: &[u8]) -> Walked {
    let mut at = 0;
    while at < file.len() {
        let block_end = (at / BLOCK_BYTES + 1) * BLOCK_BYTES;
        if block_end - at < HEADER_BYTES {
            at = block_end;
            continue;
        }
        match record(&file[at..block_end.min(file.len())]) {
            Record::Whole(bytes) => at += bytes,
            // Only at the end of the file: elsewhere the block is whole.
            Record::Short if block_end >= file.len() && !goes_on(file, at + 1) => return Walked::Torn,
            // Room that was laid out and never written to.
            Record::Bad if file[at..].iter().all(|b| *b == 0) => return Walked::Whole,
            Record::Short | Record::Bad => return Walked::Bad(at),
        }
    }
    Walked::Whole
}

enum Record {
    /// It has so many bytes.
    Whole(usize),
    /// It says that it is longer than what is there.
    Short,
    /// Its checksum is not that of its bytes.
    Bad,
}

/// The record at the start of what is left of a block.
fn record(rest: &[u8]) -> Record {
    let Some((header, _)) = rest.split_first_chunk::<HEADER_BYTES>() else { return Record::Short };
    let stored = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let bytes = if is_reused(header[6]) { REUSED_HEADER_BYTES } else { HEADER_BYTES } + length;
    match rest.get(6..bytes) {
        None => Record::Short,
        Some(summed) if masked(crc32c(summed)) == stored => Record::Whole(bytes),
        Some(_) => Record::Bad,
    }
}

/// Types 5 to 8, 11 and 131 are those of files that are written over again.
const fn is_reused(kind: u8) -> bool {
    matches!(kind, 5..=8 | 11 | 131)
}

const fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(CRC_MASK)
}

/// Whether a whole record lies anywhere behind a bad one in the last block of a file: its length is what is wrong then.
fn goes_on(file: &[u8], from: usize) -> bool {
    let is_record = |at: usize| matches!(record(&file[at..]), Record::Whole(bytes) if bytes > HEADER_BYTES);
    (from..file.len().saturating_sub(HEADER_BYTES)).any(is_record)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use rocksdb::{DB, Options, WriteOptions};

    /// A write-ahead log as RocksDB writes it, of values of these lengths.
    fn wal(lengths: &[usize]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::default();
        options.create_if_missing(true);
        let db = DB::open(&options, dir.path()).unwrap();
        let mut durable = WriteOptions::default();
        durable.set_sync(true);
        for (n, bytes) in lengths.iter().enumerate() {
            let value: Vec<u8> = (0..*bytes).map(|at| (at * 7 + n) as u8 | 1).collect();
            db.put_opt(n.to_be_bytes(), value, &durable).unwrap();
        }
        let files = files(dir.path()).unwrap();
        std::fs::read(files.last().unwrap()).unwrap()
    }

    #[test]
    fn what_rocksdb_writes_is_whole_over_many_blocks() {
        for lengths in [&[][..], &[1], &[10, 0, 500], &[40_000, 3, 100_000, 32_700, 60, 9]] {
            assert_eq!(walk(&wal(lengths)), Walked::Whole, "{lengths:?}");
        }
    }

    #[test]
    fn every_cut_is_a_torn_end_or_the_end_of_a_record() {
        let file = wal(&[100, 70, 300]);
        for cut in 0..file.len() {
            assert!(!matches!(walk(&file[..cut]), Walked::Bad(_)), "cut to {cut}");
        }
    }

    #[test]
    fn every_flipped_bit_before_the_last_record_is_seen() {
        let (file, last) = (wal(&[100, 70, 300]), wal(&[100, 70]).len());
        for at in 0..last {
            for bit in 0..8 {
                let mut bad = file.clone();
                bad[at] ^= 1 << bit;
                assert!(matches!(walk(&bad), Walked::Bad(_)), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_flipped_bit_in_the_last_record_is_seen_but_for_its_length() {
        let (file, last) = (wal(&[100, 70, 300]), wal(&[100, 70]).len());
        for at in last..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x10;
            let is_length = (last + 4..last + 6).contains(&at);
            assert!(is_length || matches!(walk(&bad), Walked::Bad(_)), "byte {at} of {}", file.len());
        }
    }
}
