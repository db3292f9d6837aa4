//! Nothing is written into an archive that no checksum proved: every read of a merge is spoilt in turn, and what ends on
//! the medium is the log, byte for byte, or the parts that were there.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive_bed;

use archive_bed::*;
use bytes::Bytes;
use strandline_format::checksum::crc32c_raw;
use strandline_format::{DataType, pb, small};
use strandline_media::{Fault, FaultRule, Op};
use strandline_proto::v1;
use strandline_types::{ErrorClass, Term};

const PLAIN: i32 = v1::Compression::None as i32;
const ZSTD: i32 = v1::Compression::Zstd as i32;
const PARTS: u64 = 20;

/// Bytes that no compressor makes smaller: parts stay raw under any compression.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..200).map(|_| next()).collect()
}

fn get(skip: u32, times: u32, fault: Fault) -> FaultRule {
    FaultRule { op: Some(Op::Get), path_part: "@APD_PART@".into(), skip, times, fault }
}

async fn write(bed: &Bed, from: u64, to: u64) {
    for n in from..to {
        bed.log(1001).put(1000 + n, &noise(n));
        bed.until_archived(1001).await;
    }
}

async fn stop(bed: &Bed, order: &v1::RoundOrder) {
    bed.reconcile(&[v1::RoundOrder { work: v1::RoundWork::Stop.into(), ..order.clone() }]);
    bed.until("stopped", || bed.reported(1001).is_some_and(|p| p.state == 2)).await;
}

