//! Verifies an SST file from its bytes: every byte lies in a block whose checksum is right.
//!
//! RocksDB verifies a block when it reads it; a backup copies blocks that may not have been read for months. So the file is
//! walked here while it is in memory for the backup anyway: footer, meta index, index, and every block that they name.
//! The blocks must fill the file without a gap, so a byte that no checksum covers does not exist. Only the layout that
//! this engine's RocksDB writes is known (format version 6 and 7: checksums bound to the place); pure, no I/O.

use strandline_format::checksum::crc32c_raw;
use xxhash_rust::xxh3::xxh3_64;

/// `checksum type | extended magic | footer checksum | base context | meta index size | zeros | version | magic`.
const FOOTER_BYTES: usize = 53;
const MAGIC: [u8; 8] = 0x88e2_41b7_85f4_cff7_u64.to_le_bytes();
const EXTENDED_MAGIC: [u8; 4] = [0x3e, 0x00, 0x7a, 0x00];
/// Compression type and checksum after every block.
const TRAILER_BYTES: u64 = 5;
const INDEX_NAME: &[u8] = b"rocksdb.index";
const LZ4: u8 = 4;
/// Number of restarts of a block; the bits above are flags.
const RESTARTS_MASK: u32 = 0x0fff_ffff;
/// The flag of a block whose values lie apart from its keys, which no index here has.
const SEPARATED_VALUES: u32 = 1 << 28;
/// Most bytes of an index: a macroblock has a few hundred entries per MiB.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// What is known of a file that is intact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SstFacts {
    /// Some of its data blocks are compressed: compressing the file again is wasted work.
    pub compressed: bool,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} of the SST file: {what}")]
pub struct SstDamage {
    /// Offset in the file.
    pub at: u64,
    /// In words.
    pub what: String,
}

/// Verifies a whole SST file.
///
/// # Errors
/// The first thing that is not as RocksDB writes it.
pub fn verify_sst(file: &[u8]) -> Result<SstFacts, SstDamage> {
    let sst = Sst::open(file)?;
    let metas = sst.meta_handles()?;
    let index = metas.iter().find(|(name, _)| *name == INDEX_NAME).map(|(_, handle)| *handle);
    let index = index.ok_or_else(|| damage(sst.footer_at, "its meta index names no index"))?;
    let data = sst.data_handles(index)?;
    let mut compressed = false;
    for handle in &data {
        compressed |= sst.verified(*handle)?.1 != 0;
    }
    let mut all = data;
    for (name, handle) in metas {
        if name != INDEX_NAME {
            sst.verified(handle)?;
        }
        all.push(handle);
    }
    all.push(sst.meta_index);
    sst.check_no_gap(all)?;
    Ok(SstFacts { compressed })
}

/// Where a block lies, its trailer not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Handle {
    offset: u64,
    size: u64,
}

/// A file whose footer is right.
struct Sst<'a> {
    file: &'a [u8],
    checksum: Checksum,
    base_context: u32,
    footer_at: u64,
    meta_index: Handle,
}

#[derive(Clone, Copy, Debug)]
enum Checksum {
    Crc32c,
    Xxh3,
}

impl Checksum {
    fn of(self, data: &[u8], last: u8) -> u32 {
        match self {
            Self::Crc32c => {
                let crc = !crc32c_raw(crc32c_raw(u32::MAX, data), &[last]);
                crc.rotate_right(15).wrapping_add(0xa282_ead8)
            }
            // Only the low half, as RocksDB keeps it.
            Self::Xxh3 => xxh3_64(data) as u32 ^ u32::from(last).wrapping_mul(0x6b90_83d9),
        }
    }
}

