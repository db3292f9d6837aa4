//! The archive driver over a log in memory: real media, faults on the way, leaders that come and go; log files that grow
//! and log files in parts.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use std::sync::Arc;
use strandline_format::{DataType, pb, small};
use strandline_media::{Fault, FaultRule, Medium, Op};
use strandline_proto::v1;
use strandline_types::dictionary::Dictionary;
use strandline_types::{ErrorClass, Lsn, Scn, Term};

const FORMS: [bool; 2] = [false, true];

#[tokio::test]
async fn every_led_stream_is_archived_to_the_end_and_over_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let medium = strandline_media::open(&format!("file://{}", dir.path().display())).unwrap();
    let bed = Bed::new(medium, &[1, 1001, 1002]).await;
    bed.log(1002).leader.lock().unwrap().0 = false;
    for n in 0..30 {
        bed.log(1).put(900 + n * 100, b"one");
        bed.log(1001).put(950 + n * 77, &[7; 3000]);
        bed.log(1002).put(900 + n, b"led elsewhere");
    }
    bed.reconcile(&[bed.order(1)]);
    for ls in [1, 1001] {
        bed.until_archived(ls).await;
        assert!(bed.on_medium(ls).await == bed.log(ls).bytes(), "log stream {ls}");
    }
    assert_eq!(bed.on_medium(1002).await, b"");
    assert!(bed.reported(1002).is_none(), "its leader reports it");
    let report = bed.reported(1).unwrap();
    assert_eq!((report.checkpoint_scn, report.piece_id, report.term), (3800, 3, 1));
    assert!(dir.path().join("piece_d1001r1p2/logstream_1001/log/1.obarc").is_file());
}

#[tokio::test]
async fn a_storm_of_faults_costs_time_and_nothing_else() {
    for in_parts in FORMS {
        storm(in_parts).await;
    }
}

async fn storm(in_parts: bool) {
    let bed = Bed::new(memory("storm", in_parts), &[1001]).await;
    bed.plan.set_probability(0.2);
    bed.reconcile(&[bed.order(1)]);
    let (mut n, mut last) = (0, 0);
    bed.until("some faults", || {
        n += 1;
        bed.log(1001).put(1000 + n * 40, &[n as u8; 500]);
        let report = bed.reported(1001).map_or(0, |p| p.archived_lsn);
        assert!(report >= last, "progress never falls");
        last = report;
        bed.plan.injected() > 5
    })
    .await;
    bed.plan.heal();
    bed.until_archived(1001).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
}

#[tokio::test]
async fn a_new_leader_goes_on_from_the_medium_and_an_old_one_stops_at_once() {
    for in_parts in FORMS {
        leaders(memory("leaders", in_parts)).await;
    }
}

async fn leaders(medium: Arc<dyn Medium>) {
    let old = Bed::new(Arc::clone(&medium), &[1001]).await;
    old.log(1001).put(1100, b"first");
    old.reconcile(&[old.order(1)]);
    old.until_archived(1001).await;
    let reported = old.reported(1001).unwrap();
    *old.log(1001).leader.lock().unwrap() = (false, Term(2));
    old.log(1001).put(1200, b"second");
    old.reconcile(&[old.order(1)]);
    assert!(old.reported(1001).is_none());

    let new = Bed::over(medium, old.logs.clone());
    *new.log(1001).leader.lock().unwrap() = (true, Term(2));
    let resume = Bed::resume(&reported);
    new.reconcile(&[v1::RoundOrder { log_streams: vec![resume], ..new.order(1) }]);
    new.until_archived(1001).await;
    assert_eq!(new.reported(1001).unwrap().term, 2);
    assert!(new.on_medium(1001).await == new.log(1001).bytes());
}

#[tokio::test]
async fn a_full_medium_is_told_with_its_reason_and_goes_away_by_itself() {
    for (in_parts, op, place) in [(false, Op::Append, "log/1.obarc"), (true, Op::Put, "log/1.obarc/@APD_PART@")] {
        full(in_parts, op, place).await;
    }
}

