//! What was framed walks back, over block ends, and every damaged byte is seen.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use strandline_format::palf::{Framer, GROUP_HEADER_BYTES, GroupWalker, PADDING_GROUP_BYTES_MIN, Walk, next_group};
use strandline_types::limits::BLOCK_BODY_BYTES;
use strandline_types::{Lsn, PalfBase, Scn, Term};

fn base_at(lsn: u64) -> PalfBase {
    PalfBase { lsn: Lsn(lsn), prev_log_id: 41, prev_accumulated_checksum: 0xABCD_EF01, prev_scn: Scn(1000) }
}

#[derive(Clone, Debug)]
struct Entry {
    term: u64,
    scn: u64,
    strict: bool,
    body: Vec<u8>,
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let body = proptest::collection::vec(any::<u8>(), 1..700);
    let entry = (1u64..9, 900u64..2000, any::<bool>(), body).prop_map(|(term, scn, strict, body)| Entry {
        term,
        scn,
        strict,
        body,
    });
    proptest::collection::vec(entry, 1..40)
}

proptest! {
    #[test]
    fn what_was_framed_walks_back_over_block_ends(
        list in entries(), left in PADDING_GROUP_BYTES_MIN..9000u64, block in 1u64..4,
    ) {
        let base = base_at(block * BLOCK_BODY_BYTES - left);
        let mut framer = Framer::new(base);
        let mut log = Vec::new();
        let framed: Vec<_> = list
            .iter()
            .map(|e| framer.frame_into(&mut log, Term(e.term), Scn(e.scn), e.strict, &[&e.body]))
            .collect();
        let mut walker = GroupWalker::new(&log, base.lsn, Some(base));
        for (entry, at) in list.iter().zip(&framed) {
            let mut group = walker.next_group().unwrap().unwrap();
            prop_assert_eq!(group.is_padding, at.padded);
            if at.padded {
                prop_assert_eq!(group.end.left_in_block(), BLOCK_BODY_BYTES, "padding reaches to the block end");
                prop_assert_eq!(group.entries().count(), 0);
                group = walker.next_group().unwrap().unwrap();
            }
            prop_assert_eq!((group.lsn, group.end), (at.lsn, at.end));
            prop_assert_eq!(group.header.log_id, at.log_id);
            prop_assert_eq!(group.header.max_scn, at.scn);
            prop_assert_eq!(group.header.proposal_id, Term(entry.term));
            prop_assert_eq!(group.header.committed_end_lsn, at.lsn);
            let read: Vec<_> = group.entries().collect();
            prop_assert_eq!(read.len(), 1);
            prop_assert_eq!(read[0].body, &entry.body[..]);
            prop_assert_eq!(read[0].body, &group.bytes[read[0].offset..]);
            prop_assert_eq!(read[0].scn, at.scn);
        }
        prop_assert!(walker.next_group().unwrap().is_none());
        prop_assert_eq!(walker.base(), Some(framer.base()));
        prop_assert!(walker.rest().is_empty());
    }

    #[test]
    fn a_cut_log_ends_in_a_partial_group_never_in_an_error(list in entries(), cut: prop::sample::Index) {
        let base = base_at(0);
        let (mut framer, mut log, mut ends) = (Framer::new(base), Vec::new(), vec![0]);
        for e in &list {
            framer.frame_into(&mut log, Term(e.term), Scn(e.scn), e.strict, &[&e.body]);
            ends.push(log.len());
        }
        let cut = cut.index(log.len());
        let mut walker = GroupWalker::new(&log[..cut], base.lsn, Some(base));
        while walker.next_group().unwrap().is_some() {}
        let whole = ends.iter().copied().filter(|end| *end <= cut).max().unwrap();
        prop_assert_eq!(walker.lsn(), Lsn(whole as u64), "everything whole was walked");
    }

    #[test]
    fn reframing_the_effective_scns_gives_the_same_bytes(list in entries()) {
        let (mut first, mut second) = (Framer::new(base_at(0)), Framer::new(base_at(0)));
        for e in &list {
            let a = first.frame(Term(e.term), Scn(e.scn), e.strict, &e.body);
            let b = second.frame(Term(e.term), a.scn, e.strict, &e.body);
            prop_assert_eq!(a, b);
        }
    }
}

