//! The drivers against a small store in this process: OSS with its signatures and appends, and stores that lie, know
//! no conditions, or are busy.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::testing::mini_store::{Conditions, KEY_ID, MiniStore};
use strandline_media::{
    LogForm, Medium, PutOutcome, RetryPolicy, Retrying, open, open_with, probe, requests_of, testing,
};
use strandline_types::{ClusterId, DestId, ErrorClass, Scn, TenantId, Verdict};

#[tokio::test]
async fn oss_keeps_the_contract_under_both_signatures() {
    for extra in ["", "&oss_region=cn-hangzhou", "&oss_region=cn-hangzhou&signature=v1&checksum_type=no_checksum"] {
        let store = MiniStore::start(true, Conditions::Kept).await;
        let m = open(&store.uri("a prefix/of it", extra)).unwrap();
        assert_eq!(m.log_form(), LogForm::Plain);
        testing::run(&*m).await;
        testing::a_listing_of_many_pages_is_whole(&*m).await;
    }
}

#[tokio::test]
async fn oss_refuses_a_wrong_key() {
    let store = MiniStore::start(true, Conditions::Kept).await;
    let uri = format!("oss://b/x?host=http://127.0.0.1:{}", store.port);
    for extra in ["", "&oss_region=cn-hangzhou"] {
        let m = open_with(&format!("{uri}{extra}"), &format!("access_id={KEY_ID}&access_key=wrong")).unwrap();
        let e = m.put("a", Bytes::from_static(b"x")).await.unwrap_err();
        assert!(e.class == ErrorClass::Permission && e.reason.contains("access_key") && e.code == -9116, "{e}");
    }
}

#[tokio::test]
async fn a_bucket_that_locks_objects_gets_a_digest_with_every_body_whatever_was_asked_for() {
    for (extra, refused) in [("", 1), ("&checksum_type=no_checksum", 1), ("&enable_worm=true", 0)] {
        let store = MiniStore::start(false, Conditions::Kept).await;
        store.locks.store(true, Ordering::Relaxed);
        let m = open(&store.uri("p", extra)).unwrap();
        testing::run(&*m).await;
        assert_eq!(store.without_digest.load(Ordering::Relaxed), refused, "{extra}: it is asked for once");
        let findings = probe(&*m).await;
        assert!(findings.iter().all(|f| f.verdict != Verdict::Bad), "{extra}: {findings:#?}");
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("x", "").replace("://b/", "://missing/")).unwrap();
        let e = m.put("x", Bytes::from_static(b"x")).await.unwrap_err();
        assert!(e.class == ErrorClass::Invalid && e.reason.contains("create the bucket"), "{e}");
        let findings = probe(&*m).await;
        assert!(findings[0].verdict == Verdict::Bad && findings[0].detail.contains("bucket"), "{findings:?}");
    }
}

#[tokio::test]
async fn s3_keeps_the_contract_with_conditions_and_without_them() {
    for (conditions, extra) in [(Conditions::Kept, ""), (Conditions::Unknown, "")] {
        let store = MiniStore::start(false, conditions).await;
        let m = open(&store.uri("p", extra)).unwrap();
        assert_eq!(m.log_form(), LogForm::Parts);
        if conditions == Conditions::Kept {
            testing::run(&*m).await;
            testing::a_listing_of_many_pages_is_whole(&*m).await;
        } else {
            assert_eq!(m.put_if_absent("a", Bytes::from_static(b"x")).await.unwrap(), PutOutcome::Created);
            assert_eq!(m.put_if_absent("a", Bytes::from_static(b"x")).await.unwrap(), PutOutcome::AlreadyEqual);
            let e = m.put_if_absent("a", Bytes::from_static(b"y")).await.unwrap_err();
            assert_eq!(e.class, ErrorClass::Fenced, "{e}");
        }
    }
}

#[tokio::test]
async fn a_store_without_conditions_takes_a_big_object_at_the_first_try() {
    let store = MiniStore::start(false, Conditions::Unknown).await;
    let m = open(&store.uri("p", "")).unwrap();
    let bytes = Bytes::from(vec![7; 9 << 20]);
    for _ in 0..2 {
        let mut writer = m.open_writer("big").await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        assert_eq!(writer.finish().await.unwrap(), bytes.len() as u64);
    }
    assert_eq!(m.get("big").await.unwrap(), bytes);
    let mut other = m.open_writer("big").await.unwrap();
    other.write(Bytes::from(vec![8; 9 << 20])).await.unwrap();
    assert_eq!(other.finish().await.unwrap_err().class, ErrorClass::Fenced);
}

