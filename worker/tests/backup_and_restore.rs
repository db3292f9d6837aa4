//! Backup of a log stream, tenant index and restore of the data, over a real medium and a stand-in for the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_format::blocks::{BlockType, read_file};
use strandline_format::paths::BackupPath;
use strandline_format::small::open_small;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, Op};
use strandline_proto::v1::{self, BackupIndexSpec, BackupLsSpec, LsTurn, RestoreDataSpec};
use strandline_types::{DataKind, ErrorClass, Failure, LsId, Scn};
use strandline_worker::backup::{run_backup_index, run_backup_ls};
use strandline_worker::restore::run_restore_data;
use strandline_worker::task_ctx::TaskCtx;
use support::{FakeEngine, FakeStream, FakeTarget, LS, RESTORED, TENANT, task_ctx, task_key};

const OTHER_LS: LsId = LsId(1002);

struct World {
    root: tempfile::TempDir,
    engine: Arc<FakeEngine>,
    ctx: TaskCtx,
}

impl World {
    /// Two log streams; the first has blocks of every kind, the second only its inner tablet.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("dest")).unwrap();
        let engine = Arc::new(FakeEngine::default());
        for ls in [LS, OTHER_LS] {
            let dir = root.path().join(format!("source_{ls}"));
            std::fs::create_dir(&dir).unwrap();
            let mut stream = FakeStream::new(&dir);
            stream.add_block(1, DataKind::Sys, 3000);
            if ls == LS {
                for (tablet, kind, bytes) in [
                    (200_001, DataKind::Major, 700_000),
                    (200_001, DataKind::Major, 10),
                    (200_002, DataKind::Major, 600_000),
                    (200_002, DataKind::Minor, 4048),
                    (200_003, DataKind::Minor, 4049),
                ] {
                    stream.add_block(tablet, kind, bytes);
                }
            }
            engine.streams.lock().unwrap().insert((TENANT, ls), Arc::new(stream));
            let target = FakeTarget::new(&root.path().join(format!("restored_{ls}")), Default::default());
            engine.targets.lock().unwrap().insert((RESTORED, ls), target);
        }
        let ctx = task_ctx(&engine, &root.path().join("scratch"));
        Self { root, engine, ctx }
    }

    fn dest(&self) -> PathBuf {
        self.root.path().join("dest")
    }

    fn uri(&self) -> String {
        format!("file://{}", self.dest().display())
    }

    fn backup_spec(&self) -> BackupLsSpec {
        BackupLsSpec {
            dest_uri: self.uri(),
            backup_set_id: 1,
            incremental: false,
            min_checkpoint_scn: 90,
            data_file_bytes: 1 << 20,
            compression: v1::Compression::None.into(),
            ..Default::default()
        }
    }

    fn index_spec(&self) -> BackupIndexSpec {
        let part = |ls: LsId| LsTurn { ls_id: ls.0, turn: 1, retry: 0 };
        BackupIndexSpec {
            dest_uri: self.uri(),
            backup_set_id: 1,
            incremental: false,
            parts: vec![part(LS), part(OTHER_LS)],
            ..Default::default()
        }
    }

    fn restore_spec(&self, ls: LsId) -> RestoreDataSpec {
        RestoreDataSpec {
            data_uri: self.uri(),
            backup_set_id: 1,
            incremental: false,
            turn: 1,
            source_ls_id: ls.0,
            ls_turn: 1,
            ls_retry: 0,
            ..Default::default()
        }
    }

    async fn back_up_all(&self) {
        for ls in [LS, OTHER_LS] {
            run_backup_ls(&self.ctx, &self.backup_spec(), task_key(TENANT, ls, 0)).await.unwrap();
        }
        run_backup_index(&self.ctx, &self.index_spec(), task_key(TENANT, LsId(0), 0)).await.unwrap();
    }

    async fn restore(&self, ls: LsId) -> Result<(), Failure> {
        run_restore_data(&self.ctx, &self.restore_spec(ls), task_key(RESTORED, ls, 0)).await
    }

    fn restored(&self, ls: LsId) -> BTreeMap<String, Vec<u8>> {
        files_below(&self.root.path().join(format!("restored_{ls}")))
    }

    fn source(&self, ls: LsId) -> BTreeMap<String, Vec<u8>> {
        files_below(&self.root.path().join(format!("source_{ls}")))
    }

    /// The data files of one kind of the first log stream.
    fn data_file(&self, kind: DataKind, n: u32) -> PathBuf {
        let dir = format!("backup_set_1_full/logstream_{LS}/{}_turn_1_retry_0", kind.tag());
        self.dest().join(dir).join(format!("macro_block_data.{n}.obbak"))
    }
}

fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(root, root, &mut files);
    files
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_was_backed_up_comes_back_byte_for_byte() {
    let world = World::new();
    let result = run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LS, 0)).await.unwrap();
    assert_eq!((result.checkpoint_scn, result.macro_block_count, result.tablet_count), (100, 6, 3));
    assert_eq!(result.tablets, [200_001, 200_002, 200_003]);
    assert_eq!(result.base.unwrap().lsn, 500);
    assert_eq!(result.input_bytes, 3000 + 700_000 + 10 + 600_000 + 4048 + 4049);
    assert_eq!((world.ctx.progress.done(), world.ctx.progress.total()), (result.input_bytes, result.input_bytes));
    let on_medium = files_below(&world.dest());
    assert_eq!(result.file_count, on_medium.len() as u64);
    assert_eq!(result.output_bytes, on_medium.values().map(|f| f.len() as u64).sum::<u64>());
    assert!(world.data_file(DataKind::Major, 1).exists(), "1.3 MB do not fit one file of 1 MiB");
    assert!(!world.ctx.scratch.join("checkpoint").exists(), "the consistent point is released");

    world.back_up_all().await;
    for ls in [LS, OTHER_LS] {
        world.restore(ls).await.unwrap();
        let mut restored = world.restored(ls);
        assert_eq!(restored.remove("CURRENT").unwrap(), b"MANIFEST-1\n");
        assert_eq!(restored.remove("MANIFEST-1").unwrap(), b"edits");
        assert_eq!(restored, world.source(ls));
        let targets = world.engine.targets.lock().unwrap();
        let base = targets[&(RESTORED, ls)].finished.lock().unwrap().unwrap();
        assert_eq!((base.base.lsn.0, base.base.link.words(), base.scn), (500, [3, 9], Scn(100)));
    }
}

#[tokio::test]
async fn every_file_has_a_name_of_the_tree_and_verifies() {
    let world = World::new();
    world.back_up_all().await;
    let mut macroblocks = 0;
    for (name, content) in files_below(&world.dest()) {
        match BackupPath::parse(&name).unwrap_or_else(|| panic!("{name}")) {
            BackupPath::MacroBlockData { .. } | BackupPath::LsIndex { .. } | BackupPath::TenantIndex { .. } => {
                assert!(content.len() >= 8192 && content.len() % 4096 == 0, "{name}");
                assert!(content.len() <= 1 << 20, "{name}");
                let count = |at: strandline_format::blocks::BlockAt, _| {
                    macroblocks += u32::from(at.block_type == BlockType::MacroData);
                    Ok(())
                };
                read_file(&Bytes::from(content), count).unwrap_or_else(|e| panic!("{name}: {e}"));
            }
            _ => drop(open_small(&content).unwrap_or_else(|e| panic!("{name}: {e}"))),
        }
    }
    assert_eq!(macroblocks, 7);
    assert!(world.data_file(DataKind::Sys, 0).exists());
    let empty = format!("backup_set_1_full/logstream_{OTHER_LS}/major_data_turn_1_retry_0/macro_block_data.0.obbak");
    assert!(world.dest().join(empty).exists(), "a kind without blocks still has its file");
}

#[tokio::test]
async fn a_second_run_of_the_same_tasks_on_the_same_point_writes_nothing_new() {
    let world = World::new();
    world.back_up_all().await;
    let before = files_below(&world.dest());
    world.back_up_all().await;
    assert_eq!(files_below(&world.dest()), before);
}

#[tokio::test]
async fn a_retry_has_names_of_its_own_and_other_bytes_under_a_name_are_fenced() {
    let world = World::new();
    world.back_up_all().await;
    let before = files_below(&world.dest());
    let streams = world.engine.streams.lock().unwrap().clone();
    streams[&(TENANT, LS)].scn.send_replace(Scn(101));
    let again = run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LS, 0)).await.unwrap_err();
    assert_eq!(again.class, ErrorClass::Fenced, "{again}");
    assert_eq!(files_below(&world.dest()), before, "nothing was overwritten");
    run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LS, 1)).await.unwrap();
    let after = files_below(&world.dest());
    assert!(before.iter().all(|(name, content)| after[name] == *content));
    assert!(after.keys().any(|name| name.contains("_turn_1_retry_1/")));
}

