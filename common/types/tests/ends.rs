//! Positions at their ends: where a counter, a log, a range or a round stops, nothing wraps, panics or counts twice.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strandline_types::limits::{
    ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES, PIECE_INTERVAL_SECONDS_MAX, PIECE_INTERVAL_SECONDS_MIN,
};
use strandline_types::*;

const SECOND_NS: u64 = 1_000_000_000;

/// Any number, and often one at an end.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..3, u64::MAX - 3..=u64::MAX, any::<u64>()]
}

/// A round with pieces of a length that a user may ask for.
fn clock() -> impl Strategy<Value = PieceClock> {
    let shortest = PIECE_INTERVAL_SECONDS_MIN * SECOND_NS;
    let longest = PIECE_INTERVAL_SECONDS_MAX * SECOND_NS;
    (number(), 1u64..1 << 40, prop_oneof![Just(shortest), Just(longest), shortest..longest]).prop_map(
        |(start, base, interval_ns)| PieceClock { round_start: Scn(start), base_piece: PieceId(base), interval_ns },
    )
}

#[test]
fn milliseconds_beyond_all_scns_are_the_last_scn() {
    let last_ms = u64::MAX / 1_000_000;
    assert_eq!(Scn::from_ms(last_ms).as_ms(), last_ms);
    assert!(Scn::from_ms(last_ms) < Scn::MAX);
    assert_eq!((Scn::from_ms(last_ms + 1), Scn::from_ms(u64::MAX)), (Scn::MAX, Scn::MAX));
}

#[test]
fn a_part_of_a_millisecond_is_none() {
    assert_eq!((Scn(999_999).as_ms(), Scn(1_000_000).as_ms(), Scn(1_999_999).as_ms()), (0, 1, 1));
}

#[test]
fn a_hybrid_clock_at_the_end_of_time_stays_there() {
    for (wall, last, token) in [(0, Scn::MAX, Scn::MIN), (u64::MAX, Scn::MIN, Scn::MIN), (7, Scn(7), Scn::MAX)] {
        assert_eq!(Scn::hybrid(wall, last, token), Scn::MAX, "{wall} {last} {token}");
    }
    assert_eq!(Scn::hybrid(0, Scn::MAX.prev(), Scn::MIN), Scn::MAX);
}

#[test]
fn a_file_that_says_an_impossible_start_holds_no_position() {
    for at in [0, 1, BLOCK_BODY_BYTES, 1 << 60] {
        assert_eq!(Lsn(at).offset_in_file(Lsn(u64::MAX)), None, "{at}");
    }
}

#[test]
fn the_border_of_two_blocks_is_the_end_of_one_file_and_the_start_of_the_next() {
    for block in [1, 2, 1000, 1 << 30] {
        let border = Lsn(block * BLOCK_BODY_BYTES);
        let before = Lsn(border.0 - 1);
        assert_eq!(before.block_end(), border);
        assert_eq!((before.left_in_block(), border.left_in_block()), (1, BLOCK_BODY_BYTES));
        assert_eq!(border.offset_in_file(before.block_start()), Some(64 << 20), "behind the last byte of a full file");
        assert_eq!(border.offset_in_file(border), Some(ARCHIVE_FILE_HEADER_BYTES));
        assert_eq!(border.advance(1).offset_in_file(before.block_start()), None, "that file is over");
    }
}

#[test]
fn a_range_up_to_the_end_of_time_does_not_hold_the_end() {
    let rest = ScnRange::new(Scn(5), Scn::MAX).unwrap();
    assert!(rest.contains(Scn::MAX.prev()) && !rest.contains(Scn::MAX));
    assert!(ScnRange::new(Scn::MAX, Scn::MAX).unwrap().is_empty());
    assert_eq!(LsnRange { start: Lsn(0), end: Lsn(u64::MAX) }.bytes(), u64::MAX);
}

#[test]
fn only_sixteen_bytes_are_a_digest() {
    for len in 0..40 {
        assert_eq!(Fingerprint::from_wire(1, &vec![7; len]).is_some(), len == 16, "{len} bytes");
    }
    let mut one = Fingerprint::default();
    assert_eq!(one.digest(), [0; 16], "nothing has the digest of zeros");
    one.add(1);
    assert_eq!(one.digest(), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "the highest byte travels first");
}

#[test]
fn a_digest_counts_what_comes_twice_and_what_cancels_out() {
    let of = |hashes: &[u128]| {
        let mut sum = Fingerprint::default();
        hashes.iter().for_each(|hash| sum.add(*hash));
        sum
    };
    assert_ne!(of(&[5, 5]), of(&[]), "two of one pair are not none");
    assert_ne!(of(&[5, 5]), of(&[5]));
    let around = of(&[u128::MAX, 1]);
    assert_eq!((around.sum, around.keys), (0, 2));
    assert_ne!(around, Fingerprint::default(), "a sum that came around is told from nothing by its number of pairs");
}

