//! Positions in log and time: SCNs, LSNs, ranges, pieces, digests. What is counted once must not be counted twice, and
//! what is shown must be what is meant.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strandline_types::limits::{ARCHIVE_FILE_HEADER_BYTES, BLOCK_BODY_BYTES};
use strandline_types::*;

fn scn() -> impl Strategy<Value = Scn> {
    prop_oneof![Just(Scn::MIN), Just(Scn::MAX), any::<u64>().prop_map(Scn)]
}

proptest! {
    #[test]
    fn neighbours_of_an_scn_saturate_and_never_wrap(scn in scn()) {
        prop_assert!(scn.next() >= scn && scn.prev() <= scn);
        prop_assert!(scn == Scn::MAX || scn.next().prev() == scn);
        prop_assert!(scn == Scn::MIN || scn.prev().next() == scn);
    }

    #[test]
    fn a_hybrid_clock_is_after_everything_that_it_has_seen(wall: u64, last in 0..u64::MAX - 1, token in 0..u64::MAX - 1) {
        let now = Scn::hybrid(wall, Scn(last), Scn(token));
        prop_assert!(now >= Scn(wall) && now > Scn(last));
        prop_assert!(token == 0 || now > Scn(token));
        let causes = [Scn(wall), Scn(last).next(), if token == 0 { Scn::MIN } else { Scn(token).next() }];
        prop_assert!(causes.contains(&now), "it is not further ahead than it has to be");
    }

    #[test]
    fn milliseconds_are_kept_by_an_scn(ms in 0..u64::MAX / 1_000_000) {
        prop_assert_eq!(Scn::from_ms(ms).as_ms(), ms);
        prop_assert_eq!(Scn::from_ms(ms).prev().next().as_ms(), ms);
    }

    #[test]
    fn a_causality_token_only_rises(scns in prop::collection::vec(any::<u64>(), 0..20)) {
        let mut token = CausalityToken::default();
        for scn in &scns {
            let before = token;
            token.observe(Scn(*scn));
            prop_assert!(token >= before && token.0 >= Scn(*scn));
        }
        prop_assert_eq!(token.0, Scn(scns.into_iter().max().unwrap_or(0)));
    }

    #[test]
    fn every_byte_of_a_log_lies_in_one_block_at_one_offset(at in 0u64..1 << 40) {
        let lsn = Lsn(at);
        prop_assert!(lsn.block_start() <= lsn && lsn < lsn.block_end());
        prop_assert_eq!(lsn.block_end().0 - lsn.block_start().0, BLOCK_BODY_BYTES);
        prop_assert_eq!(lsn.left_in_block(), lsn.block_end().0 - at);
        prop_assert_eq!(lsn.file_id().0, lsn.block() + 1);
        prop_assert_eq!(lsn.block_end().file_id(), lsn.file_id().next(), "the end is the first byte of the next file");
        let offset = lsn.offset_in_file(lsn.block_start()).unwrap();
        prop_assert_eq!(offset, ARCHIVE_FILE_HEADER_BYTES + at - lsn.block_start().0);
        prop_assert!((ARCHIVE_FILE_HEADER_BYTES..64 << 20).contains(&offset));
    }

    #[test]
    fn a_file_holds_from_where_its_header_says_to_the_end_of_its_block(start in 0u64..1 << 30, at in 0u64..1 << 31) {
        let (start, at) = (Lsn(start), Lsn(at));
        let is_there = at >= start && at <= start.block_end();
        prop_assert_eq!(at.offset_in_file(start).is_some(), is_there);
        if let Some(offset) = at.offset_in_file(start) {
            prop_assert_eq!(start.advance(offset - ARCHIVE_FILE_HEADER_BYTES), at);
        }
    }

    #[test]
    fn a_range_holds_its_start_and_not_its_end(a in 0u64..1000, b in 0u64..1000, at in 0u64..1000) {
        match LsnRange::new(Lsn(a), Lsn(b)) {
            None => prop_assert!(b < a),
            Some(range) => {
                prop_assert_eq!(range.contains(Lsn(at)), a <= at && at < b);
                prop_assert_eq!((range.is_empty(), range.bytes()), (a == b, b - a));
                prop_assert_eq!(range.to_string(), format!("[{a}, {b})"));
            }
        }
        prop_assert_eq!(ScnRange::new(Scn(a), Scn(b)).is_some(), a <= b);
    }

    #[test]
    fn pieces_cut_a_round_without_gap_and_without_overlap(
        start in 0u64..1 << 60, base in 1u64..100, interval in 1u64..1 << 50, nth in 0u64..1000, within in 0u64..1 << 50,
    ) {
        let clock = PieceClock { round_start: Scn(start), base_piece: PieceId(base), interval_ns: interval };
        let piece = PieceId(base + nth);
        let (range, next) = (clock.range(piece), clock.range(piece.next()));
        prop_assert_eq!(range.end, next.start);
        prop_assert_eq!(range.end.0 - range.start.0, interval);
        let inside = Scn(range.start.0 + within % interval);
        prop_assert_eq!(clock.piece_of(inside), piece);
        prop_assert_eq!(clock.piece_entered(inside), piece);
        prop_assert_eq!(clock.is_complete(piece, inside), inside.next() == range.end);
        prop_assert!(clock.is_complete(piece, range.end) && !clock.is_complete(piece.next(), range.end.prev()));
    }

    #[test]
    fn a_round_of_any_length_of_piece_never_divides_by_nothing(scn in scn(), start in scn(), base in 0u64..1000) {
        let clock = PieceClock { round_start: start, base_piece: PieceId(base), interval_ns: 0 };
        prop_assert!(clock.piece_of(Scn(scn.0 & (u64::MAX >> 1))) >= PieceId(base));
    }

    #[test]
    fn a_digest_does_not_depend_on_order_or_on_how_content_is_cut(mut hashes in prop::collection::vec(any::<u128>(), 0..40), cut in 0usize..40) {
        let of = |hashes: &[u128]| {
            let mut sum = Fingerprint::default();
            hashes.iter().for_each(|hash| sum.add(*hash));
            sum
        };
        let whole = of(&hashes);
        let (left, right) = hashes.split_at(cut.min(hashes.len()));
        prop_assert_eq!(of(left).merge(of(right)), whole);
        prop_assert_eq!(of(right).merge(of(left)), whole);
        hashes.reverse();
        prop_assert_eq!(of(&hashes), whole);
        prop_assert_eq!(Fingerprint::from_wire(whole.keys, &whole.digest()), Some(whole));
        hashes.push(1);
        prop_assert_ne!(of(&hashes), whole, "one pair more is another content");
    }

    #[test]
    fn texts_of_times_are_ordered_as_the_times_are(a in 0u64..16_000_000_000_000_000_000, b in 0u64..16_000_000_000_000_000_000) {
        prop_assert_eq!(scn_text(Scn(a)).cmp(&scn_text(Scn(b))), a.cmp(&b));
        prop_assert!(a / 1_000_000_000 > b / 1_000_000_000 || scn_tag(Scn(a)) <= scn_tag(Scn(b)));
        prop_assert_eq!(&moment_text(a / 1_000_000)[..23], &scn_text(Scn(a))[..23]);
    }

    #[test]
    fn a_time_in_another_zone_is_the_same_moment(ns in 100_000_000_000_000u64..1 << 62, hours in 0i64..14, minutes in 0i64..60, is_west: bool) {
        let ahead = (hours * 3600 + minutes * 60) * if is_west { -1 } else { 1 };
        let local = Scn(ns.checked_add_signed(ahead * 1_000_000_000).unwrap());
        let sign = if is_west { '-' } else { '+' };
        let typed = format!("{}{sign}{hours:02}:{minutes:02}", scn_text(local));
        prop_assert_eq!(parse_time_text(&typed), Ok(Scn(ns)), "{}", typed);
    }

    #[test]
    fn no_text_makes_the_parser_of_times_panic(text in "[0-9TZ:. +utcUTC-]{0,40}") {
        let _ = parse_time_text(&text);
    }

    #[test]
    fn an_id_is_shown_as_its_number_and_followed_by_the_next(n in 0u64..u64::MAX) {
        prop_assert_eq!(TenantId(n).to_string(), n.to_string());
        prop_assert_eq!(TenantId::from(n).next(), TenantId(n + 1));
        prop_assert!(PieceId(n) < PieceId(n).next());
    }
}

