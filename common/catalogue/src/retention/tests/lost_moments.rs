//! What attacks on earlier versions took away: each is one history, and what must be left of it.

use super::super::losses::newest;
use super::*;

fn after_cleaning(all: &Catalogue, policy: &Policy, now: u64, home: &BTreeSet<PlaceId>) -> Catalogue {
    let plan = plan(all, policy, day(now), home);
    assert_eq!(losses(all, &plan.delete, Some(policy), day(now), home), Vec::new(), "{plan:#?}");
    without(all, &plan.delete)
}

/// A full set of day 1 and an increment each day.
fn a_month(last: u64) -> Catalogue {
    let sets = (1..=last).map(|n| if n == 1 { full(1, 1) } else { inc(n, 1, n - 1, n) }).collect();
    catalogue(sets, last)
}

#[test]
fn an_archive_that_stands_still_keeps_the_newest_moment_and_its_window() {
    // The archive ends on day 28 and a half; a week later no SCN of the window can be restored.
    let all = a_month(28);
    for now in [28, 30, 35, 36, 100, 1000] {
        let left = after_cleaning(&all, &policy(7), now, &home());
        assert_eq!(newest(&left), newest(&all), "on day {now}");
        // The last window is served for ever, by the sets that served it.
        assert!((22..=28).all(|n| restorable(&left).holds(day(n))), "on day {now}");
        assert!(left.sets.iter().any(|s| s.set_id.0 == 28), "on day {now}");
    }
}

#[test]
fn a_set_without_usable_log_does_not_take_the_log_of_others() {
    // Round 1: full 1, increment 2. Round 2: full 3, whose only piece is BROKEN.
    let mut all = catalogue(vec![full(1, 1), inc(2, 1, 1, 3), full(3, 6)], 4);
    let broken = PieceEntry {
        key: PieceKey { round_id: RoundId(2), piece_id: PieceId(5), ..piece(5, 9).key },
        file_status: FileStatus::Broken,
        ..piece(5, 9)
    };
    all.pieces.push(broken);
    let left = after_cleaning(&all, &policy(2), 9, &home());
    assert_eq!(newest(&left), newest(&all));
    assert_eq!(newest(&left).map(|(_, way)| way.1), Some(BackupSetId(2)));
}

#[test]
fn a_verdict_that_may_be_taken_back_is_not_made_final() {
    // Round 1 with full 1, a gap, round 2 with full 2; full 2 is BROKEN for a while, and the window passes.
    let mut all = catalogue(vec![full(1, 1), full(2, 6)], 3);
    all.pieces.extend(
        (5..=8).map(|n| PieceEntry { key: PieceKey { round_id: RoundId(2), ..piece(n, 8).key }, ..piece(n, 8) }),
    );
    let sound = all.clone();
    all.sets[1].file_status = FileStatus::Broken;
    let left = forgiven(&after_cleaning(&all, &policy(3), 30, &home()));
    assert_eq!(newest(&left), newest(&sound));
    let kept = plan(&all, &policy(3), day(30), &home()).keep;
    assert!(kept.iter().any(|i| i.object == Object::Set(BackupSetId(2)) && i.why == KeepWhy::Doubtful), "{kept:#?}");
}

/// Full 1 in the current destination (place 1), full 2 in another place (2); the archive is place 0.
fn with_a_copy_elsewhere() -> (Catalogue, BTreeSet<PlaceId>) {
    let mut all = catalogue(vec![full(1, 1), full(2, 5)], 20);
    all.places.push(all.places[1].clone());
    all.sets[0].place = PlaceId(1);
    all.sets[1].place = PlaceId(2);
    (all, BTreeSet::from([PlaceId(0), PlaceId(1)]))
}

#[test]
fn a_copy_in_another_place_is_no_heir() {
    let (all, home) = with_a_copy_elsewhere();
    let left = after_cleaning(&all, &policy(7), 20, &home);
    assert_eq!(left.sets.len(), 2, "without the other place the current destinations must restore by themselves");
    assert_eq!(newest(&scope::restrict(&left, &home)), newest(&scope::restrict(&all, &home)));
    // And the other place is not cleaned: the policy was not asked for.
    let far = plan(&all, &policy(7), day(400), &home);
    assert!(far.keep.iter().any(|i| i.object == Object::Set(BackupSetId(2)) && i.why == KeepWhy::Elsewhere));
}