/// Every byte of a small log with a padding group in it, each with several damages. No random choice here: a 16-bit
/// header checksum may miss one damage in 65,536, and this sample is one that it does not miss.
#[test]
fn each_damaged_byte_is_seen() {
    let base = base_at(BLOCK_BODY_BYTES - 900);
    let mut framer = Framer::new(base);
    let mut log = Vec::new();
    for (n, size) in [1usize, 60, 300, 400, 33].into_iter().enumerate() {
        framer.frame_into(&mut log, Term(3), Scn(2000 + n as u64), true, &[&vec![n as u8 + 1; size]]);
    }
    for at in 0..log.len() {
        for mask in [1u8, 0x80, 0x40, 0x10, 0xff] {
            log[at] ^= mask;
            let mut walker = GroupWalker::new(&log, base.lsn, Some(base));
            let seen = loop {
                match walker.next_group() {
                    Ok(Some(_)) => {}
                    Ok(None) => break !walker.rest().is_empty(),
                    Err(_) => break true,
                }
            };
            assert!(seen, "byte {at} ^ {mask:#x} went unseen");
            log[at] ^= mask;
        }
    }
}

/// Every damage of every byte, the place in the log known.
#[test]
fn each_damage_of_one_group_is_seen_where_its_place_is_known() {
    let base = base_at(0);
    let group = Framer::new(base).frame(Term(3), Scn(5000), true, b"one body of a log entry").bytes;
    for at in 0..group.len() {
        for mask in 1..=u8::MAX {
            let mut bad = group.clone();
            bad[at] ^= mask;
            let walked = next_group(&bad, base.lsn, Some(&base));
            assert!(walked.is_err(), "byte {at} ^ {mask:#x} went unseen: {walked:?}");
        }
    }
}

/// Where the place in the log is not known, the 16 bits of a header checksum are all that covers a header: they miss
/// one damage in 65,536, and no single bit. Bodies have 32 bits of CRC, which miss no damage of one byte.
#[test]
fn a_lone_group_shows_each_flipped_bit_and_each_damage_of_its_body() {
    let group = Framer::new(base_at(0)).frame(Term(3), Scn(5000), true, b"one body of a log entry").bytes;
    let headers = group.len() - b"one body of a log entry".len();
    for at in 0..group.len() {
        for mask in (1..=u8::MAX).filter(|mask| at >= headers || mask.is_power_of_two()) {
            let mut bad = group.clone();
            bad[at] ^= mask;
            assert!(next_group(&bad, Lsn(0), None).is_err(), "byte {at} ^ {mask:#x} went unseen");
        }
    }
}

#[test]
fn a_group_that_does_not_fit_its_block_is_an_error() {
    let bytes = Framer::new(base_at(0)).frame(Term(1), Scn(5000), true, &[7; 500]).bytes;
    assert!(next_group(&bytes, Lsn(BLOCK_BODY_BYTES - 500), None).is_err(), "crosses the block end");
    assert!(matches!(next_group(&bytes[..GROUP_HEADER_BYTES - 1], Lsn(0), None), Ok(Walk::Partial)));
    assert!(matches!(next_group(&[], Lsn(0), None), Ok(Walk::Partial)));
}

/// The log of a whole block, then the next: what the archiver files is exactly 64 MiB.
#[test]
fn a_block_is_filled_to_its_last_byte() {
    let mut framer = Framer::new(PalfBase::default());
    let (mut log, body) = (Vec::new(), vec![42u8; 2 << 20]);
    let mut scn = 0;
    while framer.base().lsn.block() == 0 {
        scn += 1;
        framer.frame_into(&mut log, Term(1), Scn(scn), true, &[&body]);
    }
    let mut walker = GroupWalker::new(&log, Lsn::ZERO, Some(PalfBase::default()));
    let (mut groups, mut ends) = (0, Vec::new());
    while let Some(group) = walker.next_group().unwrap() {
        groups += 1;
        ends.push(group.end);
    }
    assert!(ends.contains(&Lsn(BLOCK_BODY_BYTES)));
    assert_eq!(framer.base().prev_log_id, groups, "log_id counts every group, padding included");
}
