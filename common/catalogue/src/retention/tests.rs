//! Retention by example, and against the windows that restores go by.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::window::restorable;
use crate::{Owner, Place, Role};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use strandline_types::{BackupSetKind, DestId, PieceId, PieceKey, RoundId, ScnRange};

const DAY: u64 = 86_400_000_000_000;

fn day(n: u64) -> Scn {
    Scn(n * DAY)
}

fn policy(days: u64) -> Policy {
    Policy { window_ns: days * DAY, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only: false }
}

/// A full set of day `n`: its log begins an hour before.
fn full(id: u64, n: u64) -> SetEntry {
    SetEntry::full(BackupSetId(id), Scn(n * DAY - DAY / 24), day(n))
}

fn inc(id: u64, prev_full: u64, prev_inc: u64, n: u64) -> SetEntry {
    let prev = (BackupSetId(prev_full), BackupSetId(prev_inc));
    SetEntry { kind: BackupSetKind::Inc, prev_full: prev.0, prev_inc: prev.1, ..full(id, n) }
}

fn key(round: u64, id: u64) -> PieceKey {
    PieceKey { dest_id: DestId(1001), round_id: RoundId(round), piece_id: PieceId(id) }
}

/// Piece `id` holds day `id`.
fn piece(id: u64, last: u64) -> PieceEntry {
    let checkpoint = if id == last { Scn(day(id).0 + DAY / 2) } else { day(id + 1).prev() };
    PieceEntry::available(PlaceId(0), key(1, id), ScnRange { start: day(id), end: day(id + 1) }, checkpoint)
}

fn catalogue(sets: Vec<SetEntry>, last: u64) -> Catalogue {
    let place = |role| Place {
        uri: "file:///x".to_owned(),
        role,
        owner: Owner::default(),
        cluster_name: String::new(),
        tenant_name: String::new(),
        dest_id: DestId(1001),
        of_set: None,
    };
    Catalogue {
        places: vec![place(Role::Archive), place(Role::Backup)],
        sets,
        pieces: (0..=last).map(|id| piece(id, last)).collect(),
        rounds: Vec::new(),
        short: Vec::new(),
    }
}

/// Every place is current.
fn home() -> BTreeSet<PlaceId> {
    (0..64).map(PlaceId).collect()
}

fn planned(all: &Catalogue, policy: &Policy, now: Scn) -> CleanPlan {
    plan(all, policy, now, &home())
}

fn rules<'a>(all: &'a Catalogue, home: &'a BTreeSet<PlaceId>, policy: Option<&'a Policy>) -> Rules<'a> {
    Rules { catalogue: all, home, policy, now: day(15) }
}

fn deleted_sets(plan: &CleanPlan) -> Vec<u64> {
    plan.delete.iter().filter_map(|i| if let Object::Set(id) = i.object { Some(id.0) } else { None }).collect()
}

fn deleted_pieces(plan: &CleanPlan) -> Vec<u64> {
    let id = |i: &Item<DeleteWhy>| if let Object::Piece(key) = i.object { Some(key.piece_id.0) } else { None };
    plan.delete.iter().filter_map(id).collect()
}

#[test]
fn the_newest_set_before_the_window_stays_and_what_is_older_goes() {
    // The original's own example: fulls on day 1, 4, 7, 11, 14, a window back to day 8.
    let all = catalogue([1, 4, 7, 11, 14].into_iter().map(|n| full(n, n)).collect(), 15);
    let plan = planned(&all, &policy(7), day(15));
    assert_eq!(deleted_sets(&plan), [1, 4]);
    assert_eq!(deleted_pieces(&plan), [0, 1, 2, 3, 4, 5], "day 6 holds the beginning of the log of the set of day 7");
    let why = |id| plan.keep.iter().find(|i| i.object == Object::Set(BackupSetId(id))).map(|i| i.why.clone());
    assert_eq!(why(7), Some(KeepWhy::Anchor { scn: day(8) }));
    assert_eq!(why(11), Some(KeepWhy::InWindow));
}

