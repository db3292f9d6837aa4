//! Data and index files: what was written is read, everything is verified, every damaged byte is seen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use proptest::prelude::*;
use strandline_format::FormatError;
use strandline_format::blocks::{
    BlockBuffer, BlockContent, BlockType, DataFileWriter, FILE_HEADER_BYTES, FileKind, TRAILER_BYTES, Trailer,
    read_block, read_block_list, read_file, read_listed_blocks,
};
use strandline_format::header::Compressor;
use strandline_format::index::{
    IndexEntry, IndexReader, IndexWriter, MacroBlockId, MacroIndexEntry, MetaIndexEntry, MetaType, PhysicalId,
    SecMetaIndexEntry, Storage, read_leaf, read_root, write_index,
};
use strandline_types::limits::INDEX_LEAF_BYTES_MAX;
use strandline_types::{BackupSetId, DataKind, FileId, LsId, RetryId, TabletId, TurnId};

fn data_file(payloads: &[(BlockType, Vec<u8>)]) -> Bytes {
    let mut writer = DataFileWriter::new(FileKind::Data);
    let mut file = writer.header().to_vec();
    for (block_type, payload) in payloads {
        let block = writer.block(*block_type, payload);
        assert_eq!(block.offset, file.len() as u64);
        assert_eq!(block.length, block.bytes.len() as u64);
        file.extend_from_slice(&block.bytes);
        assert_eq!(writer.offset(), file.len() as u64);
    }
    file.extend_from_slice(&writer.finish().unwrap());
    Bytes::from(file)
}

fn physical(n: u64) -> PhysicalId {
    PhysicalId {
        backup_set_id: BackupSetId(2),
        ls_id: LsId(1001),
        kind: DataKind::Major,
        turn: TurnId(1),
        retry: RetryId(0),
        file_id: FileId(n / 7),
        offset: n * 4096,
        length: 4 << 20,
    }
}

fn entry(n: u64) -> MacroIndexEntry {
    MacroIndexEntry {
        logical: MacroBlockId { tablet_id: TabletId(200_001 + n / 50), logic_version: 3, data_seq: n },
        physical: physical(n),
        file_name: format!("{n:06}.sst"),
        level: 6,
        plain_bytes: n * 1000,
        checksum: n as u32,
        unique_id: n.to_be_bytes().repeat(3),
        storage: Storage::default(),
    }
}

#[test]
fn a_data_file_reads_back_block_by_block() {
    let payloads = vec![
        (BlockType::MacroData, vec![1; 10_000]),
        (BlockType::TabletMeta, vec![]),
        (BlockType::MacroData, vec![9; 4048]),
    ];
    let file = data_file(&payloads);
    let mut read = Vec::new();
    let check = read_file(&file, |_, block| {
        read.push((block.block_type, block.payload.to_vec()));
        Ok(())
    })
    .unwrap();
    assert_eq!(read[..3], payloads);
    assert_eq!((check.trailer.macro_block_count, check.trailer.meta_count), (2, 1));
    assert_eq!(read_block_list(Bytes::from(read[3].1.clone())).unwrap(), check.blocks[..3]);
    assert_eq!(check.kind, FileKind::Data);
}

#[test]
fn one_block_is_verified_from_its_bytes_alone_without_a_copy() {
    let file = data_file(&[(BlockType::MacroData, vec![5; 5000])]);
    let range = file.slice(FILE_HEADER_BYTES..FILE_HEADER_BYTES + 8192);
    let block = read_block(&range).unwrap();
    assert_eq!((block.block_type, block.bytes), (BlockType::MacroData, 8192));
    assert!(file.as_ptr_range().contains(&block.payload.as_ptr()));
    assert!(read_block(&range.slice(..4096)).is_err());
}

#[test]
fn a_finished_file_tells_what_its_macroblocks_are() {
    let mut writer = DataFileWriter::new(FileKind::Data);
    let mut file = writer.header().to_vec();
    let wanted = entry(7);
    let content = BlockContent {
        logical: wanted.logical,
        plain_bytes: wanted.plain_bytes,
        checksum: wanted.checksum,
        unique_id: wanted.unique_id.clone(),
        storage: Storage { compressor: Compressor::Zstd, sealed_by: Some([3; 8]) },
    };
    let block = BlockBuffer::of(&[3; 4567]).frame_plain(BlockType::MacroData);
    let offset = writer.push(&block, Some(content.clone()));
    file.extend_from_slice(&block.bytes);
    file.extend(writer.block(BlockType::TabletMeta, b"meta").bytes);
    file.extend(writer.finish().unwrap());
    let mut list = Bytes::new();
    let check = read_file(&Bytes::from(file), |_, block| {
        list = block.payload;
        Ok(())
    })
    .unwrap();
    let listed = read_listed_blocks(list).unwrap();
    assert_eq!(listed.iter().map(|(at, _)| *at).collect::<Vec<_>>(), check.blocks[..2]);
    assert_eq!((listed[0].0.offset, listed[0].1.clone()), (offset, Some(content)));
    assert_eq!(listed[1].1, None, "only macroblocks are described");
}

