//! The contract suite on every medium, plain and decorated, and what only one of them can show.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use strandline_media::identity::{self, DestType, Identity};
use strandline_media::{
    Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Metered, Op, PutOutcome, RetryPolicy, Retrying, open,
    probe, testing,
};
use strandline_types::{ClusterId, DestId, ErrorClass, Failure, Scn, TenantId, Verdict};

const FAST: RetryPolicy = RetryPolicy { attempts: 40, first: Duration::from_micros(1), most: Duration::from_micros(9) };

fn dir_medium(dir: &tempfile::TempDir) -> Arc<dyn Medium> {
    open(&format!("file://{}", dir.path().display())).unwrap()
}

fn us() -> Identity {
    Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(1),
        tenant_id: TenantId(1002),
        dest_id: DestId(1001),
        dest_type: DestType::Archive,
    }
}

#[tokio::test]
async fn a_directory_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("with space, é and 100%41");
    fs::create_dir(&odd).unwrap();
    testing::run(&*open(&format!("file://{}", odd.display())).unwrap()).await;
    assert!(odd.join("tree/piece_d1002r1p1/logstream_1/log/1.obarc/@APD_PART@0-32472973.obarc").is_file());
}

#[tokio::test]
async fn the_limits_of_a_directory_hold() {
    let dir = tempfile::tempdir().unwrap();
    let uri = format!("file://{}?max_iops=50&max_bandwidth=10MB", dir.path().display());
    let m = open(&uri).unwrap();
    identity::claim(&*m, &us(), Scn(1)).await.unwrap();
    let (before, began) = (strandline_media::requests_of(&uri), std::time::Instant::now());
    for n in 0..30 {
        m.put(&format!("{n}"), Bytes::from_static(b"x")).await.unwrap();
    }
    // 30 requests, less what may go out before its time.
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    let began = std::time::Instant::now();
    m.put("large", Bytes::from(vec![1; 5 << 20])).await.unwrap();
    m.put("after", Bytes::from_static(b"x")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(390), "{:?}", began.elapsed());
    let after = strandline_media::requests_of(&uri);
    assert_eq!(after.requests.writes - before.requests.writes, 32);
    assert_eq!(after.cost_per_day_usd, 0.0, "a directory costs nothing");
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    testing::run(&MemoryMedium::new("contract")).await;
}

#[tokio::test]
async fn decorated_media_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    let media: [Arc<dyn Medium>; 2] = [dir_medium(&dir), Arc::new(MemoryMedium::new("decorated"))];
    for inner in media {
        let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(inner, FaultPlan::new(1)));
        let retrying: Arc<dyn Medium> = Arc::new(Retrying::new(faulty, FAST));
        testing::run(&Metered::new(retrying)).await;
    }
}

#[tokio::test]
async fn retries_hide_refusals_lost_replies_and_torn_appends() {
    for seed in 0..20 {
        let inner: Arc<dyn Medium> = Arc::new(MemoryMedium::new("storm"));
        let plan = FaultPlan::new(seed);
        plan.set_probability(0.5);
        let m = Retrying::new(Arc::new(Faulty::new(Arc::clone(&inner), plan.clone())), FAST);
        let mut at = 0;
        for n in 0..50_u8 {
            let data = Bytes::from(vec![n; usize::from(n) + 1]);
            at = m.append("log", at, data).await.unwrap();
            m.put(&format!("o/{n}"), Bytes::from(vec![n])).await.unwrap();
        }
        let expected: Vec<u8> = (0..50_u8).flat_map(|n| vec![n; usize::from(n) + 1]).collect();
        assert_eq!(inner.get("log").await.unwrap(), expected, "seed {seed}");
        assert!(plan.injected() > 20, "seed {seed}");
    }
}