async fn full(in_parts: bool, op: Op, place: &str) {
    let bed = Bed::new(memory("full", in_parts), &[1001]).await;
    bed.log(1001).put(1100, b"fits");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    let fault = Fault::Refuse(ErrorClass::Exhausted);
    bed.plan.add(FaultRule { op: Some(op), path_part: String::new(), skip: 0, times: 2, fault });
    bed.log(1001).put(1200, b"does not fit for a while");
    bed.until("trouble is told", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
    let report = bed.reported(1001).unwrap();
    let trouble = report.trouble.unwrap();
    assert_eq!(ErrorClass::from_number(trouble.class), ErrorClass::Exhausted);
    assert!(trouble.object.contains(&format!("piece_d1001r1p1/logstream_1001/{place}")) && report.trouble_since_ms > 0);
    bed.until_archived(1001).await;
    assert!(bed.reported(1001).unwrap().trouble.is_none());
}

#[tokio::test]
async fn an_unmounted_destination_is_not_taken_for_an_empty_one() {
    let bed = Bed::new(memory("unmounted", false), &[1001]).await;
    bed.medium.delete("format.obbak").await.unwrap();
    bed.log(1001).put(1100, b"x");
    let resume = v1::LsResume { ls_id: 1001, piece_id: 1, ..Default::default() };
    bed.reconcile(&[v1::RoundOrder { log_streams: vec![resume], ..bed.order(1) }]);
    bed.until("trouble is told", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
    let trouble = bed.reported(1001).unwrap().trouble.unwrap();
    assert!(trouble.what.contains("format.obbak") && trouble.todo.contains("mount"), "{trouble:?}");
    assert_eq!(bed.on_medium(1001).await, b"");
}

#[tokio::test]
async fn a_stop_a_pause_and_a_new_start_of_the_same_round() {
    for in_parts in FORMS {
        stop_and_pause(in_parts).await;
    }
}

async fn stop_and_pause(in_parts: bool) {
    let bed = Bed::new(memory("stop", in_parts), &[1001]).await;
    bed.log(1001).put(1100, b"x");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    for (state, reported) in [(3, 4), (1, 1), (2, 2)] {
        bed.log(1001).put(1200, b"y");
        bed.reconcile(&[bed.order(state)]);
        bed.until("the state is reported", || bed.reported(1001).is_some_and(|p| p.state == reported)).await;
        bed.until_archived(1001).await;
    }
    bed.reconcile(&[]);
    assert!(bed.manager.progress().is_empty(), "an order that is gone is forgotten");
    bed.manager.shutdown().await;
}

#[tokio::test]
async fn log_that_was_recycled_interrupts_the_round_visibly() {
    let bed = Bed::new(memory("recycled", false), &[1001]).await;
    bed.log(1001).put(1100, b"x");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    *bed.log(1001).start.lock().unwrap() = Lsn(1 << 20);
    bed.log(1001).put(1200, b"y");
    bed.until("interrupted", || bed.reported(1001).is_some_and(|p| p.state == 3)).await;
    let report = bed.reported(1001).unwrap();
    assert_eq!(report.trouble.unwrap().code, -4018);
    let gap = report.gap.unwrap();
    assert_eq!((gap.start_lsn, gap.end_lsn, gap.start_scn), (report.archived_lsn, 1 << 20, 1100), "the gap is exact");
    bed.reconcile(&[bed.order(1)]);
    assert_eq!(bed.reported(1001).unwrap().state, 3, "it stays so");
}

#[tokio::test]
async fn the_dictionary_lies_in_every_piece_of_the_system_stream() {
    let bed = Bed::new(memory("dictionary", false), &[1, 1001]).await;
    let dictionary = Dictionary { version: 3, scn: Some(Scn(1050)), ..Default::default() };
    for ls in [1, 1001] {
        *bed.log(ls).dictionary.lock().unwrap() = Some(dictionary.clone());
        bed.log(ls).put(1060, b"piece 1");
        bed.log(ls).put(2060, b"piece 2");
    }
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1).await;
    bed.until_archived(1001).await;
    let found: Vec<String> = bed.medium.list("").await.unwrap().into_iter().map(|l| l.path).collect();
    let metas: Vec<&str> = found.iter().map(String::as_str).filter(|p| p.contains("schema_meta")).collect();
    let expected =
        ["piece_d1001r1p1/logstream_1/schema_meta/1050.obarc", "piece_d1001r1p2/logstream_1/schema_meta/1050.obarc"];
    assert_eq!(metas, expected);
    let bytes = bed.medium.get(expected[0]).await.unwrap();
    let meta: pb::SchemaMeta = small::read_small(DataType::SchemaMeta, &bytes).unwrap();
    assert_eq!((meta.tenant_id, meta.scn, meta.dictionary.unwrap().version), (1002, 1050, 3));
}
