//! Archiving on media that are slow, refuse, hang, come back with other keys; what idling costs them; and who may read what
//! was archived.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use strandline_format::entry::{EntryKind, join, payload};
use strandline_format::pb;
use strandline_format::secret::KeySecret;
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Op, Right};
use strandline_proto::v1;
use strandline_reader::{Keys, LogReader, LogSource};
use strandline_types::dictionary::Dictionary;
use strandline_types::{ClusterId, DestId, ErrorClass, LsId, Lsn, PieceId, PieceKey, Scn, Term};
use strandline_worker::WallClock;
use strandline_worker::archive::{ArchiveManager, Led};
use tokio::sync::Notify;

fn always(op: Option<Op>, fault: Fault) -> FaultRule {
    FaultRule { op, path_part: String::new(), skip: 0, times: u32::MAX, fault }
}

#[tokio::test]
async fn a_group_of_an_idle_stream_is_one_request_and_silence_is_none() {
    for (in_parts, per_group) in [(false, 1), (true, 4)] {
        let bed = Bed::new(memory("idle", in_parts), &[1001]).await;
        bed.log(1001).put(1000, b"x");
        bed.reconcile(&[bed.order(1)]);
        bed.until_archived(1001).await;
        let before = bed.reported(1001).unwrap().requests;
        let groups = 40;
        for n in 1..=groups {
            bed.log(1001).put(1000 + n, &[]);
            bed.until_archived(1001).await;
        }
        // Parts are merged now and then: read, written, read back, removed.
        let requests = bed.reported(1001).unwrap().requests - before;
        assert!(requests <= groups * per_group, "{requests} requests for {groups} groups, in parts: {in_parts}");
    }
}

#[tokio::test]
async fn every_kind_of_outage_says_since_when_and_why_and_is_made_up_for() {
    let kinds = [ErrorClass::Transient, ErrorClass::Exhausted, ErrorClass::Permission, ErrorClass::NotFound];
    for (nth, class) in kinds.into_iter().enumerate() {
        for in_parts in [false, true] {
            let bed = Bed::new(memory(&format!("outage {nth}"), in_parts), &[1001]).await;
            bed.log(1001).put(1000, b"before");
            bed.reconcile(&[bed.order(1)]);
            bed.until_archived(1001).await;
            bed.plan.add(always(None, Fault::Refuse(class)));
            for n in 1..50 {
                bed.log(1001).put(1000 + n, &[n as u8; 5000]);
            }
            bed.until("it is told", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
            let report = bed.reported(1001).unwrap();
            let trouble = report.trouble.unwrap();
            assert_eq!(ErrorClass::from_number(trouble.class), class);
            assert!(report.trouble_since_ms > 0 && !trouble.object.is_empty(), "{trouble:?}");
            bed.until("and the local spool is shown", || bed.manager.lags()[0].trouble_ms > 0).await;
            assert!(bed.manager.lags()[0].bytes > 0);
            bed.plan.heal();
            bed.until_archived(1001).await;
            assert!(bed.reported(1001).unwrap().trouble.is_none());
            assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
        }
    }
}

#[tokio::test]
async fn a_medium_that_hangs_is_told_and_nobody_else_waits_for_it() {
    let dests = [(DestId(1001), "mem://quick"), (DestId(1002), "mem://hanging")];
    let mut plans = BTreeMap::new();
    let mut media: BTreeMap<String, Arc<dyn Medium>> = BTreeMap::new();
    for (dest_id, uri) in dests {
        let medium: Arc<dyn Medium> = Arc::new(MemoryMedium::new(uri));
        identity::claim(&*medium, &owner(dest_id), Scn(1)).await.unwrap();
        let plan = FaultPlan::new(1);
        media.insert(uri.to_owned(), Arc::new(Faulty::new(Arc::clone(&medium), plan.clone())));
        plans.insert(uri, (medium, plan));
    }
    let bed = Bed::over(Arc::clone(&plans["mem://quick"].0), [(LsId(1001), FakeLog::new())].into());
    let open = Arc::new(move |uri: &str, _: &str, _| Ok(Arc::clone(&media[uri])));
    let engine = Arc::new(FakeEngine(bed.logs.clone()));
    let manager = ArchiveManager::new(engine, open, WallClock::start(), Arc::new(Notify::new()));
    let order = |(dest_id, uri): (DestId, &str)| v1::RoundOrder {
        dest_id: dest_id.0,
        dest_uri: uri.to_owned(),
        round_id: dest_id.0 - 1000,
        ..bed.order(1)
    };
    let led = [Led { tenant: TENANT, ls: LsId(1001), term: Term(1) }];
    manager.reconcile(&dests.map(order), &led);
    let progress = |dest: u64| manager.progress().into_iter().find(|p| p.dest_id == dest);
    let archived = |dest: u64| {
        let end = bed.log(1001).bytes().len() as u64;
        progress(dest).is_some_and(|p| p.archived_lsn == end)
    };
    bed.log(1001).put(1000, b"first");
    bed.until("both begin", || archived(1001) && archived(1002)).await;
    plans["mem://hanging"].1.add(always(Some(Op::Append), Fault::Hang));
    for n in 1..40 {
        bed.log(1001).put(1000 + n, &vec![n as u8; 1 << 20]);
        bed.until("the quick one goes on", || archived(1001)).await;
    }
    assert!(!archived(1002) && manager.memory().1 < 64 << 20, "{:?}", manager.memory());
    bed.until("the hanging one is told", || progress(1002).is_some_and(|p| p.trouble.is_some())).await;
    let report = progress(1002).unwrap();
    assert!(report.trouble.unwrap().what.contains("does not answer") && report.trouble_since_ms > 0);
    assert!(progress(1001).unwrap().trouble.is_none());
    plans["mem://hanging"].1.heal();
    bed.until("it catches up", || archived(1002)).await;
    assert!(progress(1002).unwrap().trouble.is_none());
}

fn owner(dest_id: DestId) -> Identity {
    Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(1),
        tenant_id: TENANT,
        dest_id,
        dest_type: DestType::Archive,
    }
}