#[tokio::test]
async fn a_backup_waits_until_its_replica_covers_the_scn() {
    let world = World::new();
    let spec = BackupLsSpec { min_checkpoint_scn: 150, ..world.backup_spec() };
    let backup = run_backup_ls(&world.ctx, &spec, task_key(TENANT, LS, 0));
    let writer = async {
        let streams = world.engine.streams.lock().unwrap().clone();
        for scn in [120, 149, 160] {
            tokio::task::yield_now().await;
            streams[&(TENANT, LS)].scn.send_replace(Scn(scn));
        }
    };
    let (result, ()) = tokio::join!(backup, writer);
    assert_eq!(result.unwrap().checkpoint_scn, 160);
}

#[tokio::test]
async fn a_cancelled_backup_leaves_no_meta_and_releases_its_point() {
    let world = World::new();
    let spec = BackupLsSpec { min_checkpoint_scn: 1000, ..world.backup_spec() };
    let cancel = world.ctx.cancel.clone();
    let backup = run_backup_ls(&world.ctx, &spec, task_key(TENANT, LS, 0));
    let (result, ()) = tokio::join!(backup, async move { cancel.cancel() });
    assert_eq!(result.unwrap_err().class, ErrorClass::Fenced);
    assert!(!world.dest().join("backup_set_1_full").exists());
}

#[tokio::test]
async fn a_damaged_block_of_the_replica_is_not_backed_up() {
    let world = World::new();
    let path = world.root.path().join(format!("source_{LS}/000002.sst"));
    std::fs::write(&path, [&b"rotten"[..], &[0; 699_994]].concat()).unwrap();
    let rotten = run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LS, 0)).await.unwrap_err();
    assert_eq!((rotten.class, rotten.object.as_str()), (ErrorClass::Corrupt, "000002.sst"));
    std::fs::write(&path, b"short").unwrap();
    let short = run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LS, 1)).await.unwrap_err();
    assert_eq!(short.class, ErrorClass::Corrupt);
    assert!(short.object.ends_with("000002.sst"), "{short}");
}

#[tokio::test]
async fn a_log_stream_that_is_not_here_is_not_found() {
    let world = World::new();
    let gone = run_backup_ls(&world.ctx, &world.backup_spec(), task_key(TENANT, LsId(1999), 0)).await.unwrap_err();
    assert_eq!(gone.class, ErrorClass::NotFound);
    assert!(gone.object.contains("1999"), "{gone}");
}

#[tokio::test]
async fn an_index_is_not_built_over_data_that_is_missing_or_short() {
    let world = World::new();
    world.back_up_all().await;
    let file = world.data_file(DataKind::Major, 1);
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..content.len() - 4096]).unwrap();
    let index = |retry| run_backup_index_again(&world, retry);
    let short = index(1).await.unwrap_err();
    assert_eq!(short.class, ErrorClass::Corrupt);
    assert!(short.object.ends_with("major_data_turn_1_retry_0/macro_block_data.1.obbak"), "{short}");
    std::fs::remove_file(&file).unwrap();
    let missing = index(2).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.object.ends_with("macro_block_data.1.obbak"), "{missing}");
}

async fn run_backup_index_again(world: &World, retry: u32) -> Result<(), Failure> {
    run_backup_index(&world.ctx, &world.index_spec(), task_key(TENANT, LsId(0), retry)).await.map(drop)
}

#[tokio::test]
async fn a_flipped_byte_in_a_block_is_corrupt_and_names_the_file() {
    let world = World::new();
    world.back_up_all().await;
    let file = world.data_file(DataKind::Major, 0);
    flip(&file, 4096 + 48 + 1234);
    let failure = world.restore(LS).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Corrupt);
    assert!(failure.object.ends_with("macro_block_data.0.obbak"), "{failure}");
    assert!(!failure.todo.is_empty(), "{failure}");
    assert!(world.engine.targets.lock().unwrap()[&(RESTORED, LS)].finished.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_truncated_data_file_a_missing_one_and_a_damaged_index_are_named() {
    let world = World::new();
    world.back_up_all().await;
    let file = world.data_file(DataKind::Major, 1);
    let content = std::fs::read(&file).unwrap();
    std::fs::write(&file, &content[..100_000]).unwrap();
    let truncated = world.restore(LS).await.unwrap_err();
    assert_eq!(truncated.class, ErrorClass::Corrupt);
    assert!(truncated.object.ends_with("macro_block_data.1.obbak"), "{truncated}");
    std::fs::remove_file(&file).unwrap();
    let missing = world.restore(LS).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.object.ends_with("macro_block_data.1.obbak"), "{missing}");

    let index = "backup_set_1_full/infos/minor_data_info_turn_1/tenant_minor_data_macro_range_index.0.obbak";
    flip(&world.dest().join(index), 4100);
    let damaged = world.restore(LS).await.unwrap_err();
    assert_eq!(damaged.class, ErrorClass::Corrupt);
    assert!(damaged.object.ends_with(index), "{damaged}");
    std::fs::remove_file(world.dest().join(index)).unwrap();
    let missing = world.restore(LS).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.object.ends_with(index), "{missing}");
}