impl<'a> Sst<'a> {
    fn open(file: &'a [u8]) -> Result<Self, SstDamage> {
        let footer_at = file.len().checked_sub(FOOTER_BYTES);
        let footer_at = footer_at.ok_or_else(|| damage(0, "shorter than the footer of an SST file"))?;
        let footer = &file[footer_at..];
        let at = footer_at as u64;
        if footer[45..] != MAGIC || footer[1..5] != EXTENDED_MAGIC || !matches!(u32_at(footer, 41), 6 | 7) {
            return Err(damage(at, "no footer of an SST file of this engine"));
        }
        let checksum = match footer[0] {
            1 => Checksum::Crc32c,
            4 => Checksum::Xxh3,
            other => return Err(damage(at, format!("checksum type {other} is not known"))),
        };
        let (stored, base_context, meta_bytes) = (u32_at(footer, 5), u32_at(footer, 9), u32_at(footer, 13));
        let mut blank = footer.to_vec();
        blank[5..9].fill(0);
        let computed = checksum.of(&blank[..FOOTER_BYTES - 1], blank[FOOTER_BYTES - 1]);
        if computed.wrapping_add(modifier(base_context, at)) != stored {
            return Err(damage(at, "the footer does not match its checksum"));
        }
        let size = u64::from(meta_bytes);
        let offset = at.checked_sub(size + TRAILER_BYTES).ok_or_else(|| damage(at, "its meta index is too long"))?;
        Ok(Self { file, checksum, base_context, footer_at: at, meta_index: Handle { offset, size } })
    }

    /// The stored bytes of a block and its compression type, its checksum verified.
    fn verified(&self, handle: Handle) -> Result<(&'a [u8], u8), SstDamage> {
        let end = handle.offset.checked_add(handle.size).and_then(|end| end.checked_add(TRAILER_BYTES));
        if end.is_none_or(|end| end > self.footer_at) {
            return Err(damage(handle.offset, "a block lies beyond the end by its handle"));
        }
        // Both fit: they are inside the file, which is in memory.
        let (start, size) = (handle.offset as usize, handle.size as usize);
        let (data, trailer) = self.file[start..start + size + TRAILER_BYTES as usize].split_at(size);
        let computed = self.checksum.of(data, trailer[0]).wrapping_add(modifier(self.base_context, handle.offset));
        if computed != u32_at(trailer, 1) {
            return Err(damage(handle.offset, format!("a block of {size} bytes does not match its checksum")));
        }
        Ok((data, trailer[0]))
    }

    fn meta_handles(&self) -> Result<Vec<(&'a [u8], Handle)>, SstDamage> {
        let (block, compression) = self.verified(self.meta_index)?;
        let bad = || damage(self.meta_index.offset, "its meta index cannot be read");
        if compression != 0 {
            return Err(bad());
        }
        let mut entries = entries_of(block).ok_or_else(bad)?;
        let mut handles = Vec::new();
        while !entries.is_empty() {
            handles.push(meta_entry(&mut entries).ok_or_else(bad)?);
        }
        Ok(handles)
    }

    fn data_handles(&self, index: Handle) -> Result<Vec<Handle>, SstDamage> {
        let (stored, compression) = self.verified(index)?;
        let bad = || damage(index.offset, "its index cannot be read");
        let block = match compression {
            0 => std::borrow::Cow::Borrowed(stored),
            LZ4 => {
                let mut packed = stored;
                let plain = varint(&mut packed).filter(|n| *n <= INDEX_BYTES_MAX).ok_or_else(bad)?;
                lz4_flex::block::decompress(packed, plain as usize).map_err(|_| bad())?.into()
            }
            _ => return Err(bad()),
        };
        let mut entries = entries_of(&block).ok_or_else(bad)?;
        let mut handles: Vec<Handle> = Vec::new();
        while !entries.is_empty() {
            let handle = index_entry(&mut entries, handles.last().copied()).ok_or_else(bad)?;
            handles.push(handle);
        }
        Ok(handles)
    }

    fn check_no_gap(&self, mut all: Vec<Handle>) -> Result<(), SstDamage> {
        all.sort();
        let mut at = 0;
        for handle in all {
            if handle.offset != at {
                return Err(damage(at, format!("no block covers the bytes up to {}", handle.offset)));
            }
            at += handle.size + TRAILER_BYTES;
        }
        if at == self.footer_at { Ok(()) } else { Err(damage(at, "no block covers the bytes up to the footer")) }
    }
}