#[tokio::test]
async fn the_same_seed_fails_the_same_way() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let plan = FaultPlan::new(7);
        plan.set_probability(0.3);
        let m = Faulty::new(Arc::new(MemoryMedium::new("seeded")), plan);
        let mut outcomes = Vec::new();
        for n in 0..100 {
            outcomes.push(m.put(&format!("{n}"), Bytes::from_static(b"x")).await.map_err(|e| e.reason));
        }
        runs.push(outcomes);
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn only_transient_errors_are_retried_and_not_for_ever() {
    for (class, tries) in [(ErrorClass::Transient, 3), (ErrorClass::Exhausted, 1), (ErrorClass::Fenced, 1)] {
        let plan = FaultPlan::new(0);
        let rule =
            FaultRule { op: Some(Op::Put), path_part: "x".into(), skip: 0, times: 99, fault: Fault::Refuse(class) };
        plan.add(rule);
        let policy = RetryPolicy { attempts: 3, ..FAST };
        let m = Retrying::new(Arc::new(Faulty::new(Arc::new(MemoryMedium::new("r")), plan.clone())), policy);
        assert_eq!(m.put("x", Bytes::new()).await.unwrap_err().class, class);
        assert_eq!(plan.injected(), tries, "{class}");
    }
}

#[tokio::test]
async fn a_leftover_of_a_dead_writer_is_invisible_and_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let m = dir_medium(&dir);
    fs::write(dir.path().join("a.obarc#1"), b"half").unwrap();
    assert_eq!(m.list("").await.unwrap(), []);
    m.put("a.obarc", Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(m.list("").await.unwrap().len(), 1);
    assert_eq!(m.get("a.obarc").await.unwrap(), "whole");
}

#[tokio::test]
async fn racing_writers_of_one_object_have_one_winner() {
    let dir = tempfile::tempdir().unwrap();
    let m = dir_medium(&dir);
    let mut tasks = Vec::new();
    for n in 0..16_u8 {
        let m = Arc::clone(&m);
        tasks.push(tokio::spawn(async move { m.put_if_absent("d/x", Bytes::from(vec![n / 2; 100])).await }));
    }
    let mut created = 0;
    for t in tasks {
        match t.await.unwrap() {
            Ok(PutOutcome::Created) => created += 1,
            Ok(PutOutcome::AlreadyEqual) => {}
            Err(e) => assert_eq!(e.class, ErrorClass::Fenced),
        }
    }
    assert_eq!(created, 1);
}

#[tokio::test]
async fn an_unmounted_destination_is_not_replaced_by_a_local_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("mnt/archive");
    let m = open(&format!("file://{}", root.display())).unwrap();
    for e in [
        m.append("a/1.obarc", 0, Bytes::from_static(b"x")).await.unwrap_err(),
        m.put("a/x", Bytes::from_static(b"x")).await.unwrap_err(),
    ] {
        assert_eq!(e.class, ErrorClass::NotFound, "{e}");
    }
    assert!(!root.exists());
    identity::claim(&*m, &us(), Scn(1)).await.unwrap();
    m.append("a/1.obarc", 0, Bytes::from_static(b"x")).await.unwrap();
}

#[tokio::test]
async fn an_unwritable_destination_is_a_permission_error_that_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    // Root may write everywhere: a file in the place of the directory is refused even then.
    fs::write(dir.path().join("file"), b"").unwrap();
    let m = open(&format!("file://{}/file", dir.path().display())).unwrap();
    let f = Failure::from(m.put("x", Bytes::new()).await.unwrap_err());
    assert!(matches!(f.class, ErrorClass::Invalid | ErrorClass::NotFound), "{f}");
    assert!(f.object.contains("/file/x") && !f.todo.is_empty(), "{f}");

    let locked = dir.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    let m = open(&format!("file://{}", locked.display())).unwrap();
    if let Err(e) = m.append("x/1", 0, Bytes::from_static(b"x")).await {
        assert_eq!(e.class, ErrorClass::Permission, "{e}");
        assert!(Failure::from(e).todo.contains("right"));
    }
}

#[tokio::test]
async fn a_full_disk_is_exhausted_and_the_append_goes_on_afterwards() {
    let plan = FaultPlan::new(0);
    let fault = Fault::Refuse(ErrorClass::Exhausted);
    plan.add(FaultRule { op: Some(Op::Append), path_part: String::new(), skip: 1, times: 1, fault });
    let m = Faulty::new(Arc::new(MemoryMedium::new("full")), plan);
    m.append("l", 0, Bytes::from_static(b"ab")).await.unwrap();
    let f = Failure::from(m.append("l", 2, Bytes::from_static(b"cd")).await.unwrap_err());
    assert!(f.class == ErrorClass::Exhausted && f.todo.contains("free space"), "{f}");
    assert_eq!(m.append("l", 2, Bytes::from_static(b"cd")).await.unwrap(), 4);
}