#[test]
fn nothing_by_hand_takes_the_only_log_or_the_last_set_of_a_former_destination() {
    // The archive moved from place 0 to place 2, which holds nothing that set 1 could use.
    let mut all = catalogue(vec![SetEntry { place: PlaceId(1), ..full(1, 4) }], 10);
    all.places.push(all.places[0].clone());
    let home = BTreeSet::from([PlaceId(1), PlaceId(2)]);
    let rules = Rules { catalogue: &all, home: &home, policy: None, now: day(11) };
    assert!(matches!(rules.check_all_of(PlaceId(0)), Err(Loss::Newest { left: None, .. })));
    // Data moved to place 2, which is still empty.
    let home = BTreeSet::from([PlaceId(0), PlaceId(2)]);
    let rules = Rules { catalogue: &all, home: &home, policy: None, now: day(11) };
    assert!(matches!(rules.check_all_of(PlaceId(1)), Err(Loss::Newest { left: None, .. })));
    assert!(check_sets(&rules, &[1]).is_err(), "by its id neither");
    // With a set in the new place the old one may go.
    all.sets.push(SetEntry { place: PlaceId(2), ..full(2, 8) });
    let rules = Rules { catalogue: &all, home: &home, policy: None, now: day(11) };
    assert_eq!(rules.check_all_of(PlaceId(1)).map(|items| items.len()), Ok(1));
}

#[test]
fn log_only_with_sets_keeps_the_log_that_they_need() {
    let all = catalogue(vec![full(1, 2)], 20);
    let plan = planned(&all, &Policy { log_only: true, ..policy(3) }, day(20));
    assert_eq!(deleted_pieces(&plan), [0], "set 1 needs log from the end of day 1 on");
}

#[test]
fn the_newest_increment_is_not_dropped_by_hand() {
    let all = catalogue(vec![full(1, 1), inc(2, 1, 1, 5)], 9);
    let home = home();
    let message = check_sets(&rules(&all, &home, None), &[2]).unwrap_err().to_string();
    assert!(message.contains("is restored with backup set 2"), "{message}");
}

#[test]
fn a_period_that_has_increments_only_keeps_the_newest_of_them_with_its_chain() {
    // 1970: February has days 31 to 58. Every increment builds on full 1 alone.
    let sets = (1..=70).map(|n| if n == 1 { full(1, 1) } else { inc(n, 1, 1, n) }).collect();
    let all = catalogue(sets, 70);
    let left = after_cleaning(&all, &Policy { keep_monthly: 2, ..policy(2) }, 70, &home());
    let ids: Vec<u64> = left.sets.iter().map(|s| s.set_id.0).collect();
    assert_eq!(ids, [1, 58, 68, 69, 70]);
    assert!(
        windows(&left).iter().all(|w| w.set_id == BackupSetId(1) || !w.is_empty()),
        "with the log that makes it whole"
    );
}

#[test]
fn nothing_is_kept_needlessly() {
    // The window is served by set 3: what is older goes, log and all, also when the archive stands still.
    let all = catalogue(vec![full(1, 1), full(2, 5), full(3, 9)], 10);
    let plan = planned(&all, &policy(1), day(40));
    assert_eq!(deleted_sets(&plan), [1, 2]);
    assert_eq!(deleted_pieces(&plan), [0, 1, 2, 3, 4, 5, 6, 7]);
    // A set that is kept by count and carries its own log needs none of the archive.
    let mut all = catalogue(vec![full(1, 1), full(2, 20)], 24);
    carry(&mut all, &[true, false]);
    let plan = planned(&all, &Policy { redundancy: 2, ..policy(2) }, day(24));
    assert!(deleted_sets(&plan).is_empty());
    assert_eq!(deleted_pieces(&plan).len(), 19, "only the log of set 2 stays: {plan:#?}");
}
