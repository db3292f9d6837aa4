//! Choice of sets and pieces, by example and against a slow oracle.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use proptest::prelude::*;
use strandline_types::{
    BackupSetId, BackupSetKind, BackupSetStatus, ClusterId, DestId, Failure, FileStatus, PieceId, PieceKey, RoundId,
    Scn, ScnRange, TenantId,
};

fn full(id: u64, replay: u64, min: u64) -> SetEntry {
    SetEntry::full(BackupSetId(id), Scn(replay), Scn(min))
}

fn inc(id: u64, prev_full: u64, prev_inc: u64, replay: u64, min: u64) -> SetEntry {
    SetEntry {
        kind: BackupSetKind::Inc,
        prev_full: BackupSetId(prev_full),
        prev_inc: BackupSetId(prev_inc),
        ..full(id, replay, min)
    }
}

fn refused(catalogue: &Catalogue, target: Target) -> Failure {
    choose(catalogue, target).unwrap_err().into()
}

/// Piece `id` of `round`, 100 SCNs long, with its checkpoint.
fn piece(round: u64, id: u64, start: u64, checkpoint: u64) -> PieceEntry {
    let key = PieceKey { dest_id: DestId(1001), round_id: RoundId(round), piece_id: PieceId(id) };
    let slice = ScnRange { start: Scn(start), end: Scn(start + 100) };
    let file_status = if checkpoint == start { FileStatus::Incomplete } else { FileStatus::Available };
    PieceEntry { file_status, ..PieceEntry::available(PlaceId(0), key, slice, Scn(checkpoint)) }
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
        ..Catalogue::default()
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
fn newest_is_refused_where_archived_log_is_lost_after_it_and_what_is_left_is_named_and_taken() {
    let short = ShortPiece { place: PlaceId(0), key: catalogue().pieces[3].key, published_scn: Scn(1350) };
    let broken = |n: usize| {
        let mut c = catalogue();
        c.pieces[n].file_status = FileStatus::Broken;
        c
    };
    let mut gone = catalogue();
    gone.pieces.remove(2);
    let mut cut = Catalogue { short: vec![short], ..catalogue() };
    cut.pieces[3].checkpoint_scn = Scn(1320);
    let round = |ended| RoundEntry {
        place: PlaceId(0),
        dest_id: DestId(1001),
        round_id: RoundId(1),
        start_scn: Scn(1000),
        ended_at: Some(Scn(ended)),
    };
    let ended = Catalogue { rounds: vec![round(1380)], ..catalogue() };
    for (c, reach, word) in [
        (broken(3), 1299, "d1001r1p4 is BROKEN"),
        (broken(2), 1199, "d1001r1p3 is BROKEN"),
        (gone, 1199, "the piece after d1001r1p2"),
        (cut, 1320, "its published checkpoint is SCN 1350"),
        (ended, 1350, "its published checkpoint is SCN 1380"),
    ] {
        let f = refused(&c, Target::Newest);
        assert!(f.what.contains(word) && f.todo.contains(&format!("UNTIL SCN = {reach} ")), "{f}");
        assert_eq!(choose(&c, Target::Scn(Scn(reach))).unwrap().target_scn, Scn(reach));
    }
    let stopped = Catalogue { rounds: vec![round(1350)], ..catalogue() };
    assert_eq!(
        choose(&stopped, Target::Newest).unwrap().target_scn,
        Scn(1350),
        "a round that was stopped lost nothing"
    );
}

#[test]
fn newest_is_taken_where_the_next_piece_was_not_begun_or_is_being_deleted() {
    let mut c = catalogue();
    c.pieces.pop();
    assert_eq!(choose(&c, Target::Newest).unwrap().target_scn, Scn(1299));
    let mut c = catalogue();
    c.pieces[3].file_status = FileStatus::Deleting;
    assert_eq!(choose(&c, Target::Newest).unwrap().target_scn, Scn(1299));
}

#[test]
fn a_target_after_the_log_is_refused_with_the_newest_bound() {
    let f = refused(&catalogue(), Target::Scn(Scn(1351)));
    assert_eq!(f.code, -4018);
    assert!(f.todo.contains("maximum restorable time is 1350"), "{f}");
    assert!(f.what.contains("d1001r1p4"), "{f}");
}

#[test]
fn a_target_before_the_first_set_is_refused_with_the_oldest_bound() {
    let f = refused(&catalogue(), Target::Scn(Scn(1039)));
    assert!(f.todo.contains("minimum restorable time is 1040"), "{f}");
}

#[test]
fn a_target_in_a_gap_is_refused_with_both_bounds_and_the_missing_piece() {
    let mut c = catalogue();
    c.pieces.remove(1);
    let f = refused(&c, Target::Scn(Scn(1150)));
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
    let c = Catalogue {
        sets: vec![full(1, 1020, 1040)],
        pieces: vec![piece(1, 1, 1000, 1050), piece(2, 2, 1060, 1159)],
        ..Catalogue::default()
    };
    assert!(choose(&c, Target::Scn(Scn(1050))).is_ok());
    let f = refused(&c, Target::Scn(Scn(1100)));
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
    let f = refused(&Catalogue::default(), Target::Newest);
    assert!(f.what.contains("no full backup set exists"), "{f}");
    let failed = SetEntry { status: BackupSetStatus::Failed, ..full(7, 1, 2) };
    let f = refused(&Catalogue { sets: vec![failed], ..Catalogue::default() }, Target::Newest);
    assert!(f.what.contains("no backup set is available") && f.object.contains('7'), "{f}");
}

#[test]
fn a_set_without_log_is_refused() {
    let c = Catalogue { sets: vec![full(1, 1020, 1040)], ..Catalogue::default() };
    let f = refused(&c, Target::Newest);
    assert!(f.what.contains("no piece holds SCN 1020"), "{f}");
}

/// A round with or without its end.
fn round(id: u64, start: u64, ended_at: Option<u64>) -> RoundEntry {
    RoundEntry {
        place: PlaceId(0),
        dest_id: DestId(1001),
        round_id: RoundId(id),
        start_scn: Scn(start),
        ended_at: ended_at.map(Scn),
    }
}

fn place(tenant: u64) -> Place {
    Place {
        uri: format!("file:///t{tenant}"),
        role: Role::Archive,
        owner: Owner { cluster_id: ClusterId(1), tenant_id: TenantId(tenant) },
        cluster_name: String::new(),
        tenant_name: String::new(),
        dest_id: DestId(1001),
        of_set: None,
    }
}

#[test]
fn a_gap_says_whether_its_round_was_stopped_or_interrupted() {
    let mut c = Catalogue {
        sets: vec![full(1, 1020, 1040), full(2, 1165, 1170)],
        pieces: vec![piece(1, 1, 1000, 1050), piece(2, 2, 1160, 1200)],
        rounds: vec![round(1, 1000, None), round(2, 1160, None)],
        ..Catalogue::default()
    };
    let found = restorable(&c);
    assert_eq!(found.intervals, [(Scn(1040), Scn(1050)), (Scn(1170), Scn(1200))]);
    assert_eq!((found.gaps[1].from, found.gaps[1].to), (Scn(1051), Scn(1169)));
    assert_eq!(found.gaps[1].causes, ["round 1 was interrupted in piece d1001r1p1 at SCN 1050"]);
    c.rounds[0].ended_at = Some(Scn(1050));
    assert_eq!(restorable(&c).gaps[1].causes, ["round 1 was stopped in piece d1001r1p1 at SCN 1050"]);
    assert!(restorable(&c).gaps[2].causes[0].contains("the archive ends in piece d1001r2p2"));
}

#[test]
fn an_end_of_the_log_is_final_when_nothing_that_may_come_goes_on_there() {
    let ended = |pieces, rounds| {
        let c = Catalogue { pieces, rounds, ..Catalogue::default() };
        log_cover(&c, None, Scn(1020)).ended_by.is_final(&c)
    };
    let (first, open) = (piece(1, 1, 1000, 1050), round(1, 1000, None));
    assert!(!ended(vec![first], vec![open]), "it may go on");
    assert!(ended(vec![first], vec![round(1, 1000, Some(1050))]), "the round was stopped");
    assert!(ended(vec![first], vec![open, round(2, 1160, None)]), "a newer round began without the log between");
    let whole = piece(1, 1, 1000, 1099);
    assert!(!ended(vec![whole], vec![open]), "its follower may not have begun");
    assert!(ended(vec![whole, piece(1, 3, 1200, 1250)], vec![open]), "its follower is gone");
    assert!(ended(vec![piece(1, 3, 1200, 1250)], vec![open]), "the log that is needed is not there");
}

#[test]
fn a_second_archive_bridges_the_gap_of_the_first() {
    let mut c = catalogue();
    c.pieces.remove(1);
    let bridge = PieceEntry {
        place: PlaceId(1),
        key: PieceKey { dest_id: DestId(1002), round_id: RoundId(7), piece_id: PieceId(9) },
        end_scn: Scn(1400),
        ..piece(7, 9, 1090, 1250)
    };
    c.pieces.push(bridge);
    let choice = choose(&c, Target::Scn(Scn(1229))).unwrap();
    let keys: Vec<_> = choice.pieces.iter().map(|p| p.key.piece_id.0).collect();
    assert_eq!(keys, [1, 9, 3], "piece 9 holds the target, piece 3 may hold its last groups");
    assert_eq!(restorable(&c).intervals, [(Scn(1040), Scn(1350))]);
}

#[test]
fn log_of_another_tenant_restores_nothing() {
    let mut c = catalogue();
    c.places = vec![place(1002), place(1003)];
    for p in &mut c.pieces {
        p.place = PlaceId(1);
    }
    assert!(restorable(&c).intervals.is_empty());
    assert!(refused(&c, Target::Newest).what.contains("no piece holds SCN"));
}

#[test]
fn a_gap_names_the_sets_that_cannot_be_used_in_it() {
    let mut c = catalogue();
    c.sets[0].file_status = FileStatus::Broken;
    let gap = &restorable(&c).gaps[0];
    assert_eq!((gap.from, gap.to), (Scn::MIN, Scn(1229)));
    assert!(gap.causes.iter().any(|why| why.contains("backup set 1 cannot be used: it is SUCCESS and BROKEN")));
}

#[test]
fn what_was_absorbed_keeps_its_place() {
    let mut a = Catalogue { places: vec![place(1002)], ..catalogue() };
    a.absorb(Catalogue { places: vec![place(1003)], ..catalogue() });
    assert_eq!(a.pieces[4].place, PlaceId(1));
    assert_eq!(a.owner(a.sets[2].place), Some(place(1003).owner));
}

proptest! {
    /// Whatever pieces there are, of whatever rounds: the union says exactly what `choose` can do, SCN by SCN, and
    /// every SCN is either restorable or in exactly one gap that has a cause.
    #[test]
    fn the_union_of_windows_is_what_can_be_chosen(
        pieces in prop::collection::vec((1u64..4, 0u64..6, 0u64..100, 0u8..8), 0..10),
        sets in prop::collection::vec((0u64..60, 0u64..8, 0u8..5), 0..5),
    ) {
        let mut c = Catalogue::default();
        for (round_id, id, checkpoint, state) in pieces {
            let start = 1000 + id * 10 + round_id * 3;
            let mut p = piece(round_id, id, start, start + checkpoint % 10);
            p.end_scn = Scn(start + 10);
            p.file_status = if state == 0 { FileStatus::Broken } else { FileStatus::Available };
            if c.pieces.iter().all(|q| q.key != p.key) {
                c.pieces.push(p);
            }
        }
        for (n, (at, length, state)) in sets.into_iter().enumerate() {
            let mut set = full(n as u64 + 1, 1000 + at, 1000 + at + length);
            if state == 0 {
                set.status = BackupSetStatus::Failed;
            }
            c.sets.push(set);
        }
        let found = restorable(&c);
        for scn in (990..1090).map(Scn) {
            prop_assert_eq!(found.holds(scn), choose(&c, Target::Scn(scn)).is_ok(), "{}", scn);
            let gaps = found.gaps.iter().filter(|g| g.from <= scn && scn <= g.to);
            prop_assert_eq!(gaps.clone().count(), usize::from(!found.holds(scn)), "{}", scn);
            prop_assert!(gaps.clone().all(|g| !g.causes.is_empty()));
        }
        for (from, to) in &found.intervals {
            for scn in [from, to] {
                let choice = choose(&c, Target::Scn(*scn)).unwrap();
                prop_assert!(covers_all(&choice, choice.sets[0].start_replay_scn, *scn), "{:?}", choice);
            }
        }
    }
}

/// Every SCN of `[from, to]` lies in a readable piece of the choice, at or below its checkpoint.
fn covers_all(choice: &Choice, from: Scn, to: Scn) -> bool {
    (from.0..=to.0)
        .map(Scn)
        .all(|scn| choice.pieces.iter().any(|p| p.is_readable() && p.start_scn <= scn && scn <= p.checkpoint_scn))
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
        let c = Catalogue { sets, pieces, ..Catalogue::default() };
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
                let f = Failure::from(f);
                for w in windows(&c).iter().filter(|w| !w.is_empty()) {
                    prop_assert!(choose(&c, Target::Scn(w.from)).is_ok() && choose(&c, Target::Scn(w.to)).is_ok());
                    prop_assert!(!f.todo.is_empty());
                }
            }
        }
    }
}