/// The log on the medium is the log, and the seal says so.
async fn assert_sound(bed: &Bed, what: &str) {
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes(), "{what}: other bytes are in the archive");
    let seal = bed.names("SEAL_META").await.remove(0);
    let seal: pb::SealMeta = small::read_small(DataType::SealMeta, &bed.medium.get(&seal).await.unwrap()).unwrap();
    assert_eq!(seal.size_bytes, bed.log(1001).bytes().len() as u64 + HEADER as u64, "{what}");
    let header = strandline_format::palf::ArchiveFileHeader { start_lsn: strandline_types::Lsn(0) }.encode();
    let crc = crc32c_raw(crc32c_raw(0, &header), &bed.log(1001).bytes());
    assert!(seal.digest.is_empty() || seal.digest[..] == crc.to_be_bytes(), "{what}: the digest of the seal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_read_of_a_merge_is_spoilt_the_archive_is_the_log() {
    let faults = [Fault::Flip(77), Fault::Flip(5_003), Fault::Short(1), Fault::Refuse(ErrorClass::NotFound)];
    let mut spoilt = 0;
    for (nth, fault) in faults.into_iter().enumerate() {
        for compression in [PLAIN, ZSTD] {
            for skip in 0.. {
                let bed = Bed::new(memory(&format!("spoilt {nth} {compression} {skip}"), true), &[1001]).await;
                let order = v1::RoundOrder { compression, ..bed.order(1) };
                bed.plan.add(get(skip, 1, fault));
                bed.reconcile(std::slice::from_ref(&order));
                write(&bed, 0, PARTS).await;
                stop(&bed, &order).await;
                assert_sound(&bed, &format!("{fault:?} in read {skip}, compression {compression}")).await;
                if bed.plan.injected() == 0 {
                    assert!(skip >= 17, "a merge reads sixteen parts and what came of them, not {skip}");
                    break;
                }
                spoilt += 1;
            }
        }
    }
    println!("{spoilt} reads of merges spoilt, every archive sound");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_read_of_a_new_leader_is_spoilt_the_archive_is_the_log() {
    let mut spoilt = 0;
    for skip in 0.. {
        let old = Bed::new(memory(&format!("take up {skip}"), true), &[1001]).await;
        // The old leader merges nothing.
        old.plan.add(get(0, u32::MAX, Fault::Refuse(ErrorClass::Permission)));
        old.reconcile(&[old.order(1)]);
        write(&old, 0, PARTS).await;
        let reported = old.reported(1001).unwrap();
        old.manager.shutdown().await;
        *old.log(1001).leader.lock().unwrap() = (true, Term(2));
        let new = Bed::over(old.medium.clone(), old.logs.clone());
        let order = v1::RoundOrder { log_streams: vec![Bed::resume(&reported)], ..new.order(1) };
        new.plan.add(get(skip, 1, Fault::Flip(3_001)));
        new.reconcile(std::slice::from_ref(&order));
        write(&new, PARTS, PARTS + 3).await;
        stop(&new, &order).await;
        assert_sound(&new, &format!("read {skip} of a new leader")).await;
        if new.plan.injected() == 0 {
            break;
        }
        spoilt += 1;
    }
    println!("{spoilt} reads of a new leader spoilt, every archive sound");
    assert!(spoilt > 30);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_stays_damaged_is_named_left_alone_and_holds_up_nothing() {
    for compression in [PLAIN, ZSTD] {
        let bed = Bed::new(memory(&format!("stays damaged {compression}"), true), &[1001]).await;
        let order = v1::RoundOrder { compression, ..bed.order(1) };
        bed.reconcile(std::slice::from_ref(&order));
        write(&bed, 0, 5).await;
        let sound = bed.log(1001).bytes();
        let (start, end) = part_after(&bed, HEADER as u64 + 1).await;
        let path = format!("piece_d1001r1p1/logstream_1001/log/1.obarc/@APD_PART@{start}-{end}.obarc");
        let mut bytes = bed.medium.get(&path).await.unwrap().to_vec();
        bytes[100] ^= 16;
        bed.medium.delete(&path).await.unwrap();
        bed.medium.put(&path, Bytes::from(bytes)).await.unwrap();
        write(&bed, 5, 2 * PARTS).await;
        bed.until("the trouble names the part", || {
            let trouble = bed.reported(1001).and_then(|report| report.trouble);
            trouble
                .is_some_and(|t| t.object.ends_with(&path) && ErrorClass::from_number(t.class) == ErrorClass::Corrupt)
        })
        .await;
        stop(&bed, &order).await;
        let there = bed.on_medium(1001).await;
        assert!(bed.medium.head(&path).await.is_ok(), "it stays as it is");
        let differing = there.iter().zip(&bed.log(1001).bytes()).filter(|(a, b)| a != b).count();
        assert_eq!((there.len(), differing), (bed.log(1001).bytes().len(), 1), "nothing else is lost or changed");
        assert!(there.len() > sound.len());
        assert!(bed.names("@APD_PART@").await.len() < 10, "the rest is merged: {:?}", bed.names("@APD_PART@").await);
    }
}

/// The range of the first part that begins at or after a byte.
async fn part_after(bed: &Bed, at: u64) -> (u64, u64) {
    let range = |name: &String| {
        let text = name.rsplit('@').next()?.strip_suffix(".obarc")?;
        let (start, end) = text.split_once('-')?;
        Some((start.parse::<u64>().ok()?, end.parse::<u64>().ok()?))
    };
    let mut ranges: Vec<_> = bed.names("@APD_PART@").await.iter().filter_map(range).collect();
    ranges.sort_unstable();
    ranges.into_iter().find(|(start, _)| *start >= at).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merged_part_that_does_not_read_back_right_replaces_nothing() {
    let bed = Bed::new(memory("reads back wrong", true), &[1001]).await;
    // The first part is read once, and from then on its name is that of what it was merged into.
    bed.plan.add(FaultRule { path_part: "@APD_PART@0-".into(), ..get(1, u32::MAX, Fault::Flip(40_000)) });
    bed.reconcile(&[bed.order(1)]);
    write(&bed, 0, PARTS).await;
    bed.until("the merged part was read back until that counted", || bed.plan.injected() >= 5).await;
    write(&bed, PARTS, PARTS + 2).await;
    assert!(bed.on_medium(1001).await == bed.log(1001).bytes());
    assert!(bed.names("@APD_PART@").await.len() as u64 >= PARTS, "the parts that it was made of stay");
    bed.plan.heal();
    stop(&bed, &bed.order(1)).await;
    assert_sound(&bed, "after the medium is well").await;
}
