//! Reports and progress of verifications: what was looked at is counted, the counts only rise, and the last ones are those
//! of the report.

use crate::support::archive::{Archive, Round, SYS, USER, key, log};
use crate::support::backup::{Backup, Set};
use crate::support::look::{key_of_test, options, with_key};
use crate::support::tree::{Change, Tree};
use proptest::prelude::*;
use std::sync::{Arc, Mutex};
use strandline_format::FormatError;
use strandline_reader::verify::{self, Damage, DamageKind, Level, Options, Remark, Report};
use strandline_reader::{Only, Source};

/// A verification of a source, and the counts that were told meanwhile.
async fn watched(source: &Source, level: Level) -> (Report, Vec<(u64, u64)>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&told);
    let progress: verify::Progress = Arc::new(move |objects, bytes| to.lock().unwrap().push((objects, bytes)));
    let options = Options { progress, ..options(level, &with_key(key_of_test())) };
    let report = verify::source(source, &options).await.unwrap();
    let told = told.lock().unwrap().clone();
    (report, told)
}

fn carrying() -> Tree {
    Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }, Set::inc(2, 1, 15, 16)]).tree()
}

#[tokio::test]
async fn progress_only_rises_and_ends_with_the_counts_of_the_report() {
    for tree in [Archive::usual().tree(), Backup::chain().tree(), carrying()] {
        for level in [Level::Basic, Level::Physical] {
            let (report, told) = watched(&Source::whole(tree.medium().await), level).await;
            assert!(report.is_sound() && report.objects > 30, "{report:?}");
            let falls = told.windows(2).find(|w| w[1].0 < w[0].0 || w[1].1 < w[0].1);
            assert_eq!(falls, None, "{level:?}");
            assert_eq!(told.last(), Some(&(report.objects, report.bytes)), "{level:?}");
        }
    }
}

#[tokio::test]
async fn a_physical_look_reads_all_groups_and_blocks_and_nearly_all_bytes() {
    let tree = Archive::usual().tree();
    let (report, _) = watched(&Source::whole(tree.medium().await), Level::Physical).await;
    let groups = [SYS, USER].map(|ls| log(ls, 25).len() as u64).iter().sum::<u64>();
    assert_eq!((report.groups, report.blocks), (groups, 0));
    let all: u64 = tree.0.values().map(|b| b.len() as u64).sum();
    assert!(report.bytes * 100 >= all * 95, "{} of {all}", report.bytes);
    let (basic, _) = watched(&Source::whole(tree.medium().await), Level::Basic).await;
    assert!(basic.bytes < report.bytes && basic.groups < report.groups, "{basic:?}");
}

#[tokio::test]
async fn parts_that_were_named_are_looked_at_one_after_the_other() {
    let medium = Archive::of([Round::open(1, 1, 0, 45)]).tree().medium().await;
    let only = [2, 3].map(|piece| Only::Piece(key(1, piece))).to_vec();
    let (both, told) = watched(&Source { medium: medium.clone(), only }, Level::Physical).await;
    assert!(told.is_sorted() && told.last() == Some(&(both.objects, both.bytes)), "what is told goes on");
    let mut groups = 0;
    for piece in [2, 3] {
        let only = vec![Only::Piece(key(1, piece))];
        groups += watched(&Source { medium: medium.clone(), only }, Level::Physical).await.0.groups;
    }
    assert!(both.is_sound() && both.groups == groups && groups > 30, "{both:?}");
}

#[tokio::test]
async fn damages_are_sorted_and_each_one_is_told_once() {
    let tree = Archive::usual().tree();
    let small = tree.paths("_info");
    let bad = small.iter().fold(tree, |tree, path| tree.changed(path, Change::Cut(1)));
    let (report, _) = watched(&Source::whole(bad.medium().await), Level::Physical).await;
    let mut sorted = report.damages.clone();
    sorted.sort();
    sorted.dedup();
    assert!(report.damages == sorted && report.damages.len() >= small.len(), "{:?}", report.damages);
}

fn damage(path: &str, kind: DamageKind) -> Damage {
    Damage { path: path.to_owned(), kind, detail: "as it was found".to_owned() }
}

fn reports() -> impl Strategy<Value = Report> {
    use DamageKind::{Corrupt, Foreign, Gap, Missing, Truncated};
    let kinds = prop::sample::select(vec![Missing, Truncated, Corrupt, Foreign, Gap]);
    let damages = prop::collection::vec(("[a-c]", kinds), 0..8);
    let notes = prop::collection::vec("[xy]", 0..4);
    (damages, notes, 0u64..99, 0u64..99).prop_map(|(damages, notes, objects, bytes)| Report {
        objects,
        bytes,
        damages: damages.iter().map(|(path, kind)| damage(path, *kind)).collect(),
        unreadable: notes.iter().map(|n| Remark { path: n.clone(), detail: String::new() }).collect(),
        notes,
        ..Report::default()
    })
}

proptest! {
    #[test]
    fn what_two_reports_hold_is_in_their_sum_once(a in reports(), b in reports()) {
        let mut sum = a.clone();
        sum.absorb(b.clone());
        sum.settle();
        prop_assert_eq!((sum.objects, sum.bytes), (a.objects + b.objects, a.bytes + b.bytes));
        for damage in a.damages.iter().chain(&b.damages) {
            prop_assert_eq!(sum.damages.iter().filter(|d| *d == damage).count(), 1);
        }
        for note in a.notes.iter().chain(&b.notes) {
            prop_assert_eq!(sum.notes.iter().filter(|n| *n == note).count(), 1);
            prop_assert_eq!(sum.unreadable.iter().filter(|r| r.path == *note).count(), 1);
        }
        prop_assert!(sum.damages.is_sorted() && sum.notes.is_sorted() && sum.unreadable.is_sorted());
        let settled = sum.clone();
        sum.settle();
        prop_assert_eq!(sum, settled);
    }

    #[test]
    fn common_are_the_damages_of_both_whatever_their_words(a in reports(), b in reports()) {
        let mut reworded = b.clone();
        reworded.damages.iter_mut().for_each(|d| d.detail = "in other words".to_owned());
        let common = a.common(&reworded);
        prop_assert!(common.iter().all(|d| b.damages.iter().any(|e| (&e.path, e.kind) == (&d.path, d.kind))));
        let others = a.damages.iter().filter(|d| !common.contains(d));
        prop_assert!(others.into_iter().all(|d| !b.damages.iter().any(|e| (&e.path, e.kind) == (&d.path, d.kind))));
        prop_assert_eq!(a.common(&a).len(), a.damages.len());
        prop_assert_eq!(a.common(&Report::default()).len(), 0);
        prop_assert_eq!(a.is_sound(), a.damages.is_empty());
    }
}

#[test]
fn a_damage_is_called_by_what_the_bytes_say() {
    let truncated = FormatError::Truncated { what: "x", at: 0, need: 2, have: 1 };
    let wrong = FormatError::WrongType { expected: "a".to_owned(), found: "b".to_owned() };
    let checksum = FormatError::Checksum { what: "x", at: 0, found: 1, computed: 2 };
    let kinds = [&truncated, &wrong, &FormatError::UnknownName, &checksum].map(DamageKind::of);
    use DamageKind::{Corrupt, Foreign, Gap, Missing, Truncated};
    assert_eq!(kinds, [Truncated, Foreign, Foreign, Corrupt]);
    let names = [Missing, Truncated, Corrupt, Foreign, Gap].map(DamageKind::name);
    assert_eq!(names, ["missing", "truncated", "corrupt", "foreign", "gap"]);
}