/// One entry of the meta index: a name and a handle. Its restart interval is 1, so no name is cut.
fn meta_entry<'b>(entries: &mut &'b [u8]) -> Option<(&'b [u8], Handle)> {
    let (shared, own, value) = (varint(entries)?, varint(entries)?, varint(entries)?);
    let (name, mut value) = (take(entries, own)?, take(entries, value)?);
    (shared == 0).then_some((name, handle(&mut value)?))
}

/// One entry of an index: a whole handle at a restart, else only how its length differs from the one before.
fn index_entry(entries: &mut &[u8], before: Option<Handle>) -> Option<Handle> {
    let (shared, own) = (varint(entries)?, varint(entries)?);
    take(entries, own)?;
    if shared == 0 {
        return handle(entries);
    }
    let before = before?;
    let zigzag = varint(entries)?;
    let delta = (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
    Some(Handle {
        offset: before.offset.checked_add(before.size)?.checked_add(TRAILER_BYTES)?,
        size: before.size.checked_add_signed(delta)?,
    })
}

/// The entries of a block: what lies before its restart points.
fn entries_of(block: &[u8]) -> Option<&[u8]> {
    let count_at = block.len().checked_sub(4)?;
    let packed = u32_at(block, count_at);
    if packed & SEPARATED_VALUES != 0 {
        return None;
    }
    let restarts = (packed & RESTARTS_MASK) as usize;
    block.get(..count_at.checked_sub(restarts.checked_mul(4)?)?)
}

fn handle(bytes: &mut &[u8]) -> Option<Handle> {
    Some(Handle { offset: varint(bytes)?, size: varint(bytes)? })
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take<'b>(bytes: &mut &'b [u8], n: u64) -> Option<&'b [u8]> {
    let (head, tail) = bytes.split_at_checked(usize::try_from(n).ok()?)?;
    *bytes = tail;
    Some(head)
}

/// What binds a checksum to its place.
const fn modifier(base_context: u32, offset: u64) -> u32 {
    if base_context == 0 { 0 } else { base_context ^ (offset as u32).wrapping_add((offset >> 32) as u32) }
}

fn u32_at(b: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}

fn damage(at: u64, what: impl Into<String>) -> SstDamage {
    SstDamage { at, what: what.into() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use rocksdb::{BlockBasedOptions, DBCompressionType, Options, SstFileWriter};

    fn sst(pairs: u32, set: impl Fn(&mut Options, &mut BlockBasedOptions)) -> Vec<u8> {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("x.sst");
        let (mut options, mut table) = (Options::default(), BlockBasedOptions::default());
        options.set_compression_type(DBCompressionType::Lz4);
        table.set_bloom_filter(10.0, false);
        set(&mut options, &mut table);
        options.set_block_based_table_factory(&table);
        let mut writer = SstFileWriter::create(&options);
        writer.open(&path).unwrap();
        for i in 0..pairs {
            writer.put(format!("key{i:08}"), format!("value {i} ").repeat(20)).unwrap();
        }
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    }

    #[test]
    fn files_of_every_shape_that_the_engine_writes_are_intact() {
        for pairs in [1, 50, 5000] {
            assert_eq!(verify_sst(&sst(pairs, |_, _| {})), Ok(SstFacts { compressed: true }), "{pairs} pairs");
        }
        let plain = sst(500, |o, _| o.set_compression_type(DBCompressionType::None));
        assert_eq!(verify_sst(&plain), Ok(SstFacts { compressed: false }));
        let old = sst(500, |_, t| t.set_format_version(6));
        assert_eq!(verify_sst(&old), Ok(SstFacts { compressed: true }));
        let crc = sst(500, |_, t| t.set_checksum_type(rocksdb::ChecksumType::CRC32c));
        assert_eq!(verify_sst(&crc), Ok(SstFacts { compressed: true }));
        let restarts = sst(5000, |_, t| t.set_index_block_restart_interval(8));
        assert_eq!(verify_sst(&restarts), Ok(SstFacts { compressed: true }));
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_seen() {
        let good = sst(60, |_, _| {});
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(verify_sst(&bad).is_err(), "byte {at} of {}", good.len());
        }
        for end in (0..good.len()).step_by(7) {
            assert!(verify_sst(&good[..end]).is_err());
        }
    }
}