#[test]
fn a_file_without_its_trailer_is_unfinished() {
    let file = data_file(&[(BlockType::MacroData, vec![5; 5000])]);
    let cut = file.slice(..file.len() - TRAILER_BYTES);
    assert!(read_file(&cut, |_, _| Ok(())).is_err());
    assert!(Trailer::decode(&cut[cut.len() - TRAILER_BYTES..]).is_err());
    assert!(Trailer::decode(&file[file.len() - TRAILER_BYTES..]).is_ok());
}

#[test]
fn blocks_that_are_right_each_but_were_swapped_are_seen() {
    let file = data_file(&[(BlockType::MacroData, vec![5; 100]), (BlockType::MacroData, vec![6; 100])]);
    let (h, b) = (FILE_HEADER_BYTES, 4096);
    let swapped = [&file[..h], &file[h + b..h + 2 * b], &file[h..h + b], &file[h + 2 * b..]].concat();
    let e = read_file(&Bytes::from(swapped), |_, _| Ok(())).unwrap_err();
    assert!(matches!(e, FormatError::Checksum { what: "data or index file", .. }), "{e}");
}

#[test]
fn an_index_of_many_leaves_reads_back_and_its_root_finds_each_leaf() {
    let entries: Vec<MacroIndexEntry> = (0..2000).map(entry).collect();
    let mut reversed = entries.clone();
    reversed.reverse();
    let file = Bytes::from(write_index(&reversed).unwrap());
    assert_eq!(IndexReader::<MacroIndexEntry>::parse(&file).unwrap(), entries);

    let trailer = Trailer::decode(&file[file.len() - TRAILER_BYTES..]).unwrap();
    assert_eq!(trailer.index_entry_count, 2000);
    let slice = |at: u64, length: u64| file.slice(at as usize..(at + length) as usize);
    let root = read_root(read_block(&slice(trailer.list_offset, trailer.list_length)).unwrap().payload).unwrap();
    assert!(root.len() > 5, "{} leaves", root.len());
    let wanted = &entries[1234];
    let leaf = root.iter().find(|leaf| leaf.last_key >= wanted.sort_key()).unwrap();
    let payload = read_block(&slice(leaf.offset, leaf.length)).unwrap().payload;
    assert!(payload.len() <= INDEX_LEAF_BYTES_MAX);
    assert!(read_leaf::<MacroIndexEntry>(payload).unwrap().contains(wanted));
}

#[test]
fn an_index_may_be_empty() {
    let file = Bytes::from(write_index::<MetaIndexEntry>(&[]).unwrap());
    assert_eq!(IndexReader::<MetaIndexEntry>::parse(&file).unwrap(), []);
}

#[test]
fn the_other_index_kinds_read_back_and_are_not_mixed_up() {
    let metas: Vec<MetaIndexEntry> = [MetaType::Sstable, MetaType::Tablet, MetaType::MacroIdMapping]
        .map(|meta_type| MetaIndexEntry { tablet_id: TabletId(200_001), meta_type, physical: physical(1) })
        .to_vec();
    let file = Bytes::from(write_index(&metas).unwrap());
    assert_eq!(IndexReader::<MetaIndexEntry>::parse(&file).unwrap(), metas);
    assert!(IndexReader::<SecMetaIndexEntry>::parse(&file).is_err());

    let sec = vec![SecMetaIndexEntry { logical: entry(1).logical, physical: physical(1) }];
    let file = Bytes::from(write_index(&sec).unwrap());
    assert_eq!(IndexReader::<SecMetaIndexEntry>::parse(&file).unwrap(), sec);
}

#[test]
fn entries_out_of_order_or_twice_are_refused() {
    let mut writer = IndexWriter::new();
    writer.push(&entry(5)).unwrap();
    assert!(writer.push(&entry(5)).is_err());
    assert!(writer.push(&entry(4)).is_err());
    assert!(writer.push(&entry(6)).is_ok());
    assert!(write_index(&[entry(1), entry(1)]).is_err());
    let huge = MacroIndexEntry { file_name: "x".repeat(INDEX_LEAF_BYTES_MAX), ..entry(9) };
    assert!(writer.push(&huge).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_damaged_byte_of_a_data_file_is_seen(
        sizes in proptest::collection::vec(0usize..9000, 1..4), at: prop::sample::Index, mask in 1u8..,
    ) {
        let payloads: Vec<_> = sizes.iter().map(|n| (BlockType::MacroData, vec![0xA5; *n])).collect();
        let mut file = data_file(&payloads).to_vec();
        let at = at.index(file.len());
        file[at] ^= mask;
        prop_assert!(read_file(&Bytes::from(file), |_, _| Ok(())).is_err());
    }

    #[test]
    fn each_damaged_byte_of_an_index_file_is_seen(count in 1u64..300, at: prop::sample::Index, mask in 1u8..) {
        let entries: Vec<MacroIndexEntry> = (0..count).map(entry).collect();
        let mut file = write_index(&entries).unwrap();
        let at = at.index(file.len());
        file[at] ^= mask;
        prop_assert!(IndexReader::<MacroIndexEntry>::parse(&Bytes::from(file)).is_err());
    }
}