#[test]
fn a_log_that_has_not_begun_has_nothing_before_it() {
    let start = PalfBase::default();
    assert_eq!((start.lsn, start.prev_log_id), (Lsn::ZERO, 0));
    assert_eq!((start.prev_accumulated_checksum, start.prev_scn), (0, Scn::MIN));
    assert_eq!((Lsn::ZERO.block(), Lsn::ZERO.file_id()), (0, FileId(1)), "files count from 1, blocks from 0");
}

#[test]
fn ids_and_positions_are_padded_as_the_numbers_that_they_are() {
    assert_eq!(format!("[{:>6}|{:<6}|{:06}]", LsId(1001), DestId(7), PieceId(42)), "[  1001|7     |000042]");
    assert_eq!(format!("[{:>4}|{:<4}]", Scn(9), Lsn(8)), "[   9|8   ]");
}

proptest! {
    #[test]
    fn an_effect_in_one_log_stream_is_after_its_cause_in_another(
        first_wall in 0u64..1 << 62, second_wall in 0u64..1 << 62, last in 0u64..1 << 62,
    ) {
        let cause = Scn::hybrid(first_wall, Scn(last), Scn::MIN);
        let mut token = CausalityToken::default();
        token.observe(cause);
        prop_assert!(Scn::hybrid(second_wall, Scn::MIN, token.0) > cause, "whatever the second clock says");
    }

    #[test]
    fn every_scn_has_a_piece_in_every_round_that_a_user_can_ask_for(clock in clock(), scn in number()) {
        let scn = Scn(scn).max(clock.round_start);
        let piece = clock.piece_of(scn);
        let range = clock.range(piece);
        prop_assert!(piece >= clock.base_piece && range.start <= scn);
        prop_assert!(scn < range.end || range.end == Scn::MAX, "{range} {scn}");
        prop_assert!(clock.is_complete(piece, Scn::MAX), "at the end of time every piece is over");
    }

    #[test]
    fn later_scns_are_in_later_pieces_and_a_piece_is_complete_for_good(clock in clock(), a in number(), b in number()) {
        let (a, b) = (Scn(a.min(b)), Scn(a.max(b)));
        prop_assert!(clock.piece_of(a) <= clock.piece_of(b));
        let piece = clock.piece_of(a);
        prop_assert!(!clock.is_complete(piece, a) || clock.is_complete(piece, b));
        prop_assert!(!clock.is_complete(piece, b) || piece == clock.base_piece || clock.is_complete(PieceId(piece.0 - 1), b));
    }

    #[test]
    fn what_lies_before_a_round_belongs_to_its_first_piece(clock in clock(), before in number()) {
        let before = Scn(before).min(clock.round_start);
        prop_assert_eq!(clock.piece_of(before), clock.base_piece);
        prop_assert_eq!(clock.range(clock.base_piece).start, clock.round_start);
    }

    #[test]
    fn pieces_that_begin_behind_the_end_of_time_hold_nothing(clock in clock(), further in 0u64..1 << 40) {
        let beyond = clock.range(PieceId(clock.piece_of(Scn::MAX).0 + 2 + further));
        prop_assert_eq!((beyond.start, beyond.end), (Scn::MAX, Scn::MAX));
        prop_assert_eq!(clock.range(PieceId(u64::MAX)), beyond, "the last number that a piece can have, too");
    }

    #[test]
    fn a_range_that_does_not_end_behind_its_start_holds_nothing(a in number(), b in number(), at in number()) {
        let (start, end) = (a.max(b), a.min(b));
        let (scns, lsns) = (ScnRange { start: Scn(start), end: Scn(end) }, LsnRange { start: Lsn(start), end: Lsn(end) });
        prop_assert!(scns.is_empty() && !scns.contains(Scn(at)));
        prop_assert!(lsns.is_empty() && !lsns.contains(Lsn(at)));
        prop_assert_eq!(lsns.bytes(), 0, "and counts no bytes");
    }

    #[test]
    fn two_ranges_side_by_side_hold_every_position_once(mut cuts in prop::array::uniform3(number()), at in number()) {
        cuts.sort_unstable();
        let [a, b, c] = cuts.map(Lsn);
        let (left, right, whole) = (LsnRange { start: a, end: b }, LsnRange { start: b, end: c }, LsnRange { start: a, end: c });
        let holds = |range: &LsnRange| u32::from(range.contains(Lsn(at)));
        prop_assert_eq!(holds(&left) + holds(&right), holds(&whole));
        prop_assert_eq!(left.bytes() + right.bytes(), whole.bytes());
    }

    #[test]
    fn digests_are_merged_in_any_grouping(sums in prop::array::uniform3(any::<(u32, u128)>())) {
        let [a, b, c] = sums.map(|(keys, sum)| Fingerprint { keys: u64::from(keys), sum });
        prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
        prop_assert_eq!(a.merge(Fingerprint::default()), a, "an empty part changes nothing");
    }
}