#[tokio::test]
async fn keys_that_are_refused_are_replaced_while_the_round_goes_on() {
    for in_parts in [false, true] {
        let bed = Bed::new(memory("rotation", in_parts), &[1001]).await;
        let plans: BTreeMap<&str, FaultPlan> = [("old", FaultPlan::new(1)), ("new", FaultPlan::new(1))].into();
        let media: BTreeMap<String, Arc<dyn Medium>> = plans
            .iter()
            .map(|(name, plan)| {
                let medium: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(&bed.medium), plan.clone()));
                (format!("access_id={name}"), medium)
            })
            .collect();
        let open = Arc::new(move |_: &str, access: &str, _: Right| Ok(Arc::clone(&media[access])));
        let engine = Arc::new(FakeEngine(bed.logs.clone()));
        let manager = ArchiveManager::new(engine, open, WallClock::start(), Arc::new(Notify::new()));
        let led = [Led { tenant: TENANT, ls: LsId(1001), term: Term(1) }];
        let order = |name: &str| v1::RoundOrder { access: format!("access_id={name}"), ..bed.order(1) };
        let report = || manager.progress().into_iter().next();
        let all = || report().is_some_and(|p| p.archived_lsn == bed.log(1001).bytes().len() as u64);
        manager.reconcile(&[order("old")], &led);
        bed.log(1001).put(1000, b"with the old key");
        bed.until("archived", all).await;
        plans["old"].add(always(None, Fault::Refuse(ErrorClass::Permission)));
        bed.log(1001).put(1001, b"the old key is refused");
        bed.until("it is told", || report().is_some_and(|p| p.trouble.is_some())).await;
        let before = report().unwrap();
        assert_eq!(ErrorClass::from_number(before.trouble.unwrap().class), ErrorClass::Permission);
        manager.reconcile(&[order("new")], &led);
        bed.until("it goes on with the new key", all).await;
        let after = report().unwrap();
        assert_eq!((after.round_id, after.term, after.start_lsn), (before.round_id, before.term, before.start_lsn));
        assert!(after.trouble.is_none());
        assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    }
}

