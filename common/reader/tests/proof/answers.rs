//! No verdict on one answer: whichever answer of a medium is wrong for a while, nothing of a sound destination is called
//! damaged; what may not be read is shown apart from damage; what may pass by itself is an error and no verdict.

use crate::support::archive::{Archive, Round, Shape, key};
use crate::support::backup::{Backup, Set};
use crate::support::look::{key_of_test, options, refusing, with_key, wrong_cases};
use crate::support::packed;
use std::sync::Arc;
use strandline_format::compress::Compressor;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, Op};
use strandline_reader::verify::{self, Level, Report};
use strandline_reader::{Source, scan};
use strandline_types::{ErrorClass, Failure, FileStatus};

async fn verified(medium: &Arc<dyn Medium>, level: Level) -> Result<Report, Failure> {
    verify::destination(medium, &options(level, &with_key(key_of_test()))).await
}

fn wrong_answers() -> [(Op, Fault); 5] {
    [
        (Op::List, Fault::Short(usize::MAX)),
        (Op::List, Fault::Short(1)),
        (Op::Get, Fault::Refuse(ErrorClass::NotFound)),
        (Op::Get, Fault::Flip(77)),
        (Op::Get, Fault::Flip(40_001)),
    ]
}

/// A medium whose answers from the `skip`th on are wrong, so many of them.
fn wrong_for_a_while(
    sound: &Arc<dyn Medium>,
    (op, fault): (Op, Fault),
    skip: u32,
    times: u32,
) -> (FaultPlan, Arc<dyn Medium>) {
    let plan = FaultPlan::new(1);
    plan.add(FaultRule { op: Some(op), path_part: String::new(), skip, times, fault });
    (plan.clone(), Arc::new(Faulty::new(sound.clone(), plan)))
}

async fn sound_ones() -> Vec<Arc<dyn Medium>> {
    let archive = Archive::of([Round::stopped(1, 1, 0, 14), Round::open(2, 3, 14, 26)]);
    let carrying = Backup::of([Set { has_log: true, ..Set::full(1, 2, 14) }, Set::inc(2, 1, 15, 16)]);
    vec![
        archive.tree().medium().await,
        archive.shaped(Shape::Parts(packed(Compressor::Lz4), 2000)).tree().medium().await,
        Backup::chain().tree().medium().await,
        carrying.tree().medium().await,
    ]
}

