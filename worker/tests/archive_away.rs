//! A destination that is away for a moment is not there, and never empty: nothing is forgotten and no seal says less than
//! was acknowledged.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use std::sync::Arc;
use strandline_format::{DataType, pb, small};
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{Fault, FaultRule, FileMedium, Guarded, Medium, Op, Right};
use strandline_proto::v1;
use strandline_types::{ClusterId, DestOwner, ErrorClass, Scn, Term};

const LZ4: i32 = v1::Compression::Lz4 as i32;

fn rule(op: Op, path_part: &str, times: u32, fault: Fault) -> FaultRule {
    FaultRule { op: Some(op), path_part: path_part.into(), skip: 0, times, fault }
}

async fn write(bed: &Bed, from: u64, to: u64) {
    for n in from..to {
        bed.log(1001).put(1000 + n, &[n as u8; 300]);
        bed.until_archived(1001).await;
    }
}

/// Stops, and compares every seal with the log.
async fn stop_and_compare(bed: &Bed, order: &v1::RoundOrder) {
    bed.reconcile(&[v1::RoundOrder { work: v1::RoundWork::Stop.into(), ..order.clone() }]);
    bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    let seals = bed.names("SEAL_META").await;
    let seal: pb::SealMeta = small::read_small(DataType::SealMeta, &bed.medium.get(&seals[0]).await.unwrap()).unwrap();
    let size = bed.log(1001).bytes().len() as u64 + HEADER as u64;
    assert_eq!((seals.len(), seal.size_bytes), (1, size), "a seal says what was acknowledged");
    assert!(!seal.parts.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_that_lacks_what_was_acknowledged_is_not_believed() {
    for missing in [usize::MAX, 3] {
        let bed = Bed::new(memory(&format!("lacks {missing}"), true), &[1001]).await;
        bed.plan.add(rule(Op::Get, "@APD_PART@", u32::MAX, Fault::Refuse(ErrorClass::NotFound)));
        bed.plan.add(rule(Op::List, "1.obarc", u32::MAX, Fault::Short(missing)));
        let order = v1::RoundOrder { compression: LZ4, ..bed.order(1) };
        bed.reconcile(std::slice::from_ref(&order));
        write(&bed, 0, 16).await;
        // A merge found parts missing and has listed them.
        bed.until("it listed", || bed.plan.injected() >= 6).await;
        write(&bed, 16, 20).await;
        bed.plan.heal();
        write(&bed, 20, 24).await;
        stop_and_compare(&bed, &order).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leader_waits_for_a_destination_that_shows_less_than_was_reported() {
    let old = Bed::new(memory("shows less", true), &[1001]).await;
    old.reconcile(&[old.order(1)]);
    write(&old, 0, 10).await;
    let reported = old.reported(1001).unwrap();
    old.manager.shutdown().await;
    *old.log(1001).leader.lock().unwrap() = (true, Term(2));
    let new = Bed::over(old.medium.clone(), old.logs.clone());
    // The list goes wrong first, then the destination is not there, then all is well.
    new.plan.add(rule(Op::List, "logstream_1001/log", 1, Fault::Short(usize::MAX)));
    new.plan.add(rule(Op::Head, "format.obbak", 2, Fault::Refuse(ErrorClass::NotFound)));
    let order = v1::RoundOrder { log_streams: vec![Bed::resume(&reported)], ..new.order(1) };
    new.reconcile(std::slice::from_ref(&order));
    write(&new, 10, 14).await;
    stop_and_compare(&new, &order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_moved_away_and_back_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (here, away) = (dir.path().join("a"), dir.path().join("a.away"));
    std::fs::create_dir(&here).unwrap();
    let files: Arc<dyn Medium> = Arc::new(FileMedium::new(here.to_str().unwrap()));
    let us = Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(1),
        tenant_id: TENANT,
        dest_id: DEST,
        dest_type: DestType::Archive,
    };
    identity::claim(&*files, &us, Scn(1)).await.unwrap();
    let owner = DestOwner { cluster_id: ClusterId(1), tenant_id: TENANT, dest_id: DEST };
    let guarded: Arc<dyn Medium> = Arc::new(Guarded::new(files, Right::Write(owner)));
    let bed = Bed::over(guarded, [(strandline_types::LsId(1001), FakeLog::new())].into());
    let order = v1::RoundOrder { compression: LZ4, ..bed.order(1) };
    // Merging waits: it shall begin while the directory is away.
    bed.plan.add(rule(Op::Get, "@APD_PART@", u32::MAX, Fault::Refuse(ErrorClass::Transient)));
    bed.reconcile(std::slice::from_ref(&order));
    write(&bed, 0, 16).await;
    let refused = |bed: &Bed| bed.plan.injected();
    bed.until("merging has failed", || refused(&bed) > 0).await;
    std::fs::rename(&here, &away).unwrap();
    bed.plan.heal();
    // Marks the looks of a merge at a directory that is not there.
    bed.plan.add(rule(Op::List, "1.obarc", u32::MAX, Fault::Short(0)));
    let before = refused(&bed);
    bed.until("a merge has listed what is away", || refused(&bed) > before).await;
    bed.log(1001).put(1900, b"while it is away");
    bed.until("archiving says so", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
    std::fs::rename(&away, &here).unwrap();
    bed.plan.heal();
    bed.until_archived(1001).await;
    write(&bed, 40, 44).await;
    stop_and_compare(&bed, &order).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_archive_that_goes_away_under_an_append_never_reads_like_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (here, away) = (dir.path().join("a"), dir.path().join("a.away"));
    let bed = Bed::new(Arc::new(FileMedium::new(here.to_str().unwrap())), &[1001]).await;
    bed.reconcile(&[bed.order(1)]);
    write(&bed, 0, 4).await;
    let trouble = || bed.reported(1001).and_then(|p| p.trouble);
    for round in 0..4 {
        std::fs::rename(&here, &away).unwrap();
        bed.log(1001).put(2000 + round, b"while it is away");
        bed.until("archiving says so", || trouble().is_some()).await;
        let told = trouble().unwrap();
        assert!(told.what.contains("not mounted, or was emptied"), "round {round}: {told:?}");
        std::fs::rename(&away, &here).unwrap();
        bed.until("archived, and nothing else is told meanwhile", || {
            let told = trouble();
            assert!(told.as_ref().is_none_or(|t| t.what.contains("not mounted")), "round {round}: {told:?}");
            told.is_none()
        })
        .await;
        bed.until_archived(1001).await;
    }
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
}
