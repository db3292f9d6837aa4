//! Archiving into parts: merged, sealed, compressed, encrypted, to several destinations; with leaders that change in the
//! middle and media that refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::{DataType, pb, small};
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Op};
use strandline_proto::v1;
use strandline_types::{ClusterId, DestId, ErrorClass, LsId, Scn, Term};
use strandline_worker::WallClock;
use strandline_worker::archive::{ArchiveManager, Led};
use tokio::sync::Notify;

const PLAIN: i32 = v1::Compression::None as i32;
const LZ4: i32 = v1::Compression::Lz4 as i32;
const ZSTD: i32 = v1::Compression::Zstd as i32;

#[tokio::test]
async fn many_small_parts_are_merged_and_every_byte_stays_readable() {
    let bed = Bed::new(memory("merge", true), &[1001]).await;
    bed.reconcile(&[bed.order(1)]);
    for n in 0..100 {
        bed.log(1001).put(1000 + n, &[n as u8; 700]);
        bed.until_archived(1001).await;
    }
    let merged = "one part over many";
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while bed.names("@APD_PART@").await.len() > 40 {
        assert!(std::time::Instant::now() < deadline, "{merged}: {:?}", bed.names("@APD_PART@").await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    bed.reconcile(&[bed.order(2)]);
    bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
    let names = bed.names("log/1.obarc/").await;
    assert_eq!(names.len(), 3, "format, one part, seal: {names:?}");
    let seal = bed.medium.get(names.iter().find(|n| n.contains("SEAL_META")).unwrap()).await.unwrap();
    let seal: pb::SealMeta = small::read_small(DataType::SealMeta, &seal).unwrap();
    let size = bed.log(1001).bytes().len() as u64 + HEADER as u64;
    assert_eq!((seal.size_bytes, seal.parts.len(), seal.digest.len()), (size, 1, 4));
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
}

#[tokio::test]
async fn every_piece_is_sealed_before_progress_leaves_it() {
    let bed = Bed::new(memory("sealed pieces", true), &[1001]).await;
    bed.reconcile(&[bed.order(1)]);
    for n in 0..12 {
        bed.log(1001).put(1100 + n * 500, &[1; 100]);
        bed.until_archived(1001).await;
        let piece = bed.reported(1001).unwrap().piece_id;
        for earlier in 1..piece {
            let dir = format!("piece_d1001r1p{earlier}/");
            let has = |names: &[String], what: &str| names.iter().any(|n| n.contains(&dir) && n.contains(what));
            let names = bed.names("@APD_PART@").await;
            assert!(!has(&names, "FORMAT_META") || has(&names, "SEAL_META"), "piece {earlier} of {piece}: {names:?}");
        }
    }
}

#[tokio::test]
async fn a_new_leader_goes_on_between_the_parts_of_the_old_one_which_may_write_them_again() {
    let medium = memory("parts leaders", true);
    let old = Bed::new(Arc::clone(&medium), &[1001]).await;
    old.reconcile(&[old.order(1)]);
    for n in 0..20 {
        old.log(1001).put(1000 + n, &[n as u8; 300]);
        old.until_archived(1001).await;
    }
    let reported = old.reported(1001).unwrap();
    *old.log(1001).leader.lock().unwrap() = (true, Term(2));
    let new = Bed::over(medium, old.logs.clone());
    let order = v1::RoundOrder { log_streams: vec![Bed::resume(&reported)], ..new.order(1) };
    new.reconcile(std::slice::from_ref(&order));
    for n in 20..40 {
        new.log(1001).put(1000 + n, &[n as u8; 300]);
        new.until_archived(1001).await;
    }
    assert!(new.on_medium(1001).await == new.log(1001).bytes());
    // A third one that knows nothing walks over what both left.
    let third = Bed::over(Arc::clone(&new.medium), old.logs.clone());
    third.reconcile(&[third.order(1)]);
    third.until_archived(1001).await;
    assert!(third.on_medium(1001).await == third.log(1001).bytes());
    let end = third.reported(1001).unwrap().archived_lsn;
    assert_eq!(end, third.log(1001).bytes().len() as u64);
}

#[tokio::test]
async fn a_lost_reply_is_no_second_part_and_other_bytes_are_loud() {
    let bed = Bed::new(memory("lost reply", true), &[1001]).await;
    let part = |times| FaultRule {
        op: Some(Op::Put),
        path_part: "@APD_PART@".into(),
        skip: 1,
        times,
        fault: Fault::LostReply,
    };
    bed.plan.add(part(1));
    bed.log(1001).put(1100, b"first");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    assert_eq!(bed.plan.injected(), 1);
    let end = bed.log(1001).bytes().len() as u64 + HEADER as u64;
    bed.log(1001).put(1200, b"second");
    let next = bed.log(1001).bytes().len() as u64 + HEADER as u64;
    let foreign = format!("piece_d1001r1p1/logstream_1001/log/1.obarc/@APD_PART@{end}-{next}.obarc");
    let beside = Bed::new(memory("lost reply 2", true), &[1001]).await;
    beside.log(1001).put(1100, b"first");
    beside.log(1001).put(1200, b"second");
    let first = format!("piece_d1001r1p1/logstream_1001/log/1.obarc/@APD_PART@0-{next}.obarc");
    beside.medium.put(&first, Bytes::from(vec![7; next as usize])).await.unwrap();
    beside.reconcile(&[beside.order(1)]);
    beside.until("not taken for its own", || !beside.manager.waiting().is_empty()).await;
    let waiting = beside.manager.waiting().remove(0);
    let class = ErrorClass::from_number(waiting.trouble.unwrap().class);
    assert_eq!(class, ErrorClass::Corrupt, "a part of other bytes is never continued");
    bed.until_archived(1001).await;
    assert!(bed.medium.head(&foreign).await.is_ok());
}

#[tokio::test]
async fn compressed_and_encrypted_log_is_readable_with_the_key_alone_on_every_medium() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    let (open, sealed) = (v1::Cipher::None as i32, v1::Cipher::Aes256Gcm as i32);
    let forms = [(LZ4, open), (ZSTD, open), (PLAIN, sealed), (ZSTD, sealed)];
    for (nth, (compression, cipher)) in forms.into_iter().enumerate() {
        for in_parts in [false, true] {
            let mut bed = Bed::new(memory(&format!("packed {nth}"), in_parts), &[1, 1001]).await;
            let key_source = format!("file:{}", key_file.display());
            let order = v1::RoundOrder { compression, cipher, key_source, ..bed.order(1) };
            bed.key = (cipher == sealed).then(|| Key::from_bytes([0x5a; 32]));
            for n in 0..40 {
                bed.log(1001).put(1000 + n * 60, "a row like every other row; ".repeat(200).as_bytes());
                bed.log(1).put(1000 + n * 60, &random(2000, n));
            }
            bed.reconcile(std::slice::from_ref(&order));
            for ls in [1, 1001] {
                bed.until_archived(ls).await;
                assert!(bed.on_medium(ls).await == bed.log(ls).bytes());
            }
            let report = bed.reported(1001).unwrap();
            let stored: u64 = bed.medium.list("").await.unwrap().iter().map(|o| o.bytes).sum();
            if compression != PLAIN {
                let log_bytes = report.archived_lsn - report.start_lsn;
                assert!(stored < log_bytes / 2, "{stored} bytes stored of {log_bytes}");
            }
            let told: u64 = report.pieces.iter().map(|p| p.output_bytes).sum();
            let parts = bed.medium.list("").await.unwrap().into_iter();
            let parts = parts.filter(|o| o.path.contains("logstream_1001/log/") && !o.path.contains("_META"));
            assert_eq!(told, parts.map(|o| o.bytes).sum::<u64>(), "what is told is what lies there");
            // Another leader finds its place in it.
            let mut next = Bed::over(Arc::clone(&bed.medium), bed.logs.clone());
            next.key = bed.key.clone();
            next.log(1001).put(9000, b"later");
            next.reconcile(&[order]);
            next.until_archived(1001).await;
            assert!(next.on_medium(1001).await == next.log(1001).bytes());
        }
    }
}

fn random(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed + 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[tokio::test]
async fn the_same_log_in_another_packing_is_the_same_part() {
    let bed = Bed::new(memory("packing", true), &[1001]).await;
    bed.log(1001).put(1100, "a row like every other row; ".repeat(200).as_bytes());
    let end = bed.log(1001).bytes().len() as u64 + HEADER as u64;
    let path = format!("piece_d1001r1p1/logstream_1001/log/1.obarc/@APD_PART@0-{end}.obarc");
    let place = PartPlace::parse(&path).unwrap();
    let header = strandline_format::palf::ArchiveFileHeader { start_lsn: strandline_types::Lsn(0) }.encode();
    let plain: Bytes = [&header[..], &bed.log(1001).bytes()].concat().into();
    let by_lz4 = PartForm { compressor: Compressor::Lz4, key: None };
    // As if the listing had missed what an earlier leader was just writing.
    let hide = FaultRule {
        op: Some(Op::Put),
        path_part: "0-".into(),
        skip: 0,
        times: 1,
        fault: Fault::Refuse(ErrorClass::Transient),
    };
    bed.plan.add(hide);
    bed.reconcile(&[v1::RoundOrder { compression: ZSTD, ..bed.order(1) }]);
    bed.until("it tried", || bed.plan.injected() == 1).await;
    bed.medium.put(&path, encode_part(&place, &plain, &by_lz4).unwrap()).await.unwrap();
    bed.until_archived(1001).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_told_before_there_is_progress_and_comes_later() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    let mut bed = Bed::new(memory("key later", true), &[1001]).await;
    bed.key = Some(Key::from_bytes([0x11; 32]));
    bed.log(1001).put(1100, b"x");
    let key_source = format!("file:{}", key_file.display());
    bed.reconcile(&[v1::RoundOrder { cipher: v1::Cipher::Aes256Gcm.into(), key_source, ..bed.order(1) }]);
    bed.until("it waits for the key", || !bed.manager.waiting().is_empty()).await;
    let waiting = bed.manager.waiting().remove(0);
    assert!(waiting.trouble.unwrap().what.contains("key") && waiting.since_ms > 0);
    assert!(bed.reported(1001).is_none(), "nothing fixes where the round begins");
    std::fs::write(&key_file, "11".repeat(32)).unwrap();
    bed.until_archived(1001).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    assert!(bed.manager.waiting().is_empty());
}

#[tokio::test]
async fn a_medium_that_keeps_everything_is_archived_to_without_merging() {
    let bed = Bed::new(memory("worm", true), &[1001]).await;
    let fault = Fault::Refuse(ErrorClass::Permission);
    bed.plan.add(FaultRule { op: Some(Op::Delete), path_part: String::new(), skip: 0, times: u32::MAX, fault });
    bed.reconcile(&[bed.order(1)]);
    for n in 0..60 {
        bed.log(1001).put(1000 + n, &[n as u8; 300]);
        bed.until_archived(1001).await;
    }
    bed.reconcile(&[bed.order(2)]);
    bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    assert!(bed.reported(1001).unwrap().trouble.is_none());
}

/// Opens destinations by their URI, each behind its own switchboard.
fn two_destinations(
    plans: &BTreeMap<String, (Arc<dyn Medium>, FaultPlan)>,
) -> strandline_worker::task_ctx::MediumOpener {
    let media: BTreeMap<String, Arc<dyn Medium>> = plans
        .iter()
        .map(|(uri, (medium, plan))| {
            let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(medium), plan.clone()));
            (uri.clone(), faulty)
        })
        .collect();
    Arc::new(move |uri: &str, _: &str, _| Ok(Arc::clone(&media[uri])))
}

