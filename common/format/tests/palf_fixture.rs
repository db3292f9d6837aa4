//! The framing against a log that a real engine of the OceanBase family wrote (`fixtures/palf/`): every checksum holds,
//! and framing the same headers again gives the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use strandline_format::palf::{EntryHeader, GROUP_HEADER_BYTES, GroupHeader, GroupWalker, PalfFault, next_group};
use strandline_types::Lsn;

const BLOCK_HEADER_BYTES: usize = 4096;
const BLOCK_0: &[u8] = include_bytes!("fixtures/palf/block_0_head.bin");
const BLOCK_0_TAIL: &[u8] = include_bytes!("fixtures/palf/block_0_tail_from_lsn_66804642.bin");
const BLOCK_1: &[u8] = include_bytes!("fixtures/palf/block_1_head.bin");
const TAIL_LSN: Lsn = Lsn(66_804_642);
const BLOCK_1_LSN: Lsn = Lsn(67_104_768);

struct Walked {
    groups: usize,
    entries: usize,
    paddings: usize,
    end: Lsn,
}

fn walk(data: &[u8], at: Lsn) -> Walked {
    let mut walker = GroupWalker::new(data, at, None);
    let mut w = Walked { groups: 0, entries: 0, paddings: 0, end: at };
    while let Some(group) = walker.next_group().unwrap() {
        w.groups += 1;
        w.entries += group.entries().count();
        w.paddings += usize::from(group.is_padding);
        w.end = group.end;
    }
    w
}

#[test]
fn the_first_block_parses_whole() {
    let w = walk(&BLOCK_0[BLOCK_HEADER_BYTES..], Lsn::ZERO);
    assert_eq!((w.groups, w.entries, w.paddings, w.end), (19, 25, 0, Lsn(681_231)));
}

#[test]
fn the_second_block_parses_whole() {
    let w = walk(&BLOCK_1[BLOCK_HEADER_BYTES..], BLOCK_1_LSN);
    assert_eq!((w.groups, w.entries, w.paddings, w.end), (8, 9, 0, Lsn(68_109_066)));
}

#[test]
fn the_padding_group_reaches_exactly_to_the_block_end() {
    let w = walk(BLOCK_0_TAIL, TAIL_LSN);
    assert_eq!((w.groups, w.paddings, w.end), (3, 1, BLOCK_1_LSN));
}

#[test]
fn the_log_goes_on_over_the_block_end() {
    let mut walker = GroupWalker::new(BLOCK_0_TAIL, TAIL_LSN, None);
    while walker.next_group().unwrap().is_some() {}
    let base = walker.base().unwrap();
    let mut next = GroupWalker::new(&BLOCK_1[BLOCK_HEADER_BYTES..], BLOCK_1_LSN, Some(base));
    assert!(next.next_group().unwrap().is_some(), "the first group of block 1 follows the padding group of block 0");
}

#[test]
fn headers_encode_to_the_bytes_that_the_engine_wrote() {
    for (data, at) in [(&BLOCK_0[BLOCK_HEADER_BYTES..], Lsn::ZERO), (BLOCK_0_TAIL, TAIL_LSN)] {
        let mut walker = GroupWalker::new(data, at, None);
        while let Some(group) = walker.next_group().unwrap() {
            assert_eq!(group.bytes[..GROUP_HEADER_BYTES], GroupHeader::decode(group.bytes).unwrap().encode());
            let entry = &group.bytes[GROUP_HEADER_BYTES..];
            assert_eq!(entry[..32], EntryHeader::decode(entry).unwrap().encode());
        }
    }
}

#[test]
fn a_missing_group_is_a_fork() {
    let data = &BLOCK_0[BLOCK_HEADER_BYTES..];
    let mut walker = GroupWalker::new(data, Lsn::ZERO, None);
    let first = walker.next_group().unwrap().unwrap();
    let second = walker.next_group().unwrap().unwrap();
    let mut base = first.base_after();
    base.lsn = second.end;
    let e = next_group(walker.rest(), second.end, Some(&base)).unwrap_err();
    assert!(matches!(e.fault, PalfFault::Fork { what: "log id", .. }), "{e}");
    base.prev_log_id += 1;
    let e = next_group(walker.rest(), second.end, Some(&base)).unwrap_err();
    assert!(matches!(e.fault, PalfFault::Fork { what: "accumulated checksum", .. }), "{e}");
}
