//! Macroblocks as they are stored: compressed where that helps, then sealed, and back again.
//!
//! The one pair of functions that every writer and every reader of macroblocks uses. What seals a block is bound to what
//! the block *is* (its logical id and length), not to where it lies: blocks are referenced by later sets and copied into
//! synthetic ones without being opened. Nothing is given out before its checksum was compared with the index.

use super::block::unpack;
use super::{BlockBuffer, BlockType, FramedBlock, StoredAs, read_block};
use crate::FormatError;
use crate::checksum::crc32c_raw;
use crate::cipher::{self, Key};
use crate::compress;
use crate::header::{CommonHeader, Compressor};
use crate::index::{KeyFingerprint, MacroBlockId, MacroIndexEntry, Storage};
use bytes::Bytes;

const WHAT: &str = "macroblock";

/// What is done to a macroblock before it is stored.
#[derive(Clone, Debug, Default)]
pub struct Coding {
    /// Compressor to try; a block that it does not make shorter stays as it is.
    pub compressor: Compressor,
    /// Key to seal with.
    pub key: Option<Key>,
}

/// A macroblock, ready to be placed.
#[derive(Clone, Debug)]
pub struct EncodedBlock {
    /// The block.
    pub block: FramedBlock,
    /// Raw CRC32C of its plain bytes.
    pub checksum: u32,
    /// How it is stored.
    pub storage: Storage,
}

/// Encodes the payload of `plain`, which is the whole macroblock.
#[must_use]
pub fn encode_macroblock(plain: BlockBuffer, logical: MacroBlockId, coding: &Coding) -> EncodedBlock {
    let plain_bytes = plain.payload().len() as u64;
    let checksum = crc32c_raw(0, plain.payload());
    let (compressor, packed) = match coding.compressor {
        Compressor::None => (Compressor::None, None),
        asked => match compress::pack(asked, plain.payload()) {
            (Compressor::None, _) => (Compressor::None, None),
            (done, packed) => (done, Some(packed)),
        },
    };
    let sealed_by = coding.key.as_ref().map(cipher::fingerprint);
    let storage = Storage { compressor, sealed_by };
    let stored = StoredAs { compressor, sealed: sealed_by.is_some(), plain_bytes };
    let buffer = match (&coding.key, packed) {
        (None, None) => {
            return EncodedBlock { block: plain.frame(BlockType::MacroData, stored, checksum), checksum, storage };
        }
        (None, Some(packed)) => BlockBuffer::of(&packed),
        (Some(key), packed) => {
            let payload = packed.as_deref().unwrap_or_else(|| plain.payload());
            BlockBuffer::of(&cipher::seal(key, &context(logical, plain_bytes), payload))
        }
    };
    let stored_checksum = crc32c_raw(0, buffer.payload());
    EncodedBlock { block: buffer.frame(BlockType::MacroData, stored, stored_checksum), checksum, storage }
}

/// The plain bytes of the macroblock that `entry` names, out of the bytes at its place. `key_of` gives the key of a
/// fingerprint, or any key when it has no other: a wrong one is told from damage.
///
/// # Errors
/// `KeyMissing` or `WrongKey` for a sealed block without its key; anything that is not exactly this block, intact.
pub fn open_macroblock(
    bytes: &Bytes,
    entry: &MacroIndexEntry,
    key_of: impl FnOnce(&KeyFingerprint) -> Option<Key>,
) -> Result<Bytes, FormatError> {
    let block = read_block(bytes)?;
    let wrong = |detail: &str| FormatError::Structure {
        what: WHAT,
        at: 0,
        detail: format!("{detail} the index names for '{}'", entry.file_name),
    };
    if block.block_type != BlockType::MacroData || block.bytes as u64 != entry.physical.length {
        return Err(wrong("not the block that"));
    }
    if block.sealed != entry.storage.sealed_by.is_some() {
        return Err(wrong("not sealed as"));
    }
    let plain = match entry.storage.sealed_by {
        None => block.payload,
        Some(fingerprint) => {
            let key = key_of(&fingerprint).ok_or(FormatError::KeyMissing { what: WHAT, found: fingerprint })?;
            let opened = cipher::open(&key, &context(entry.logical, entry.plain_bytes), &block.payload)?;
            let header = CommonHeader::decode(bytes)?;
            unpack(header.compressor, Bytes::from(opened), header.plain_bytes)?
        }
    };
    if plain.len() as u64 != entry.plain_bytes || crc32c_raw(0, &plain) != entry.checksum {
        return Err(wrong("not the bytes that"));
    }
    Ok(plain)
}