#[tokio::test]
async fn an_encrypted_archive_is_read_with_its_key_and_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join("key");
    std::fs::write(&key_file, "correct horse battery staple").unwrap();
    let bed = Bed::new(memory("sealed", false), &[1001]).await;
    let order = v1::RoundOrder {
        compression: v1::Compression::Zstd.into(),
        cipher: v1::Cipher::Aes256Gcm.into(),
        key_source: format!("file:{}", key_file.display()),
        ..bed.order(1)
    };
    for n in 0..30 {
        bed.log(1001).put(1000 + n * 100, "a row like every other row; ".repeat(50).as_bytes());
    }
    bed.reconcile(std::slice::from_ref(&order));
    bed.until_archived(1001).await;
    bed.reconcile(&[v1::RoundOrder { work: v1::RoundWork::Stop.into(), ..order }]);
    bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
    let pieces: Vec<u64> = bed.reported(1001).unwrap().pieces.iter().map(|p| p.piece_id).collect();
    assert!(pieces.len() > 1, "{pieces:?}");
    let read = async |keys: Keys| -> Result<u64, strandline_types::Failure> {
        let source = |piece: &u64| LogSource {
            medium: Arc::clone(&bed.medium),
            piece: PieceKey { dest_id: DEST, round_id: ROUND, piece_id: PieceId(*piece) },
        };
        let sources = pieces.iter().map(source).collect();
        let mut reader = LogReader::open(sources, LsId(1001), Lsn(0), None, Arc::new(keys)).await?;
        let mut log_bytes = 0;
        while let Some(groups) = reader.next_groups().await? {
            log_bytes += groups.iter().map(|g| g.range.end.0 - g.range.start.0).sum::<u64>();
        }
        Ok(log_bytes)
    };
    let secret = |text: &str| Keys::new([KeySecret::parse(text).unwrap()]);
    let whole = read(secret("correct horse battery staple")).await.unwrap();
    assert_eq!(whole, bed.log(1001).bytes().len() as u64);
    let refused = read(secret("another passphrase")).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Permission, "{refused}");
    let refused = read(Keys::none()).await.unwrap_err();
    assert!(refused.class == ErrorClass::Permission && refused.to_string().contains("key"), "{refused}");
}

#[tokio::test]
async fn a_wrong_key_that_was_put_right_goes_on_by_itself() {
    for in_parts in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let key_file = dir.path().join("key");
        std::fs::write(&key_file, "correct horse battery staple").unwrap();
        let bed = Bed::new(memory("another key", in_parts), &[1001]).await;
        let key_source = format!("file:{}", key_file.display());
        let order = v1::RoundOrder {
            compression: v1::Compression::Zstd.into(),
            cipher: v1::Cipher::Aes256Gcm.into(),
            key_source,
            ..bed.order(1)
        };
        bed.log(1001).put(1000, b"sealed");
        bed.reconcile(std::slice::from_ref(&order));
        bed.until_archived(1001).await;
        let report = bed.reported(1001).unwrap();
        bed.manager.shutdown().await;
        // The server is started again, and somebody has exchanged the key.
        std::fs::write(&key_file, "another horse").unwrap();
        let next = Bed::over(Arc::clone(&bed.medium), bed.logs.clone());
        next.log(1001).put(1010, b"waits for the key");
        let order = v1::RoundOrder { log_streams: vec![Bed::resume(&report)], ..order };
        next.reconcile(std::slice::from_ref(&order));
        next.until("the wrong key is told", || {
            let class = next.reported(1001).and_then(|p| p.trouble).map(|t| ErrorClass::from_number(t.class));
            class == Some(ErrorClass::Permission)
        })
        .await;
        std::fs::write(&key_file, "correct horse battery staple").unwrap();
        next.until_archived(1001).await;
        assert!(next.reported(1001).unwrap().trouble.is_none());
    }
}