#[tokio::test]
async fn a_restore_goes_on_with_what_is_here_and_fetches_what_is_damaged() {
    let world = World::new();
    world.back_up_all().await;
    let file = world.data_file(DataKind::Major, 1);
    let away = world.root.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    world.restore(LS).await.unwrap_err();

    // The blocks of every other file are here now: their files on the medium are not needed again.
    let here = world.restored(LS);
    std::fs::rename(&away, &file).unwrap();
    let fetched = |name: &str| here.contains_key(name);
    if fetched("000002.sst") && fetched("000003.sst") {
        flip(&world.data_file(DataKind::Major, 0), 4096 + 48);
    }
    let sys = world.root.path().join(format!("restored_{LS}/000001.sst"));
    std::fs::write(&sys, vec![7; 3000]).unwrap();
    std::fs::write(sys.with_file_name("000077.sst"), b"of another attempt").unwrap();
    world.restore(LS).await.unwrap();
    assert!(!sys.with_file_name("000077.sst").exists(), "the store is the set's and nothing else");
    assert_eq!(
        std::fs::read(&sys).unwrap(),
        world.source(LS)["000001.sst"],
        "right length, wrong bytes: fetched again"
    );
    world.restore(LS).await.unwrap();
}

#[tokio::test]
async fn a_full_medium_ends_the_task_with_what_to_do_and_the_next_retry_succeeds() {
    let world = World::new();
    let plan = FaultPlan::new(1);
    let (uri, faults) = (world.uri(), plan.clone());
    let open = move |_: &str, _: &str, _| -> Result<Arc<dyn Medium>, Failure> {
        Ok(Arc::new(Faulty::new(strandline_media::open(&uri)?, faults.clone())))
    };
    let ctx = TaskCtx { open_medium: Arc::new(open), ..world.ctx.clone() };
    let fault = Fault::Refuse(ErrorClass::Exhausted);
    plan.add(FaultRule { op: Some(Op::Write), path_part: "major_data".into(), skip: 1, times: 1, fault });
    let full = run_backup_ls(&ctx, &world.backup_spec(), task_key(TENANT, LS, 0)).await.unwrap_err();
    assert_eq!(full.class, ErrorClass::Exhausted, "{full}");
    assert!(
        full.object.contains("major_data_turn_1_retry_0/macro_block_data.0.obbak") && !full.todo.is_empty(),
        "{full}"
    );
    assert!(!world.data_file(DataKind::Major, 0).exists(), "a data file that is not whole is never visible");
    assert!(!world.ctx.scratch.join("checkpoint").exists(), "the consistent point is released");
    run_backup_ls(&ctx, &world.backup_spec(), task_key(TENANT, LS, 1)).await.unwrap();
}

#[tokio::test]
async fn no_single_wrong_answer_ends_a_restore_or_gets_into_it() {
    let mut spoilt = 0;
    for fault in [Fault::Flip(45_678), Fault::Short(1), Fault::Refuse(ErrorClass::NotFound)] {
        for skip in 0.. {
            let world = World::new();
            world.back_up_all().await;
            let plan = FaultPlan::new(1);
            plan.add(FaultRule { op: Some(Op::Get), path_part: String::new(), skip, times: 1, fault });
            let (uri, faults) = (world.uri(), plan.clone());
            let open = move |_: &str, _: &str, _| -> Result<Arc<dyn Medium>, Failure> {
                Ok(Arc::new(Faulty::new(strandline_media::open(&uri)?, faults.clone())))
            };
            let ctx = TaskCtx { open_medium: Arc::new(open), ..world.ctx.clone() };
            let restored = run_restore_data(&ctx, &world.restore_spec(LS), task_key(RESTORED, LS, 0)).await;
            restored.unwrap_or_else(|failure| panic!("{fault:?} in read {skip}: {failure}"));
            let mut files = world.restored(LS);
            files.retain(|name, _| name.ends_with(".sst"));
            assert_eq!(files, world.source(LS), "{fault:?} in read {skip}");
            if plan.injected() == 0 {
                break;
            }
            spoilt += 1;
        }
    }
    println!("{spoilt} reads of restores spoilt, every restore right");
    assert!(spoilt >= 3 * 6);
}