#[test]
fn a_kept_increment_keeps_its_chain() {
    let sets = vec![full(1, 1), inc(2, 1, 1, 3), inc(3, 1, 2, 6), full(4, 9)];
    let plan = planned(&catalogue(sets, 10), &policy(3), day(10));
    assert!(deleted_sets(&plan).is_empty(), "set 3 serves day 7 and 8 and needs 1 and 2");
    assert_eq!(deleted_pieces(&plan), [0, 1, 2, 3, 4], "the chain's own log is not needed");
}

#[test]
fn without_a_usable_full_set_only_failed_ones_go() {
    let broken = SetEntry { file_status: FileStatus::Broken, ..full(1, 1) };
    let failed = SetEntry { status: BackupSetStatus::Failed, file_status: FileStatus::Incomplete, ..full(2, 2) };
    let plan = planned(&catalogue(vec![broken, failed], 10), &policy(3), day(10));
    assert_eq!((deleted_sets(&plan), deleted_pieces(&plan)), (vec![2], vec![]));
}

#[test]
fn no_window_means_that_nothing_expires() {
    let plan = planned(&catalogue(vec![full(1, 1), full(2, 5)], 10), &policy(0), day(10));
    assert!(plan.delete.is_empty());
    assert!(plan.keep.iter().any(|i| i.why == KeepWhy::NoWindow));
}

#[test]
fn redundancy_and_periods_keep_sets_with_the_log_that_makes_them_whole() {
    let all = catalogue((1..40).map(|n| full(n, n)).collect(), 40);
    let kept = |policy: &Policy| {
        let plan = planned(&all, policy, day(40));
        let mut after = all.clone();
        remove(&mut after, &plan.delete);
        let windows = windows(&after);
        assert!(windows.iter().all(|w| !w.is_empty()), "a kept set that cannot be restored is no set: {windows:?}");
        (after.sets.iter().map(|s| s.set_id.0).collect::<Vec<_>>(), after.pieces.len())
    };
    assert_eq!(kept(&policy(2)).0, [38, 39]);
    assert_eq!(kept(&Policy { redundancy: 4, ..policy(2) }).0, [36, 37, 38, 39]);
    // 1970-01-01 was a Thursday: weeks end on day 3, 10, 17, 24, 31, 38; January on day 30.
    let (weekly, pieces) = kept(&Policy { keep_weekly: 4, ..policy(2) });
    assert_eq!(weekly, [24, 31, 38, 39]);
    assert!(pieces < 12, "the days between are not kept: {pieces} pieces");
    assert_eq!(kept(&Policy { keep_monthly: 2, ..policy(2) }).0, [30, 38, 39]);
    assert_eq!(kept(&Policy { keep_yearly: 1, ..policy(2) }).0, [38, 39]);
}

