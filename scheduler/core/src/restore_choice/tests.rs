//! Choice of sets and pieces, by example and against a slow oracle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;
use strandline_types::{DestId, PieceId, RoundId};

fn full(id: u64, replay: u64, min: u64) -> CatalogueSet {
    CatalogueSet {
        set_id: BackupSetId(id),
        kind: BackupSetKind::Full,
        status: BackupSetStatus::Success,
        file_status: FileStatus::Available,
        prev_full: BackupSetId(0),
        prev_inc: BackupSetId(0),
        start_replay_scn: Scn(replay),
        min_restore_scn: Scn(min),
    }
}

fn inc(id: u64, prev_full: u64, prev_inc: u64, replay: u64, min: u64) -> CatalogueSet {
    CatalogueSet {
        kind: BackupSetKind::Inc,
        prev_full: BackupSetId(prev_full),
        prev_inc: BackupSetId(prev_inc),
        ..full(id, replay, min)
    }
}

/// Piece `id` of `round`, 100 SCNs long, with its checkpoint.
fn piece(round: u64, id: u64, start: u64, checkpoint: u64) -> CataloguePiece {
    let is_frozen = checkpoint == start + 99;
    CataloguePiece {
        key: PieceKey { dest_id: DestId(1001), round_id: RoundId(round), piece_id: PieceId(id) },
        status: if is_frozen { PieceStatus::Frozen } else { PieceStatus::Active },
        file_status: if checkpoint == start { FileStatus::Incomplete } else { FileStatus::Available },
        start_scn: Scn(start),
        end_scn: Scn(start + 100),
        checkpoint_scn: Scn(checkpoint),
    }
}

fn ids(choice: &Choice) -> (Vec<u64>, Vec<u64>) {
    let sets = choice.sets.iter().map(|s| s.set_id.0).collect();
    (sets, choice.pieces.iter().map(|p| p.key.piece_id.0).collect())
}

fn catalogue() -> Catalogue {
    Catalogue {
        sets: vec![full(1, 1020, 1040), full(2, 1210, 1230)],
        pieces: vec![
            piece(1, 1, 1000, 1099),
            piece(1, 2, 1100, 1199),
            piece(1, 3, 1200, 1299),
            piece(1, 4, 1300, 1350),
        ],
    }
}

#[test]
fn the_newest_set_before_the_target_is_taken() {
    let c = catalogue();
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1229))).unwrap()), (vec![1], vec![1, 2, 3, 4]));
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1230))).unwrap()), (vec![2], vec![3, 4]));
}

#[test]
fn the_piece_after_the_target_is_taken_because_groups_are_filed_by_their_largest_scn() {
    let c = catalogue();
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1099))).unwrap()).1, [1, 2]);
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1040))).unwrap()).1, [1, 2]);
}

#[test]
fn a_piece_that_the_checkpoint_has_not_entered_is_still_read() {
    let mut c = catalogue();
    c.pieces.push(piece(1, 5, 1400, 1400));
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1350))).unwrap()).1, [3, 4, 5]);
    assert!(choose(&c, Target::Scn(Scn(1351))).is_err(), "but it extends no window");
}

#[test]
fn newest_is_as_far_as_the_log_goes() {
    let choice = choose(&catalogue(), Target::Newest).unwrap();
    assert_eq!((choice.target_scn, ids(&choice).0), (Scn(1350), vec![2]));
}

#[test]
fn a_target_after_the_log_is_refused_with_the_newest_bound() {
    let f = choose(&catalogue(), Target::Scn(Scn(1351))).unwrap_err();
    assert_eq!(f.code, -4018);
    assert!(f.todo.contains("maximum restorable time is 1350"), "{f}");
    assert!(f.what.contains("d1001r1p4"), "{f}");
}

#[test]
fn a_target_before_the_first_set_is_refused_with_the_oldest_bound() {
    let f = choose(&catalogue(), Target::Scn(Scn(1039))).unwrap_err();
    assert!(f.todo.contains("minimum restorable time is 1040"), "{f}");
}