#[tokio::test]
async fn a_refusal_keeps_the_stores_own_words_its_number_and_its_pause() {
    for (is_oss, number) in [(false, -9105), (true, -9003)] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "")).unwrap();
        m.put("x", Bytes::from_static(b"x")).await.unwrap();
        store.busy.store(3, Ordering::Relaxed);
        for e in [
            m.get("x").await.unwrap_err(),
            m.put("y", Bytes::from_static(b"y")).await.unwrap_err(),
            m.list("").await.unwrap_err(),
        ] {
            assert_eq!((e.class, e.code, e.retry_after_ms), (ErrorClass::Transient, number, Some(0)), "{e}");
            assert!(e.reason.contains("SlowDown (HTTP 503): because"), "{e}");
        }
    }
}

#[tokio::test]
async fn a_name_that_others_gave_ends_no_listing() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "")).unwrap();
        m.put("dir/ours", Bytes::from_static(b"x")).await.unwrap();
        for key in ["p/dir/", "p/dir//theirs", "p/dir/../theirs"] {
            store.plant(key);
        }
        let listed: Vec<String> = m.list("dir").await.unwrap().into_iter().map(|o| o.path).collect();
        assert_eq!(listed, ["dir/../theirs", "dir//theirs", "dir/ours"], "a name that ends in '/' is no object");
    }
}

#[tokio::test]
async fn a_listing_that_goes_on_and_does_not_say_where_is_not_taken_for_whole() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "")).unwrap();
        for n in 0..3 {
            m.put(&format!("{n}"), Bytes::from_static(b"x")).await.unwrap();
        }
        store.page.store(2, Ordering::Relaxed);
        store.loses_next.store(true, Ordering::Relaxed);
        let e = m.list("").await.unwrap_err();
        assert!(e.class == ErrorClass::Transient && e.reason.contains("does not say where"), "{e}");
    }
}

#[tokio::test]
async fn objects_that_are_written_at_the_same_time_are_not_mixed_up() {
    const PART_BYTES: usize = 9 << 20;
    let store = MiniStore::start(false, Conditions::Kept).await;
    let m = open(&store.uri("p", "")).unwrap();
    let begun = async |name: &str| {
        let mut writer = m.open_writer(name).await.unwrap();
        writer.write(Bytes::from(name.repeat(PART_BYTES / name.len()))).await.unwrap();
        writer.write(Bytes::from(name.to_owned())).await.unwrap();
        writer
    };
    let (a, b) = (begun("a").await, begun("bb").await);
    a.finish().await.unwrap();
    // An upload that begins when another has ended.
    let c = begun("ccc").await;
    c.finish().await.unwrap();
    b.finish().await.unwrap();
    for name in ["a", "bb", "ccc"] {
        let expected = name.repeat(PART_BYTES / name.len() + 1);
        assert!(m.get(name).await.unwrap() == expected.as_bytes(), "{name}");
    }
}

#[tokio::test]
async fn a_store_that_ignores_if_none_match_is_named() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Ignored).await;
        let m = open(&store.uri("p", "")).unwrap();
        let findings = probe(&*m).await;
        let lie = findings.iter().find(|f| f.probe == "put-if-absent").unwrap();
        assert!(lie.verdict == Verdict::Bad && lie.detail.contains("IGNORES"), "{lie:?}");
        assert_eq!(findings.iter().filter(|f| f.verdict == Verdict::Bad).count(), 1, "{findings:#?}");
        assert_eq!(m.list("").await.unwrap(), [], "a probe leaves nothing");
    }
}

#[tokio::test]
async fn a_store_that_lies_is_no_destination() {
    let us = Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(1),
        tenant_id: TenantId(1002),
        dest_id: DestId(1001),
        dest_type: DestType::Archive,
    };
    let liar = MiniStore::start(false, Conditions::Ignored).await;
    let e = identity::claim(&*open(&liar.uri("p", "")).unwrap(), &us, Scn(1)).await.unwrap_err();
    assert!(e.class == ErrorClass::Invalid && e.reason.contains("If-None-Match"), "{e}");
    // Its administrator knows, and only one writer is there: what is there is looked at before and after.
    let m = open(&liar.uri("p2", "&conditional_put=false")).unwrap();
    identity::claim(&*m, &us, Scn(1)).await.unwrap();
    assert_eq!(m.put_if_absent("format.obbak", Bytes::from_static(b"y")).await.unwrap_err().class, ErrorClass::Fenced);

    let honest = MiniStore::start(false, Conditions::Kept).await;
    let m = open(&honest.uri("p", "")).unwrap();
    for time in [1, 2_000_000_000, 2_000_000_001] {
        identity::claim(&*m, &us, Scn(time)).await.unwrap();
    }
    assert_eq!(m.list("check_file").await.unwrap().len(), 1);
}