#[test]
fn a_piece_is_named_as_in_paths_and_ordered_as_written() {
    let key =
        |dest, round, piece| PieceKey { dest_id: DestId(dest), round_id: RoundId(round), piece_id: PieceId(piece) };
    assert_eq!(key(1002, 1, 3).to_string(), "d1002r1p3");
    let mut keys = [key(1002, 2, 1), key(1001, 9, 9), key(1002, 1, 10), key(1002, 1, 9)];
    keys.sort_unstable();
    assert_eq!(keys, [key(1001, 9, 9), key(1002, 1, 9), key(1002, 1, 10), key(1002, 2, 1)]);
}

#[test]
fn the_first_ids_are_the_originals() {
    assert_eq!((TenantId::FIRST_USER.0, LsId::SYS.0, LsId::FIRST_USER.0), (1002, 1, 1001));
    assert_eq!((DestId::FIRST.0, TabletId::FIRST_USER.0, DestNo::LAST.0), (1001, 200_001, 7));
    assert!(LsId::SYS.is_sys() && !LsId::FIRST_USER.is_sys());
}

#[test]
fn an_error_class_says_whether_trying_again_helps_and_keeps_its_number() {
    use ErrorClass::*;
    let all = [Transient, Fenced, NotFound, Permission, Corrupt, Invalid, Exhausted];
    for (number, class) in (1..).zip(all) {
        assert_eq!((class.number(), ErrorClass::from_number(number)), (number, class));
        assert_eq!(class.is_retryable(), class == Transient, "{class}");
    }
    assert_eq!(ErrorClass::from_number(0), Transient, "what is not known may pass by itself");
    let failure = Failure::new(NotFound, "no such tenant", "tenant t", "").with_code(-5157);
    assert_eq!((failure.to_string().as_str(), failure.code), ("no such tenant [tenant t]", -5157));
}