#[tokio::test]
async fn a_dead_destination_does_not_slow_the_other_and_catches_up_when_it_is_back() {
    let dests = [(DestId(1001), "mem://good"), (DestId(1002), "mem://dead")];
    let mut plans = BTreeMap::new();
    for (dest_id, uri) in dests {
        let medium: Arc<dyn Medium> = Arc::new(MemoryMedium::new(uri).in_parts());
        let us = Identity {
            cluster_name: "c".into(),
            tenant_name: "t".into(),
            cluster_id: ClusterId(1),
            tenant_id: TENANT,
            dest_id,
            dest_type: DestType::Archive,
        };
        identity::claim(&*medium, &us, Scn(1)).await.unwrap();
        plans.insert(uri.to_owned(), (medium, FaultPlan::new(1)));
    }
    let bed = Bed::over(Arc::clone(&plans["mem://good"].0), [(LsId(1001), FakeLog::new())].into());
    let engine = Arc::new(FakeEngine(bed.logs.clone()));
    let manager = ArchiveManager::new(engine, two_destinations(&plans), WallClock::start(), Arc::new(Notify::new()));
    let fault = Fault::Refuse(ErrorClass::Transient);
    let dead = &plans["mem://dead"].1;
    dead.add(FaultRule { op: None, path_part: String::new(), skip: 0, times: u32::MAX, fault });
    let order = |(dest_id, uri): (DestId, &str)| v1::RoundOrder {
        dest_id: dest_id.0,
        dest_uri: uri.to_owned(),
        round_id: dest_id.0 - 1000,
        ..bed.order(1)
    };
    manager.reconcile(&dests.map(order), &[Led { tenant: TENANT, ls: LsId(1001), term: Term(1) }]);
    let archived = |dest: u64| {
        let end = bed.log(1001).bytes().len() as u64;
        manager.progress().iter().any(|p| p.dest_id == dest && p.archived_lsn == end)
    };
    for n in 0..30 {
        bed.log(1001).put(1000 + n, &vec![n as u8; 1 << 20]);
        bed.until("the good one goes on", || archived(1001)).await;
    }
    assert!(manager.waiting().iter().any(|w| w.dest_id == 1002), "the dead one says so");
    assert!(manager.memory().1 < 64 << 20);
    dead.heal();
    bed.until("the dead one has caught up", || archived(1002)).await;
    let second = Bed::over(Arc::clone(&plans["mem://dead"].0), bed.logs.clone());
    assert!(second.on_medium(1001).await == bed.log(1001).bytes());
    bed.until("nothing is held any more", || manager.memory().0 == 0).await;
}