#[tokio::test]
async fn lost_log_is_told_when_it_is_lost_whatever_the_medium_does() {
    let away = Fault::Refuse(ErrorClass::NotFound);
    for (nth, fault) in [away, Fault::Refuse(ErrorClass::Transient), Fault::Refuse(ErrorClass::Corrupt), Fault::Hang]
        .into_iter()
        .enumerate()
    {
        let bed = Bed::new(memory(&format!("lost {nth}"), false), &[1001]).await;
        bed.log(1001).put(1100, b"archived");
        bed.reconcile(&[bed.order(1)]);
        bed.until_archived(1001).await;
        let archived = bed.reported(1001).unwrap().archived_lsn;
        bed.plan.add(always(None, fault));
        bed.log(1001).put(1200, &[1; 3000]);
        bed.until("it is held up", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
        bed.log(1001).put(1250, &[2; 3000]);
        let there_again = *bed.log(1001).end.borrow();
        bed.log(1001).put(1300, b"kept");
        *bed.log(1001).start.lock().unwrap() = there_again;
        // The medium does not come back.
        bed.until("interrupted", || bed.reported(1001).is_some_and(|p| p.state == 3)).await;
        let gap = bed.reported(1001).unwrap().gap.unwrap();
        assert_eq!((gap.start_lsn, gap.end_lsn), (archived, there_again.0), "{nth}");
        assert_eq!((gap.start_scn, gap.end_scn), (1100, 1300), "{nth}");
    }
}

#[tokio::test]
async fn after_a_gap_the_next_round_begins_where_there_is_log_again() {
    let bed = Bed::new(memory("gap", false), &[1001]).await;
    bed.log(1001).put(1100, b"archived");
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1001).await;
    let archived = bed.reported(1001).unwrap().archived_lsn;
    bed.plan.add(always(None, Fault::Refuse(ErrorClass::Transient)));
    bed.log(1001).put(1200, &[1; 3000]);
    bed.until("it is held up", || bed.reported(1001).is_some_and(|p| p.trouble.is_some())).await;
    bed.log(1001).put(1250, &[2; 3000]);
    let there_again = *bed.log(1001).end.borrow();
    bed.log(1001).put(1300, b"kept");
    *bed.log(1001).start.lock().unwrap() = there_again;
    bed.plan.heal();
    bed.until("interrupted", || bed.reported(1001).is_some_and(|p| p.state == 3)).await;
    let gap = bed.reported(1001).unwrap().gap.unwrap();
    assert_eq!((gap.start_lsn, gap.end_lsn), (archived, there_again.0), "the gap is exact");
    assert_eq!((gap.start_scn, gap.end_scn), (1100, 1300));
    // The scheduler's AUTO_RESTART stops the round and opens the next one.
    let next = v1::RoundOrder { round_id: 2, start_scn: 1400, base_piece_id: 9, ..bed.order(1) };
    bed.log(1001).put(1500, b"in the new round");
    bed.reconcile(&[next]);
    bed.until("the new round has all there is", || {
        let end = *bed.log(1001).end.borrow();
        bed.reported(1001).is_some_and(|p| p.round_id == 2 && p.archived_lsn == end.0)
    })
    .await;
    let report = bed.reported(1001).unwrap();
    assert_eq!((report.state, report.start_lsn, report.checkpoint_scn), (1, there_again.0, 1500));
    assert!(report.trouble.is_none() && report.gap.is_none());
}

#[tokio::test]
async fn a_leader_that_is_elected_after_the_drain_writes_nothing_into_the_round() {
    for in_parts in [false, true] {
        let bed = Bed::new(memory("drained", in_parts), &[1001]).await;
        bed.log(1001).put(1000, b"archived");
        bed.reconcile(&[bed.order(1)]);
        bed.until_archived(1001).await;
        bed.reconcile(&[bed.order(2)]);
        bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
        let report = bed.reported(1001).unwrap();
        let before = bed.names("").await;
        bed.log(1001).put(1001, b"of the next leader");
        *bed.log(1001).leader.lock().unwrap() = (true, Term(2));
        let next = Bed::over(Arc::clone(&bed.medium), bed.logs.clone());
        let resume = v1::LsResume { stopped: true, ..Bed::resume(&report) };
        next.reconcile(&[v1::RoundOrder { log_streams: vec![resume], ..next.order(2) }]);
        next.until("stopped in its own term", || next.reported(1001).is_some_and(|p| p.state == 2 && p.term == 2))
            .await;
        assert_eq!(next.reported(1001).unwrap().archived_lsn, report.archived_lsn);
        assert_eq!(next.names("").await, before);
    }
}

/// What a leader of log stream 1 logs when the dictionary changes.
fn log_dictionary(log: &FakeLog, scn: u64, version: u64) {
    let change = pb::Dictionary { version, ..Default::default() };
    log.put(scn, &join(EntryKind::Dictionary, &payload(&change)));
    *log.dictionary.lock().unwrap() = Some(Dictionary { version, scn: Some(Scn(scn)), ..Default::default() });
}

#[tokio::test]
async fn a_piece_begins_with_the_dictionary_of_then_whatever_a_new_leader_knows() {
    let bed = Bed::new(memory("dictionaries", false), &[1]).await;
    log_dictionary(bed.log(1), 1050, 1);
    bed.reconcile(&[bed.order(1)]);
    bed.until_archived(1).await;
    let report = bed.reported(1).unwrap();
    bed.manager.shutdown().await;
    // While no archiver runs, log comes into the next piece, and then the dictionary changes in it.
    bed.log(1).put(2010, b"piece 2 begins");
    log_dictionary(bed.log(1), 2050, 2);
    *bed.log(1).leader.lock().unwrap() = (true, Term(2));
    let new = Bed::over(Arc::clone(&bed.medium), bed.logs.clone());
    new.reconcile(&[v1::RoundOrder { log_streams: vec![Bed::resume(&report)], ..new.order(1) }]);
    new.until_archived(1).await;
    let metas = new.names("schema_meta").await;
    let name = |piece, scn| format!("piece_d1001r1p{piece}/logstream_1/schema_meta/{scn}.obarc");
    assert_eq!(metas, [name(1, 1050), name(2, 1050), name(2, 2050)], "what the old leader would have added is there");
}