#[test]
fn a_target_in_a_gap_is_refused_with_both_bounds_and_the_missing_piece() {
    let mut c = catalogue();
    c.pieces.remove(1);
    let f = choose(&c, Target::Scn(Scn(1150))).unwrap_err();
    assert!(f.todo.contains("at most 1099") && f.todo.contains("at least 1230"), "{f}");
    assert!(f.what.contains("the piece after d1001r1p1"), "{f}");
}

#[test]
fn a_broken_piece_ends_the_window() {
    let mut c = catalogue();
    c.pieces[2].file_status = FileStatus::Broken;
    let w = windows(&c);
    assert_eq!((w[0].from, w[0].to), (Scn(1040), Scn(1199)));
    assert!(w[1].is_empty(), "set 2 begins in the broken piece");
}

#[test]
fn rounds_do_not_touch() {
    let c =
        Catalogue { sets: vec![full(1, 1020, 1040)], pieces: vec![piece(1, 1, 1000, 1050), piece(2, 2, 1060, 1159)] };
    assert!(choose(&c, Target::Scn(Scn(1050))).is_ok());
    let f = choose(&c, Target::Scn(Scn(1100))).unwrap_err();
    assert!(f.todo.contains("maximum restorable time is 1050"), "{f}");
}

#[test]
fn an_increment_needs_its_whole_chain() {
    let mut c = catalogue();
    c.sets = vec![full(1, 1020, 1040), inc(2, 1, 1, 1110, 1120), inc(3, 1, 2, 1210, 1220)];
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1300))).unwrap()).0, [1, 2, 3]);
    c.sets[1].status = BackupSetStatus::Failed;
    assert_eq!(ids(&choose(&c, Target::Scn(Scn(1300))).unwrap()).0, [1], "3 hangs on 2");
}

#[test]
fn an_empty_destination_says_so() {
    let f = choose(&Catalogue::default(), Target::Newest).unwrap_err();
    assert!(f.what.contains("no full backup set exists"), "{f}");
    let failed = CatalogueSet { status: BackupSetStatus::Failed, ..full(7, 1, 2) };
    let f = choose(&Catalogue { sets: vec![failed], pieces: vec![] }, Target::Newest).unwrap_err();
    assert!(f.what.contains("no backup set is available") && f.object.contains('7'), "{f}");
}

#[test]
fn a_set_without_log_is_refused() {
    let c = Catalogue { sets: vec![full(1, 1020, 1040)], pieces: vec![] };
    let f = choose(&c, Target::Newest).unwrap_err();
    assert!(f.what.contains("no piece holds SCN 1020"), "{f}");
}

proptest! {
    /// Whatever is missing: a choice touches from the replay start to the target; a refusal's bounds are restorable.
    #[test]
    fn a_choice_is_whole_and_a_refusal_is_right(
        present in prop::collection::vec(any::<bool>(), 6),
        sets in prop::collection::vec((0u64..600, 0u64..80), 0..4),
        target in 1000u64..1700,
    ) {
        let pieces = present.iter().enumerate().filter(|(_, here)| **here);
        let pieces = pieces.map(|(n, _)| piece(1, n as u64 + 1, 1000 + n as u64 * 100, 1099 + n as u64 * 100)).collect();
        let sets = sets.iter().enumerate().map(|(n, (at, len))| full(n as u64 + 1, 1000 + at, 1000 + at + len)).collect();
        let c = Catalogue { sets, pieces };
        match choose(&c, Target::Scn(Scn(target))) {
            Ok(choice) => {
                let set = choice.sets.last().unwrap();
                prop_assert!(set.min_restore_scn <= Scn(target));
                prop_assert!(choice.pieces[0].start_scn <= set.start_replay_scn);
                prop_assert!(choice.pieces.windows(2).all(|w| w[0].end_scn == w[1].start_scn));
                prop_assert!(choice.pieces.iter().any(|p| p.start_scn <= Scn(target) && target < p.end_scn.0));
            }
            Err(f) => {
                prop_assert!(windows(&c).iter().all(|w| !w.holds(Scn(target))));
                for w in windows(&c).iter().filter(|w| !w.is_empty()) {
                    prop_assert!(choose(&c, Target::Scn(w.from)).is_ok() && choose(&c, Target::Scn(w.to)).is_ok());
                    prop_assert!(!f.todo.is_empty());
                }
            }
        }
    }
}