#[tokio::test]
async fn a_destination_is_claimed_once_and_by_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let media: [Arc<dyn Medium>; 2] = [dir_medium(&dir), MemoryMedium::named("claims")];
    for m in media {
        identity::claim(&*m, &us(), Scn(1_673_436_649_723_677_822)).await.unwrap();
        let renamed = Identity { cluster_name: "other name".into(), ..us() };
        identity::claim(&*m, &renamed, Scn(1_673_436_700_000_000_000)).await.unwrap();
        let names: Vec<String> = m.list("").await.unwrap().into_iter().map(|l| l.path).collect();
        assert_eq!(names, ["check_file/1002_connect_file_20230111T113140.obbak", "format.obbak"]);
        for foreign in [
            Identity { tenant_id: TenantId(1004), ..us() },
            Identity { cluster_id: ClusterId(2), ..us() },
            Identity { dest_id: DestId(1002), ..us() },
            Identity { dest_type: DestType::Backup, ..us() },
        ] {
            let e = identity::claim(&*m, &foreign, Scn(2)).await.unwrap_err();
            assert_eq!((e.class, e.code), (ErrorClass::Invalid, identity::CODE_FORMAT_MISMATCH), "{e}");
        }
    }
}

#[tokio::test]
async fn a_directory_with_other_things_in_it_is_refused() {
    for thing in ["notes.txt", "photos/1.jpg"] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(thing);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"x").unwrap();
        let e = identity::claim(&*dir_medium(&dir), &us(), Scn(1)).await.unwrap_err();
        assert_eq!((e.class, e.code), (ErrorClass::Invalid, identity::CODE_FORMAT_MISSING), "{e}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was written");
    }
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    identity::claim(&*dir_medium(&dir), &us(), Scn(1)).await.unwrap();
}

#[tokio::test]
async fn a_damaged_identity_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format.obbak"), b"garbage").unwrap();
    let e = identity::claim(&*dir_medium(&dir), &us(), Scn(1)).await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Corrupt);
    assert_eq!(fs::read(dir.path().join("format.obbak")).unwrap(), b"garbage");
}

#[tokio::test]
async fn empty_directories_are_pruned_and_nothing_that_holds_a_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let m = dir_medium(&dir);
    identity::claim(&*m, &us(), Scn(1)).await.unwrap();
    for path in ["gone/a/b/1", "gone/c/2", "kept/d/3"] {
        m.put(path, Bytes::from_static(b"x")).await.unwrap();
    }
    for path in ["gone/a/b/1", "gone/c/2"] {
        m.delete(path).await.unwrap();
    }
    for prefix in ["gone", "kept", "never/was"] {
        m.prune(prefix).await.unwrap();
    }
    assert!(!dir.path().join("gone").exists() && dir.path().join("kept/d/3").exists());
    m.put("gone/a/b/1", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(m.list("gone").await.unwrap().len(), 1, "a directory that was pruned can be made again");
    assert!(m.prune("../up").await.is_err());
}

#[tokio::test]
async fn one_wrong_answer_refuses_no_destination_and_an_error_says_what_was_tried() {
    let inner: Arc<dyn Medium> = Arc::new(MemoryMedium::new("one wrong answer"));
    for fault in [Fault::Flip(3), Fault::Short(1), Fault::Refuse(ErrorClass::Transient)] {
        for skip in 0..8 {
            let plan = FaultPlan::new(1);
            plan.add(FaultRule { op: Some(Op::Get), path_part: "probe_".into(), skip, times: 1, fault });
            let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(Arc::clone(&inner), plan));
            let findings = probe(&Retrying::new(faulty, FAST)).await;
            let refused: Vec<_> = findings.iter().filter(|f| f.verdict == Verdict::Bad).collect();
            assert!(refused.is_empty(), "{fault:?} in read {skip}: {refused:?}");
        }
    }
    let plan = FaultPlan::new(1);
    let fault = Fault::Refuse(ErrorClass::Transient);
    plan.add(FaultRule { op: None, path_part: String::new(), skip: 0, times: u32::MAX, fault });
    let faulty: Arc<dyn Medium> = Arc::new(Faulty::new(inner, plan));
    let refused = Retrying::new(faulty, FAST).for_good().get("from").await.unwrap_err();
    let told = Failure::from(refused);
    assert!(told.todo.starts_with("it was tried several times"), "{told}");
}