#[tokio::test]
async fn deleting_by_tag_marks_and_removes_nothing() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "&delete_mode=tagging")).unwrap();
        m.put("a", Bytes::from_static(b"x")).await.unwrap();
        m.delete("a").await.unwrap();
        m.delete("missing").await.unwrap();
        assert!(store.is_tagged("p/a"));
        assert_eq!(m.get("a").await.unwrap(), "x");
    }
}

#[tokio::test]
async fn a_bucket_that_locks_objects_holds_log_files_in_parts() {
    let store = MiniStore::start(true, Conditions::Kept).await;
    let m = open(&store.uri("p", "&enable_worm=true")).unwrap();
    assert_eq!(m.log_form(), LogForm::Parts);
    testing::run(&*m).await;
}

#[tokio::test]
async fn a_busy_store_slows_the_process_down_and_nothing_is_lost() {
    let store = MiniStore::start(false, Conditions::Kept).await;
    let uri = store.uri("p", "");
    let policy = RetryPolicy { attempts: 20, first: Duration::from_millis(1), most: Duration::from_millis(20) };
    let m: Arc<dyn Medium> = Arc::new(Retrying::new(open(&uri).unwrap(), policy));
    m.put("warm", Bytes::from_static(b"x")).await.unwrap();
    store.busy.store(5, Ordering::Relaxed);
    for n in 0..10 {
        m.put(&format!("{n}"), Bytes::from_static(b"x")).await.unwrap();
    }
    let status = requests_of(&uri);
    assert_eq!(status.throttled, 5);
    assert!(status.rate_limit.is_some(), "{status:?}");
    assert_eq!(status.requests.writes, 16, "every try is counted: {status:?}");
    assert!(status.requests_per_day >= 16 * 24 && status.cost_per_day_usd > 0.0, "{status:?}");
    assert!(!format!("{status:?}{m:?}").contains("secret"));
}

#[tokio::test]
async fn uploads_that_nobody_finished_are_listed_and_aborted() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "")).unwrap();
        let mut writer = m.open_writer("dead/1").await.unwrap();
        writer.write(Bytes::from(vec![1; 9 << 20])).await.unwrap();
        std::mem::forget(writer);
        let found = m.unfinished().await.unwrap();
        assert_eq!((found.len(), found[0].path.as_str(), found[0].started_ms), (1, "dead/1", 1_767_323_045_000));
        m.abort(&found[0]).await.unwrap();
        assert_eq!(m.unfinished().await.unwrap(), []);
    }
}

#[tokio::test]
async fn an_outage_is_transient_and_says_so() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let m = open(&format!("s3://b/x?host=http://127.0.0.1:{port}&access_id=a&access_key=b")).unwrap();
    let e = m.put("a", Bytes::from_static(b"x")).await.unwrap_err();
    assert_eq!((e.class, e.code), (ErrorClass::Transient, -9105), "{e}");
    let findings = probe(&*m).await;
    assert_eq!((findings.len(), findings[0].probe.as_str(), findings[0].verdict), (1, "connect", Verdict::Bad));
}

#[tokio::test]
async fn small_pages_and_tokens_of_any_characters_lose_nothing() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        store.page.store(7, Ordering::Relaxed);
        let m = open(&store.uri("team/db", "")).unwrap();
        let mut paths: Vec<String> = (0..40).map(|n| format!("dir_{}/object_{n:02}", n % 12)).collect();
        paths.sort();
        for path in &paths {
            m.put(path, Bytes::from_static(b"x")).await.unwrap();
        }
        let listed: Vec<String> = m.list("").await.unwrap().into_iter().map(|o| o.path).collect();
        assert_eq!(listed, paths);
        assert_eq!(m.list_dirs("").await.unwrap().len(), 12);
        let mut writers = Vec::new();
        for n in 0..10 {
            let mut writer = m.open_writer(&format!("big/{n}")).await.unwrap();
            writer.write(Bytes::from(vec![1; 9 << 20])).await.unwrap();
            writers.push(writer);
        }
        std::mem::forget(writers);
        let unfinished = m.unfinished().await.unwrap();
        assert_eq!(unfinished.len(), 10, "as after a crash");
        for one in &unfinished {
            m.abort(one).await.unwrap();
        }
        assert_eq!(m.unfinished().await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_bucket_that_keeps_versions_frees_no_room_and_the_probe_says_so() {
    for is_oss in [false, true] {
        let store = MiniStore::start(is_oss, Conditions::Kept).await;
        let m = open(&store.uri("p", "")).unwrap();
        let delete =
            |findings: Vec<strandline_media::Finding>| findings.into_iter().find(|f| f.probe == "delete").unwrap();
        assert_eq!(delete(probe(&*m).await).verdict, Verdict::Good);
        store.has_versions.store(true, Ordering::Relaxed);
        let found = delete(probe(&*m).await);
        assert!(found.verdict == Verdict::Limited && found.detail.contains("noncurrent versions"), "{found:?}");
    }
}