/// What seals a block is bound to.
fn context(logical: MacroBlockId, plain_bytes: u64) -> Vec<u8> {
    let mut context = b"macroblock ".to_vec();
    context.extend(logical.sort_key());
    context.extend(plain_bytes.to_be_bytes());
    context
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::index::PhysicalId;
    use strandline_types::{BackupSetId, DataKind, FileId, LsId, RetryId, TabletId, TurnId};

    const LOGICAL: MacroBlockId = MacroBlockId { tablet_id: TabletId(7), logic_version: 8, data_seq: 9 };

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    fn encode(plain: &[u8], coding: &Coding) -> (Bytes, MacroIndexEntry) {
        let encoded = encode_macroblock(BlockBuffer::of(plain), LOGICAL, coding);
        let physical = PhysicalId {
            backup_set_id: BackupSetId(1),
            ls_id: LsId(1001),
            kind: DataKind::Major,
            turn: TurnId(1),
            retry: RetryId(0),
            file_id: FileId(0),
            offset: 4096,
            length: encoded.block.bytes.len() as u64,
        };
        let entry = MacroIndexEntry {
            logical: LOGICAL,
            physical,
            file_name: "000001.sst".into(),
            level: 6,
            plain_bytes: plain.len() as u64,
            checksum: encoded.checksum,
            unique_id: vec![],
            storage: encoded.storage,
        };
        (encoded.block.bytes, entry)
    }

    #[test]
    fn a_block_comes_back_under_every_coding_and_shrinks_where_it_can() {
        let text = b"a row like every other row; ".repeat(2000);
        let noise: Vec<u8> = (0..5000u32).flat_map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
        for compressor in [Compressor::None, Compressor::Lz4, Compressor::Zstd] {
            for sealed in [None, Some(key(1))] {
                let coding = Coding { compressor, key: sealed.clone() };
                for plain in [&text[..], &noise, b""] {
                    let (bytes, entry) = encode(plain, &coding);
                    let opened = open_macroblock(&bytes, &entry, |_| sealed.clone()).unwrap();
                    assert_eq!(opened, plain, "{coding:?}");
                    assert_eq!(entry.storage.sealed_by.is_some(), sealed.is_some());
                }
                let (bytes, entry) = encode(&text, &coding);
                assert_eq!(entry.storage.compressor, compressor);
                assert_eq!(bytes.len() < text.len() / 4, compressor != Compressor::None);
            }
        }
    }

    #[test]
    fn a_wrong_or_missing_key_is_told_from_damage() {
        let (bytes, entry) = encode(b"secret rows", &Coding { compressor: Compressor::None, key: Some(key(1)) });
        let missing = open_macroblock(&bytes, &entry, |_| None).unwrap_err();
        assert!(matches!(missing, FormatError::KeyMissing { .. }), "{missing}");
        let other = key(2);
        let wrong = open_macroblock(&bytes, &entry, |_| Some(other)).unwrap_err();
        assert!(matches!(wrong, FormatError::WrongKey { .. }), "{wrong}");
    }

    #[test]
    fn a_block_of_another_id_does_not_pass_for_this_one() {
        let right = key(1);
        for coding in [Coding::default(), Coding { compressor: Compressor::None, key: Some(right.clone()) }] {
            let (bytes, entry) = encode(b"rows", &coding);
            let elsewhere = MacroIndexEntry { checksum: entry.checksum ^ 1, ..entry.clone() };
            assert!(open_macroblock(&bytes, &elsewhere, |_| Some(right.clone())).is_err());
            let plain = MacroIndexEntry { storage: Storage::default(), ..entry.clone() };
            assert_eq!(open_macroblock(&bytes, &plain, |_| None).is_err(), coding.key.is_some());
        }
        let (bytes, entry) = encode(b"rows", &Coding { compressor: Compressor::None, key: Some(right.clone()) });
        let logical = MacroBlockId { data_seq: 10, ..LOGICAL };
        assert!(open_macroblock(&bytes, &MacroIndexEntry { logical, ..entry }, |_| Some(right.clone())).is_err());
    }
}