#[tokio::test]
async fn no_answer_that_is_wrong_for_a_while_makes_a_sound_destination_look_damaged() {
    let mut cases = Vec::new();
    for sound in sound_ones().await {
        for answer in wrong_answers() {
            for skip in (0..40).chain((40..500).step_by(13)) {
                cases.extend([1, 2].map(|times| (Arc::clone(&sound), answer, skip, times)));
            }
        }
    }
    let wrong = wrong_cases(cases, |(sound, (op, fault), skip, times)| async move {
        let (_, medium) = wrong_for_a_while(&sound, (op, fault), skip, times);
        let case = format!("{op}, {fault:?} from {skip} on, {times} times");
        match verified(&medium, Level::Physical).await {
            Ok(report) if report.is_sound() => Ok(()),
            Ok(report) => Err(format!("{case}: {:?}", report.damages)),
            Err(e) => Err(format!("{case}: {e}")),
        }
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
}

#[tokio::test]
async fn no_answer_that_is_wrong_for_a_while_makes_a_sound_set_look_broken() {
    let mut cases = Vec::new();
    for sound in sound_ones().await.split_off(2) {
        let expected = Arc::new(scan(&Source::whole(Arc::clone(&sound))).await.unwrap().catalogue);
        assert!(expected.sets.iter().all(|s| s.file_status == FileStatus::Available));
        for answer in wrong_answers() {
            let of_answer = |skip| [1, 2].map(|times| (Arc::clone(&sound), Arc::clone(&expected), answer, skip, times));
            cases.extend((0..40).flat_map(of_answer));
        }
    }
    let wrong = wrong_cases(cases, |(sound, expected, (op, fault), skip, times)| async move {
        let (_, medium) = wrong_for_a_while(&sound, (op, fault), skip, times);
        let found = scan(&Source::whole(medium)).await.map_err(|e| e.to_string())?;
        let is_broken = found.catalogue.sets.iter().any(|s| s.file_status != FileStatus::Available);
        if found.problems.is_empty() && !is_broken && found.catalogue.sets.len() <= expected.sets.len() {
            return Ok(());
        }
        Err(format!("{op}, {fault:?} from {skip} on, {times} times: {:?}", found.problems))
    });
    let wrong = wrong.await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_medium_that_answers_nothing_now_is_an_error_of_its_meaning_and_no_damage() {
    for sound in sound_ones().await {
        for (op, part) in [(Op::List, ""), (Op::Get, "format.obbak"), (Op::Get, "infos"), (Op::Get, "log")] {
            for class in [ErrorClass::Transient, ErrorClass::Exhausted] {
                let plan = FaultPlan::new(1);
                plan.add(FaultRule {
                    op: Some(op),
                    path_part: part.to_owned(),
                    skip: 0,
                    times: u32::MAX,
                    fault: Fault::Refuse(class),
                });
                let medium: Arc<dyn Medium> = Arc::new(Faulty::new(sound.clone(), plan.clone()));
                let refused = verified(&medium, Level::Physical).await.unwrap_err();
                assert_eq!(refused.class, class, "{op} {part}: {refused}");
                assert!(plan.injected() > 0);
            }
        }
    }
}

#[tokio::test]
async fn what_may_not_be_read_is_shown_as_such_and_the_rest_is_looked_at() {
    let [archive, _, chain, _] = <[_; 4]>::try_from(sound_ones().await).unwrap();
    let cases = [
        (archive.clone(), "rounds/round_d1001r1_start.obarc"),
        (archive.clone(), "piece_d1001r1p1/single_piece_info.obarc"),
        (archive.clone(), "piece_d1001r1p1/logstream_1001/log/2.obarc"),
        (archive, "piece_d1001r2p4/checkpoint/checkpoint_info.0.obarc"),
        (chain.clone(), "backup_set_2_inc/single_backup_set_info.obbak"),
        (chain.clone(), "backup_set_2_inc/infos/locality_info.obbak"),
        (chain.clone(), "backup_set_1_full/logstream_1001/major_data_turn_1_retry_0/macro_block_data.0.obbak"),
        (chain, "backup_set_1_full/logstream_1001/major_data_turn_1_retry_0/meta_index.obbak"),
    ];
    for (sound, path) in cases {
        let medium = refusing(sound, Op::Get, path, ErrorClass::Permission);
        for level in [Level::Basic, Level::Physical] {
            let report = verified(&medium, level).await.unwrap();
            let shown: Vec<&str> = report.unreadable.iter().map(|r| r.path.as_str()).collect();
            assert!(report.is_sound(), "{path}, {level:?}: {:?}", report.damages);
            assert!(shown == [path] || (level == Level::Basic && shown.is_empty()), "{path}, {level:?}: {shown:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_destination_is_refused_and_names_what_to_do() {
    let nothing = Archive::of([]).tree().without("format.obbak").with("x/y", vec![1]).medium().await;
    let refused = verified(&nothing, Level::Basic).await.unwrap_err();
    assert_eq!((refused.class, refused.code), (ErrorClass::NotFound, -9080), "{refused}");
    assert!(refused.todo.contains("format.obbak"), "{refused}");
}

#[tokio::test]
async fn a_damaged_identity_is_a_damage_and_the_folders_say_what_to_look_at() {
    let archive = Archive::usual().tree();
    let backup = Backup::chain().tree();
    for (tree, other) in [(&archive, &backup), (&backup, &archive)] {
        let sound = verified(&tree.medium().await, Level::Physical).await.unwrap();
        let identity = tree.bytes("format.obbak");
        for at in (0..identity.len()).step_by(9) {
            let bad = tree.changed("format.obbak", crate::support::tree::Change::Flipped(at)).medium().await;
            let report = verified(&bad, Level::Physical).await.unwrap();
            let paths: Vec<&str> = report.damages.iter().map(|d| d.path.as_str()).collect();
            assert_eq!((paths, report.groups, report.blocks), (vec!["format.obbak"], sound.groups, sound.blocks));
        }
        let foreign = tree.with("format.obbak", other.bytes("format.obbak").clone()).medium().await;
        let report = verified(&foreign, Level::Physical).await.unwrap();
        assert!(report.damages.iter().any(|d| d.path == "format.obbak" && d.detail.contains("folders say otherwise")));
        let gone = verified(&tree.without("format.obbak").medium().await, Level::Basic).await.unwrap();
        assert_eq!(gone.damages.iter().map(|d| d.kind.name()).collect::<Vec<_>>(), ["missing"], "{:?}", gone.damages);
    }
}

#[tokio::test]
async fn one_piece_or_one_log_stream_of_it_tells_only_of_itself() {
    let tree = Archive::usual().tree();
    let [of_sys, of_user] = [1, 1001].map(|ls| format!("piece_d1001r1p2/logstream_{ls}/log/2.obarc"));
    let small = "piece_d1001r1p2/single_piece_info.obarc";
    let elsewhere = "piece_d1001r1p1/logstream_1001/log/2.obarc";
    let flip = |at| crate::support::tree::Change::Flipped(at);
    let bad = tree.changed(small, flip(70)).changed(&of_user, flip(4200)).changed(elsewhere, flip(4200));
    let medium = bad.changed(&of_sys, flip(4300)).medium().await;
    for (only, expected) in [
        (None, vec![of_sys.as_str(), of_user.as_str(), small]),
        (Some(0), vec![small]),
        (Some(1), vec![of_sys.as_str()]),
        (Some(1001), vec![of_user.as_str()]),
    ] {
        let options = options(Level::Physical, &Arc::default());
        let report = verify::piece(&medium, key(1, 2), only.map(Into::into), &options).await.unwrap();
        let mut found: Vec<&str> = report.damages.iter().map(|d| d.path.as_str()).collect();
        found.dedup();
        assert_eq!(found, expected, "{only:?}: {:?}", report.damages);
    }
    let gone = verify::piece(&medium, key(1, 9), None, &options(Level::Basic, &Arc::default())).await.unwrap();
    let missing: Vec<&str> = gone.damages.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(missing, ["piece_d1001r1p9", "pieces/piece_d1001r1p9_start_…"]);
}
