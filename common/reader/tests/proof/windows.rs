//! From the objects of destinations to what can be restored: tables of sets, rounds and losses, exactly at the borders, and
//! a model that says for each second whether it can be restored.

use crate::support::archive::{Archive, Round, at, key};
use crate::support::backup::{Backup, Set};
use crate::support::look::{scan_of_all, wrong_cases};
use crate::support::tree::Tree;
use proptest::prelude::*;
use std::collections::BTreeSet;
use strandline_catalogue::{Catalogue, LogEnd, Refusal, Target, choose, restorable, windows};
use strandline_types::{BackupSetId, FileStatus, PieceKey, Scn};

/// What it is, sets, rounds, and the intervals that can be restored, both ends inclusive.
type Case = (&'static str, Vec<Set>, Vec<Round>, Vec<(u64, u64)>);

async fn catalogue_of(backup: &Tree, archive: &Tree) -> Catalogue {
    scan_of_all(&[backup.clone(), archive.clone()]).await.catalogue
}

async fn intervals(backup: &Tree, archive: &Tree) -> Vec<(Scn, Scn)> {
    restorable(&catalogue_of(backup, archive).await).intervals
}

fn seconds(intervals: &[(u64, u64)]) -> Vec<(Scn, Scn)> {
    intervals.iter().map(|(from, to)| (at(*from), at(*to))).collect()
}

#[tokio::test]
async fn a_set_and_the_log_from_its_replay_start_on_make_a_window() {
    let stopped = |id, base, start, end| Round::stopped(id, base, start, end);
    let cases: Vec<Case> = vec![
        ("one set", vec![Set::full(1, 2, 4)], vec![Round::open(1, 1, 0, 25)], vec![(4, 25)]),
        ("no archive", vec![Set::full(1, 2, 4)], vec![], vec![]),
        ("no set", vec![], vec![Round::open(1, 1, 0, 25)], vec![]),
        ("replay begins with the round", vec![Set::full(1, 3, 4)], vec![Round::open(1, 1, 3, 25)], vec![(4, 25)]),
        ("the round began after it", vec![Set::full(1, 2, 4)], vec![Round::open(1, 1, 3, 25)], vec![]),
        ("replay begins with a piece", vec![Set::full(1, 10, 12)], vec![Round::open(1, 1, 0, 25)], vec![(12, 25)]),
        ("the log is not there yet", vec![Set::full(1, 2, 26)], vec![Round::open(1, 1, 0, 25)], vec![]),
        ("the log is just there", vec![Set::full(1, 2, 25)], vec![Round::open(1, 1, 0, 25)], vec![(25, 25)]),
        (
            "rounds that touch",
            vec![Set::full(1, 2, 4)],
            vec![stopped(1, 1, 0, 14), Round::open(2, 3, 14, 33)],
            vec![(4, 33)],
        ),
        (
            "rounds that overlap",
            vec![Set::full(1, 2, 4)],
            vec![stopped(1, 1, 0, 14), Round::open(2, 3, 11, 33)],
            vec![(4, 33)],
        ),
        (
            "a second between two rounds",
            vec![Set::full(1, 2, 4), Set::full(2, 16, 18)],
            vec![stopped(1, 1, 0, 14), Round::open(2, 3, 15, 33)],
            vec![(4, 14), (18, 33)],
        ),
        (
            "a set whose log crosses the hole",
            vec![Set::full(1, 2, 4), Set::full(2, 13, 18)],
            vec![stopped(1, 1, 0, 14), Round::open(2, 3, 15, 33)],
            vec![(4, 14)],
        ),
        (
            "increments on their base",
            vec![Set::full(1, 2, 4), Set::inc(2, 1, 8, 9), Set::inc(3, 2, 14, 16)],
            vec![Round::open(1, 1, 5, 25)],
            vec![(9, 25)],
        ),
    ];
    let wrong = wrong_cases(cases, |(what, sets, rounds, expected)| async move {
        let found = intervals(&Backup::of(sets).tree(), &Archive::of(rounds).tree()).await;
        if found == seconds(&expected) { Ok(()) } else { Err(format!("{what}: {found:?}")) }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_increment_is_good_for_nothing_without_each_set_before_it() {
    let archive = Archive::of([Round::open(1, 1, 0, 25)]).tree();
    let backup = Backup::chain().tree();
    for (missing, usable) in [(1, vec![]), (2, vec![1]), (3, vec![1, 2])] {
        let end = backup.paths(&format!("backup_sets/backup_set_{missing}_")).into_iter().find(|p| p.contains("_end_"));
        let catalogue = catalogue_of(&backup.without(&end.unwrap()), &archive).await;
        let ids: Vec<u64> = windows(&catalogue).iter().map(|w| w.set_id.0).collect();
        assert_eq!(ids, usable, "without set {missing}");
        assert_eq!(choose(&catalogue, Target::Newest).is_ok(), !usable.is_empty());
    }
}

#[tokio::test]
async fn a_window_is_closed_and_its_choice_reads_one_piece_beyond_the_target() {
    let archive = Archive::of([Round::open(1, 1, 0, 35)]).tree();
    let catalogue = catalogue_of(&Backup::of([Set::full(1, 2, 4)]).tree(), &archive).await;
    let pieces =
        |scn| choose(&catalogue, Target::Scn(scn)).map(|c| c.pieces.iter().map(|p| p.key.piece_id.0).collect());
    assert_eq!(pieces(at(4)), Ok(vec![1, 2]));
    assert_eq!(pieces(at(10).prev()), Ok(vec![1, 2]), "the last SCN of a piece");
    assert_eq!(pieces(at(10)), Ok(vec![1, 2, 3]), "the first one of the next");
    assert_eq!(pieces(at(35)), Ok(vec![1, 2, 3, 4]));
    for (scn, below, above) in [(at(4).prev(), None, Some(at(4))), (at(35).next(), Some(at(35)), None)] {
        let refused: Result<Vec<u64>, Refusal> = pieces(scn);
        let Err(Refusal::OutOfReach { target, below: b, above: a, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!((target, b, a), (scn, below, above));
    }
    assert_eq!(choose(&catalogue, Target::Newest).unwrap().target_scn, at(35));
}

#[tokio::test]
async fn the_newest_set_that_can_do_it_is_taken_with_its_whole_chain() {
    let archive = Archive::usual().tree();
    let catalogue = catalogue_of(&Backup::chain().tree(), &archive).await;
    for (target, chain) in [(4, vec![1]), (8, vec![1]), (9, vec![1, 2]), (15, vec![1, 2]), (16, vec![1, 2, 3])] {
        let choice = choose(&catalogue, Target::Scn(at(target))).unwrap();
        let ids: Vec<u64> = choice.sets.iter().map(|s| s.set_id.0).collect();
        assert_eq!(ids, chain, "second {target}");
    }
}

#[tokio::test]
async fn what_ends_a_window_is_said_with_the_piece() {
    let usual = Archive::of([Round::open(1, 1, 0, 35)]).tree();
    let backup = Backup::of([Set::full(1, 2, 4)]).tree();
    let infos = usual.path("d1001r1p4/tenant_archive_piece_infos");
    let lost: fn(PieceKey) -> LogEnd = |piece| LogEnd::Unusable { piece, file_status: FileStatus::Broken };
    let stopped = Archive::of([Round::stopped(1, 1, 0, 14)]).tree();
    let interrupted = Archive::of([Round::open(1, 1, 0, 14), Round::open(2, 3, 15, 33)]).tree();
    let newest = |piece, checkpoint| LogEnd::Newest { piece, checkpoint_scn: at(checkpoint) };
    let cases = [
        ("it goes on", usual.clone(), at(35), newest(key(1, 4), 35)),
        ("no piece 3", usual.without_all("piece_d1001r1p3"), at(20).prev(), LogEnd::MissingPiece { after: key(1, 2) }),
        ("nothing of piece 3", usual.without_all("piece_d1001r1p3/"), at(20).prev(), lost(key(1, 3))),
        ("piece 4 is broken", usual.with(&infos, vec![0; 60]), at(30).prev(), lost(key(1, 4))),
        ("stopped", stopped, at(14), LogEnd::RoundStopped { piece: key(1, 2), checkpoint_scn: at(14) }),
        ("interrupted", interrupted, at(14), LogEnd::RoundInterrupted { piece: key(1, 2), checkpoint_scn: at(14) }),
        ("nothing", Archive::of([]).tree(), Scn::MIN, LogEnd::NoPiece { scn: at(2) }),
    ];
    for (what, archive, to, ended_by) in cases {
        let window = windows(&catalogue_of(&backup, &archive).await).remove(0);
        assert_eq!((window.set_id, window.from), (BackupSetId(1), at(4)));
        assert_eq!((window.to, window.ended_by), (to, ended_by), "{what}");
    }
}

#[tokio::test]
async fn pieces_that_were_cleaned_take_away_what_is_older_and_nothing_else() {
    let archive = Archive::of([Round::open(1, 1, 0, 35)]).tree();
    let backup = Backup::of([Set::full(1, 2, 4), Set::full(2, 12, 13), Set::full(3, 22, 23)]).tree();
    let mut left = archive;
    for (piece, expected) in [(1, (13, 35)), (2, (23, 35))] {
        left = left.without_all(&format!("piece_{}", key(1, piece)));
        assert_eq!(intervals(&backup, &left).await, seconds(&[expected]), "after piece {piece}");
    }
}

#[tokio::test]
async fn a_set_that_carries_its_log_can_be_restored_to_its_own_moment_without_any_archive() {
    let backup = Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }]).tree();
    assert_eq!(intervals(&backup, &Archive::of([]).tree()).await, seconds(&[(14, 14)]));
    let later = Archive::of([Round::open(3, 1, 14, 33)]).tree();
    assert_eq!(intervals(&backup, &later).await, seconds(&[(14, 33)]), "an archive goes on from there");
}

#[tokio::test]
async fn nothing_of_another_owner_restores_anything() {
    let backup = Backup::of([Set::full(1, 2, 4)]).tree();
    for archive in [Archive { tenant: 1005, ..Archive::usual() }, Archive { cluster: 8, ..Archive::usual() }] {
        assert_eq!(intervals(&backup, &archive.tree()).await, []);
    }
}

#[tokio::test]
async fn of_two_archives_the_one_that_goes_further_counts() {
    let backup = Backup::of([Set::full(1, 2, 4)]).tree();
    let short = Archive::of([Round::open(1, 1, 0, 12)]).tree();
    let long = Archive { dest: 1005, ..Archive::of([Round::open(6, 9, 1, 27)]) }.tree();
    let trees = [backup, short, long];
    let catalogue = scan_of_all(&trees).await.catalogue;
    assert_eq!(restorable(&catalogue).intervals, seconds(&[(4, 27)]));
    let choice = choose(&catalogue, Target::Scn(at(20))).unwrap();
    assert!(choice.pieces.iter().all(|p| p.key.dest_id.0 == 1005), "{:?}", choice.pieces);
}

/// A history: rounds one after the other, sets on each other, and the sets whose end is missing.
#[derive(Clone, Debug)]
struct History {
    rounds: Vec<Round>,
    sets: Vec<Set>,
    unfinished: BTreeSet<u64>,
}

fn histories() -> impl Strategy<Value = History> {
    let rounds = prop::collection::vec((0..4u64, 1..25u64), 0..4);
    let sets = prop::collection::vec((0..40u64, 0..12u64, prop::option::of(0..4u64)), 0..5);
    (rounds, sets, prop::collection::btree_set(1..5u64, 0..2)).prop_map(|(rounds, sets, unfinished)| {
        let (mut all, mut end, mut base_piece) = (Vec::new(), 0, 1);
        let count = rounds.len();
        for (n, (pause, length)) in rounds.into_iter().enumerate() {
            // A pause of 0 makes the rounds overlap by one second, where there was one.
            let start = (end + pause).saturating_sub(1);
            let round =
                Round { is_stopped: n + 1 < count, ..Round::open(n as u64 + 1, base_piece, start, start + length) };
            (end, base_piece) = (start + length, round.clock().piece_of(at(start + length)).0 + 1);
            all.push(round);
        }
        let of = |(n, (replay, span, base)): (usize, (u64, u64, Option<u64>))| {
            let base = base.filter(|back| *back < n as u64).map(|back| n as u64 - back);
            Set { base, ..Set::full(n as u64 + 1, replay, replay + span) }
        };
        History { rounds: all, sets: sets.into_iter().enumerate().map(of).collect(), unfinished }
    })
}

impl History {
    /// Last second of the log that is continuous from a second on.
    fn reach(&self, from: u64) -> Option<u64> {
        let covers = |start: u64| self.rounds.iter().filter(move |r| r.start <= start).map(|r| r.checkpoint).max();
        let mut reach = covers(from)?;
        while let Some(next) = covers(reach).filter(|next| *next > reach) {
            reach = next;
        }
        Some(reach)
    }

    fn is_usable(&self, id: u64) -> bool {
        let set = &self.sets[id as usize - 1];
        !self.unfinished.contains(&id) && set.base.is_none_or(|base| self.is_usable(base))
    }

    /// The newest set that can be restored to a second.
    fn set_for(&self, second: u64) -> Option<u64> {
        let holds = |s: &&Set| s.restore <= second && self.reach(s.replay).is_some_and(|reach| second <= reach);
        self.sets.iter().filter(|s| self.is_usable(s.id)).filter(holds).map(|s| s.id).max()
    }

    fn trees(&self) -> [Tree; 2] {
        let backup = Backup::of(self.sets.clone()).tree();
        let ends: Vec<String> = backup.paths("_end_success");
        let is_gone = |path: &&String| self.unfinished.iter().any(|id| path.contains(&format!("backup_set_{id}_")));
        let left = ends.iter().filter(is_gone).fold(backup, |tree, path| tree.without(path));
        [left, Archive::of(self.rounds.clone()).tree()]
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_second_can_be_restored_exactly_when_a_set_and_its_log_are_there(history in histories()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let scan = runtime.block_on(scan_of_all(&history.trees()));
        prop_assert_eq!(&scan.problems, &[]);
        let all = restorable(&scan.catalogue);
        for second in 0..90 {
            let expected = history.set_for(second);
            prop_assert_eq!(all.holds(at(second)), expected.is_some(), "second {}: {:?}", second, all.intervals);
            match choose(&scan.catalogue, Target::Scn(at(second))) {
                Ok(choice) => {
                    prop_assert_eq!(choice.sets.last().map(|s| s.set_id.0), expected);
                    prop_assert!(choice.sets[0].prev_inc.0 == 0 && choice.target_scn == at(second));
                    prop_assert!(choice.pieces.iter().any(|p| p.is_readable() && p.checkpoint_scn >= at(second)));
                }
                Err(refused) => prop_assert_eq!(expected, None, "second {}: {:?}", second, refused),
            }
        }
    }
}