#[test]
fn log_only_goes_by_the_window_alone() {
    let all = catalogue(Vec::new(), 10);
    let plan = planned(&all, &Policy { log_only: true, ..policy(3) }, day(10));
    assert_eq!(deleted_pieces(&plan), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_set_by_hand_names_what_stands_in_its_way() {
    let all = catalogue(vec![full(1, 1), inc(2, 1, 1, 3), full(3, 5)], 10);
    let (home, none, policy) = (home(), BTreeSet::new(), policy(3));
    let message = |ids: &[u64], policy| check_sets(&rules(&all, &home, policy), ids).unwrap_err().to_string();
    assert!(message(&[9], None).contains("id=9, there is no such"));
    assert!(message(&[1], None).contains("(related id=2)"));
    assert!(message(&[3, 1, 2], None).contains("nothing could be restored any more"));
    assert!(message(&[3], None).contains("is restored with backup set 3"), "{}", message(&[3], None));
    assert!(message(&[1, 2], Some(&policy)).contains("policy"));
    assert_eq!(check_sets(&rules(&all, &home, None), &[1, 2]).unwrap().len(), 2);
    // An old path may be emptied only while something else restores the newest moment.
    let message = check_sets(&rules(&all, &none, Some(&policy)), &[1, 2, 3]).unwrap_err().to_string();
    assert!(message.contains("nothing could be restored any more"), "{message}");
}

#[test]
fn pieces_by_hand_go_from_the_oldest_on_and_never_under_a_set() {
    let all = catalogue(vec![full(1, 4)], 10);
    let (home, policy) = (BTreeSet::from([PlaceId(0)]), policy(3));
    let message = |ids: &[u64], policy| check_pieces(&rules(&all, &home, policy), ids, None).unwrap_err().to_string();
    assert!(message(&[10], None).contains("still being written"));
    assert!(message(&[1], None).contains("(related id=0)"));
    assert!(message(&[0, 1, 2, 3], None).contains("needs its log (related id=1)"));
    assert!(message(&[0], Some(&policy)).contains("policy"));
    assert_eq!(check_pieces(&rules(&all, &home, None), &[0, 1, 2], None).unwrap().len(), 3);
}

#[test]
fn a_piece_id_of_two_destinations_names_neither_until_one_is_said() {
    let mut all = catalogue(vec![full(1, 4)], 6);
    all.pieces.push(PieceEntry {
        place: PlaceId(1),
        key: PieceKey { dest_id: DestId(1007), round_id: RoundId(2), piece_id: PieceId(0) },
        ..piece(0, 6)
    });
    let home = home();
    let message = check_pieces(&rules(&all, &home, None), &[0], None).unwrap_err().to_string();
    assert!(message.contains("say which destination"), "{message}");
    assert_eq!(check_pieces(&rules(&all, &home, None), &[0], Some(PlaceId(1))).unwrap()[0].place, PlaceId(1));
}

/// Makes some sets carry their log: each in a place of its own.
fn carry(catalogue: &mut Catalogue, which: &[bool]) {
    let sets: Vec<SetEntry> = catalogue.sets.clone();
    for (set, _) in sets.iter().zip(which.iter().cycle()).filter(|(_, carries)| **carries) {
        let place = PlaceId(catalogue.places.len() as u32);
        let home = catalogue.places[1].clone();
        catalogue.places.push(Place { role: Role::ComplementLog, of_set: Some(set.set_id), ..home });
        let slice = ScnRange { start: set.start_replay_scn, end: set.min_restore_scn.next() };
        let whole = PieceEntry::available(place, key(1, set.set_id.0), slice, set.min_restore_scn);
        catalogue.pieces.push(PieceEntry { file_status: set.file_status, ..whole });
    }
}

#[test]
fn log_that_a_set_carries_is_counted_and_goes_only_with_its_set() {
    // Day 0 to 5 of the archive are gone; sets 1 and 2 carry their log, and 1 reaches as far as 2 through it.
    let mut all = catalogue(vec![full(1, 3), SetEntry { start_replay_scn: day(3), ..full(2, 5) }, full(3, 9)], 10);
    all.pieces.retain(|p| p.key.piece_id.0 > 5);
    carry(&mut all, &[true, true, false]);
    let held = restorable(&all);
    assert!(held.holds(day(3)) && held.holds(day(4)) && held.holds(day(5)), "{held:?}");
    let policy = policy(6);
    let kept = planned(&all, &policy, day(10));
    let named = |plan: &CleanPlan| plan.keep.len() + plan.delete.len();
    assert_eq!(named(&kept), all.sets.len() + 5, "carried log is no object of its own");
    let why = |id| kept.keep.iter().find(|i| i.object == Object::Set(BackupSetId(id))).map(|i| i.why.clone());
    assert_eq!(why(1), Some(KeepWhy::Anchor { scn: day(4) }));
    assert_eq!(why(2), Some(KeepWhy::InWindow));
    let later = planned(&all, &super::tests::policy(4), day(10));
    assert!(deleted_sets(&later).contains(&1), "{later:#?}");
}

fn remove<W>(catalogue: &mut Catalogue, items: &[Item<W>]) {
    *catalogue = without(catalogue, items);
}

prop_compose! {
    /// Fulls and increments with chains that are mostly right, some broken, failed or still written.
    fn any_sets()(raw in prop::collection::vec((0u64..60, 0u64..4, 0u8..12, any::<prop::sample::Index>()), 0..12)) -> Vec<SetEntry> {
        let mut sets: Vec<SetEntry> = Vec::new();
        let mut at = 0;
        for (n, (step, replay, kind, base)) in raw.into_iter().enumerate() {
            at += step * DAY / 8;
            let id = n as u64 + 1;
            let mut set = SetEntry::full(BackupSetId(id), Scn(at.saturating_sub(replay * DAY / 6)), Scn(at));
            if kind < 5 && !sets.is_empty() {
                let base = base.get(&sets);
                let prev_full = if base.kind == BackupSetKind::Full { base.set_id } else { base.prev_full };
                set = SetEntry { kind: BackupSetKind::Inc, prev_full, prev_inc: base.set_id, ..set };
            }
            match kind {
                5 => set.file_status = FileStatus::Broken,
                6 => { set.status = BackupSetStatus::Failed; set.file_status = FileStatus::Incomplete; }
                7 => { set.status = BackupSetStatus::Doing; set.file_status = FileStatus::Incomplete; }
                8 => set.file_status = FileStatus::Deleting,
                _ => {}
            }
            sets.push(set);
        }
        sets
    }
}

prop_compose! {
    /// Rounds of pieces of different lengths with gaps, interruptions and broken pieces, in one or two destinations.
    fn any_pieces()(raw in prop::collection::vec((1u64..4, 1usize..8, 0u64..3, 0u8..8, 0u32..2), 1..5)) -> Vec<PieceEntry> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for (n, (length, count, gap, oddity, place)) in raw.into_iter().enumerate() {
            start += gap * DAY / 2;
            for i in 0..count as u64 {
                let slice = ScnRange { start: Scn(start), end: Scn(start + length * DAY) };
                let is_last = i + 1 == count as u64;
                let checkpoint = if is_last { Scn(start + length * DAY / 2) } else { slice.end.prev() };
                let key = PieceKey { dest_id: DestId(1001 + u64::from(place)), ..key(n as u64 + 1, i + 1) };
                let file_status = if oddity == 1 && i == 1 { FileStatus::Broken } else { FileStatus::Available };
                let available = PieceEntry::available(PlaceId(place), key, slice, checkpoint);
                pieces.push(PieceEntry { file_status, ..available });
                start = slice.end.0;
            }
            start -= length * DAY / 2;
        }
        pieces
    }
}

prop_compose! {
    fn any_policy()(days in 0u64..40, redundancy in 0u32..4, weekly in 0u32..4, monthly in 0u32..3, yearly in 0u32..2) -> Policy {
        Policy { window_ns: days * DAY, redundancy, keep_weekly: weekly, keep_monthly: monthly, keep_yearly: yearly, log_only: false }
    }
}

/// SCNs at which something begins or ends, and their neighbours.
fn probes(catalogue: &Catalogue, expire: Scn) -> BTreeSet<Scn> {
    let of_sets = catalogue.sets.iter().flat_map(|s| [s.start_replay_scn, s.min_restore_scn]);
    let of_pieces = catalogue.pieces.iter().flat_map(|p| [p.start_scn, p.checkpoint_scn, p.end_scn]);
    let all = of_sets.chain(of_pieces).chain([expire]);
    all.flat_map(|s| [s.prev(), s, s.next(), Scn(s.0 + DAY / 4)]).filter(|s| *s >= expire).collect()
}

/// The first SCN of the window, derived anew: from the present, or from the newest SCN that can be restored, if a BROKEN
/// verdict were taken back where nothing else can.
fn floor_of(all: &Catalogue, policy: &Policy, now: Scn) -> Scn {
    let newest = |all: &Catalogue| restorable(all).intervals.last().map(|(_, to)| *to);
    let reach = newest(all).or_else(|| newest(&forgiven(all))).unwrap_or(Scn::MAX);
    Scn(if policy.window_ns == 0 { 0 } else { now.0.min(reach.0).saturating_sub(policy.window_ns) })
}

fn forgiven(all: &Catalogue) -> Catalogue {
    let mut all = all.clone();
    all.sets
        .iter_mut()
        .filter(|s| s.file_status == FileStatus::Broken)
        .for_each(|s| s.file_status = FileStatus::Available);
    all.pieces
        .iter_mut()
        .filter(|p| p.file_status == FileStatus::Broken)
        .for_each(|p| p.file_status = FileStatus::Available);
    all
}

/// Whether what a plan says of an object that stays is so.
fn is_true(all: &Catalogue, policy: &Policy, now: Scn, plan: &CleanPlan, item: &Item<KeepWhy>) -> bool {
    let expire = floor_of(all, policy, now);
    let whole = forgiven(all);
    let set_of = |id: BackupSetId| all.sets.iter().find(|s| s.set_id == id);
    let stays = |id: BackupSetId| plan.keep.iter().any(|i| i.object == Object::Set(id));
    let (set, piece) = match item.object {
        Object::Set(id) => (set_of(id), None),
        Object::Piece(key) => (None, all.pieces.iter().find(|p| p.key == key && p.place == item.place)),
    };
    match &item.why {
        KeepWhy::InWindow => set.is_some_and(|s| s.min_restore_scn > expire),
        KeepWhy::NoWindow => policy.window_ns == 0,
        KeepWhy::BeingWritten => {
            set.is_some_and(|s| s.status == BackupSetStatus::Doing)
                || piece.is_some_and(|p| p.status == PieceStatus::Active)
        }
        KeepWhy::NothingElse => windows(&whole).iter().all(crate::Window::is_empty),
        KeepWhy::NothingRestorable => windows(all).iter().all(crate::Window::is_empty),
        KeepWhy::Elsewhere => false,
        KeepWhy::Doubtful => set.is_some_and(|s| {
            let Some(window) = windows(&whole).into_iter().find(|w| w.set_id == s.set_id) else { return false };
            let now = restorable(all);
            let mut probes = now.intervals.iter().map(|(_, to)| to.next()).chain([window.from.max(expire)]);
            let serves_more = probes.any(|scn| window.holds(scn) && scn >= expire && !now.holds(scn));
            let newest = now.intervals.last().map(|(_, to)| *to);
            let is_shorter =
                |scn| !windows(all).iter().any(|w| w.holds(scn) && (w.from, w.set_id) >= (window.from, s.set_id));
            serves_more || newest.is_some_and(|scn| window.holds(scn) && is_shorter(scn))
        }),
        KeepWhy::LogOnly => policy.log_only,
        KeepWhy::Anchor { scn } => {
            let window = set.map(|s| crate::window::window_of(all, s).0);
            window.is_some_and(|w| w.holds(*scn) && *scn >= expire)
        }
        KeepWhy::ChainOf { set: inc } => {
            let builds = |s: &SetEntry| set.is_some_and(|b| [s.prev_full, s.prev_inc].contains(&b.set_id));
            stays(*inc) && set_of(*inc).is_some_and(builds)
        }
        KeepWhy::LogFor { set: other } => stays(*other),
        KeepWhy::Redundancy { copies } => set.is_some_and(|s| s.kind == BackupSetKind::Full) && *copies >= 1,
        KeepWhy::Period { .. } => policy.keep_weekly + policy.keep_monthly + policy.keep_yearly > 0 && set.is_some(),
        KeepWhy::LogFrom { scn } => {
            // Somebody who stays needs log from there on, and the piece does not end before.
            let needs = |i: &Item<KeepWhy>| match i.object {
                Object::Set(id) => is_needed(&i.why) && set_of(id).is_some_and(|s| s.start_replay_scn == *scn),
                Object::Piece(_) => false,
            };
            plan.keep.iter().any(needs) && piece.is_some_and(|p| p.end_scn > *scn)
        }
        KeepWhy::LogOf { set: other } => stays(*other) && piece.is_some(),
    }
}

/// Reasons of sets that something is restored with.
fn is_needed(why: &KeepWhy) -> bool {
    matches!(
        why,
        KeepWhy::InWindow
            | KeepWhy::NoWindow
            | KeepWhy::Anchor { .. }
            | KeepWhy::ChainOf { .. }
            | KeepWhy::LogFor { .. }
            | KeepWhy::Redundancy { .. }
            | KeepWhy::Period { .. }
            | KeepWhy::Doubtful
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn nothing_that_could_go_stays_without_a_stated_reason(
        sets in any_sets(),
        pieces in any_pieces(),
        policy in any_policy(),
        now_days in 0u64..80,
        carries in prop::collection::vec(prop::bool::weighted(0.3), 12),
    ) {
        let mut all = Catalogue { sets, pieces, ..catalogue(Vec::new(), 0) };
        carry(&mut all, &carries);
        let now = day(now_days);
        let plan = planned(&all, &policy, now);
        for item in &plan.keep {
            prop_assert!(is_true(&all, &policy, now, &plan, item), "{item:#?} of {plan:#?}");
        }
        // A second cleaning after the first finds nothing more: everything went that was announced.
        let mut after = all.clone();
        remove(&mut after, &plan.delete);
        let again = planned(&after, &policy, now);
        prop_assert!(again.delete.is_empty(), "{again:#?}");
    }

    #[test]
    fn what_could_be_restored_in_the_window_still_can(
        sets in any_sets(),
        pieces in any_pieces(),
        policy in any_policy(),
        now_days in 0u64..80,
        cut in prop::collection::vec(any::<bool>(), 64),
        carries in prop::collection::vec(prop::bool::weighted(0.3), 12),
    ) {
        let mut before = Catalogue { sets, pieces, ..catalogue(Vec::new(), 0) };
        carry(&mut before, &carries);
        let now = day(now_days);
        let plan = planned(&before, &policy, now);
        let expire = Scn(if policy.window_ns == 0 { 0 } else { now.0.saturating_sub(policy.window_ns) });

        // Everything stands in the plan exactly once.
        let named: Vec<_> = plan.delete.iter().map(|i| (i.place, i.object)).chain(plan.keep.iter().map(|i| (i.place, i.object))).collect();
        let unique: BTreeSet<_> = named.iter().copied().collect();
        prop_assert_eq!(unique.len(), named.len());
        let own = before.pieces.iter().filter(|p| !before.is_carried(p)).count();
        prop_assert_eq!(named.len(), before.sets.len() + own);

        // The whole plan, and any part of it: a cleaning may be cut off anywhere.
        let part: Vec<_> = plan.delete.iter().zip(cut.iter().cycle()).filter(|(_, c)| **c).map(|(i, _)| i.clone()).collect();
        for delete in [&plan.delete, &part] {
            let mut after = before.clone();
            remove(&mut after, delete);
            let (was, is) = (restorable(&before), restorable(&after));
            for scn in probes(&before, expire) {
                prop_assert!(!was.holds(scn) || is.holds(scn), "SCN {scn} is lost by {delete:#?}");
            }
            prop_assert_eq!(losses(&before, delete, Some(&policy), now, &home()), Vec::new());
            let has_full = |c: &Catalogue| {
                usable_sets(c).iter().zip(windows(c)).any(|(s, w)| s.kind == BackupSetKind::Full && !w.is_empty())
            };
            prop_assert!(!has_full(&before) || has_full(&after), "no usable full set stays: {delete:#?}");
        }
    }
}

mod histories;
mod lost_moments;
