//! Chains of sets: incremental backup, reuse of what failed retries finished, sealed and packed blocks, synthetic full
//! sets; each restored and compared, over a real medium and a stand-in for the engine.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use strandline_engine_api::CheckpointBlock;
use strandline_format::cipher::Key;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, Op};
use strandline_proto::v1::{
    self, BackupIndexSpec, BackupLsResult, BackupLsSpec, LsTurn, RestoreDataSpec, SetKey, SetSeal, SyntheticSpec,
};
use strandline_types::{DataKind, ErrorClass, Failure, LsId, Scn, TabletId};
use strandline_worker::backup::{run_backup_index, run_backup_ls, run_synthetic};
use strandline_worker::restore::run_restore_data;
use strandline_worker::task_ctx::TaskCtx;
use support::{FakeEngine, FakeStream, FakeTarget, LS, RESTORED, TENANT, task_ctx, task_key};

/// One log stream whose blocks a test changes between backups.
struct World {
    root: tempfile::TempDir,
    engine: Arc<FakeEngine>,
    ctx: TaskCtx,
    blocks: Vec<CheckpointBlock>,
    restores: usize,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for dir in ["dest", "source"] {
            std::fs::create_dir(root.path().join(dir)).unwrap();
        }
        let engine = Arc::new(FakeEngine::default());
        let ctx = task_ctx(&engine, &root.path().join("scratch"));
        let mut this = Self { root, engine, ctx, blocks: Vec::new(), restores: 0 };
        this.add(1, DataKind::Sys, &noise(1, 3000));
        for n in 0..6 {
            this.add(200_001 + n % 3, DataKind::Major, &noise(100 + n, 300_000));
        }
        this.add(200_001, DataKind::Minor, &noise(7, 5000));
        this
    }

    fn source(&self) -> PathBuf {
        self.root.path().join("source")
    }

    fn dest(&self) -> PathBuf {
        self.root.path().join("dest")
    }

    fn uri(&self) -> String {
        format!("file://{}", self.dest().display())
    }

    fn add(&mut self, tablet: u64, kind: DataKind, content: &[u8]) {
        let n = self.blocks.last().map_or(1, |b| u64::from(b.unique_id[15]) + 1);
        let file_name = format!("{n:06}.sst");
        std::fs::write(self.source().join(&file_name), content).unwrap();
        let mut unique_id = [0; 24];
        unique_id[8..16].copy_from_slice(&n.to_be_bytes());
        let (tablet, bytes) = (TabletId(tablet), content.len() as u64);
        self.blocks.push(CheckpointBlock { tablet, kind, file_name, bytes, level: 6, unique_id });
        self.show();
    }

    fn remove(&mut self, name: &str) {
        self.blocks.retain(|b| b.file_name != name);
        std::fs::remove_file(self.source().join(name)).unwrap();
        self.show();
    }

    /// Makes the replica show the blocks as they are now.
    fn show(&self) {
        let mut stream = FakeStream::new(&self.source());
        stream.blocks.clone_from(&self.blocks);
        self.engine.streams.lock().unwrap().insert((TENANT, LS), Arc::new(stream));
    }

    fn spec(&self, set: u64) -> BackupLsSpec {
        BackupLsSpec {
            dest_uri: self.uri(),
            backup_set_id: set,
            min_checkpoint_scn: 90,
            data_file_bytes: 1 << 20,
            compression: v1::Compression::None.into(),
            ..Default::default()
        }
    }

    /// An incremental set on top of `base`; a base of 1 is the full one.
    fn incremental(&self, set: u64, base: u64) -> BackupLsSpec {
        BackupLsSpec {
            incremental: true,
            base_set_id: base,
            base_turn: 1,
            base_incremental: base != 1,
            ..self.spec(set)
        }
    }

    async fn back_up(&self, spec: &BackupLsSpec) -> BackupLsResult {
        let result = run_backup_ls(&self.ctx, spec, task_key(TENANT, LS, 0)).await.unwrap();
        self.index(spec.backup_set_id, spec.incremental, 0).await.unwrap();
        result
    }

    async fn index(&self, set: u64, incremental: bool, retry: u32) -> Result<(), Failure> {
        let spec = BackupIndexSpec {
            dest_uri: self.uri(),
            backup_set_id: set,
            incremental,
            parts: vec![LsTurn { ls_id: LS.0, turn: 1, retry }],
            ..Default::default()
        };
        run_backup_index(&self.ctx, &spec, task_key(TENANT, LsId(0), 0)).await.map(drop)
    }

    fn restore_spec(&self, set: u64, incremental: bool) -> RestoreDataSpec {
        RestoreDataSpec {
            data_uri: self.uri(),
            backup_set_id: set,
            incremental,
            turn: 1,
            source_ls_id: LS.0,
            ls_turn: 1,
            ..Default::default()
        }
    }

    async fn restore(&mut self, spec: &RestoreDataSpec) -> Result<BTreeMap<String, Vec<u8>>, Failure> {
        self.restores += 1;
        let dir = self.root.path().join(format!("restored_{}", self.restores));
        let target = FakeTarget::new(&dir, Default::default());
        self.engine.targets.lock().unwrap().insert((RESTORED, LS), target);
        run_restore_data(&self.ctx, spec, task_key(RESTORED, LS, 0)).await?;
        let mut files = files_of(&dir);
        files.retain(|name, _| name.ends_with(".sst"));
        Ok(files)
    }
}

fn files_of(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
}

fn noise(mut seed: u64, bytes: usize) -> Vec<u8> {
    let words = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 16).to_le_bytes()
    });
    let mut noise: Vec<u8> = words.take(bytes.div_ceil(8)).flatten().collect();
    noise.truncate(bytes);
    noise
}

fn seal(byte: u8) -> SetSeal {
    SetSeal { cipher: 1, key: vec![byte; 32].into(), salt: vec![byte; 16].into() }
}

#[tokio::test]
async fn an_incremental_set_copies_what_is_new_and_every_set_of_the_chain_restores() {
    let mut world = World::new();
    let full = world.back_up(&world.spec(1)).await;
    assert_eq!((full.referenced_blocks, full.macro_block_count), (0, 8));
    let first = files_of(&world.source());

    world.remove("000003.sst");
    world.add(200_009, DataKind::Minor, &noise(50, 70_000));
    let second = world.back_up(&world.incremental(2, 1)).await;
    assert_eq!((second.referenced_blocks, second.macro_block_count), (6, 8), "all but sys data's own and the new one");
    assert!(second.output_bytes < 300_000, "{second:?}");
    let at_second = files_of(&world.source());

    // What was minor has sunk to the bottom meanwhile, under the same name: it is the same block.
    for block in &mut world.blocks {
        if block.kind == DataKind::Minor {
            block.kind = DataKind::Major;
        }
    }
    world.add(200_001, DataKind::Minor, &noise(51, 60_000));
    let third = world.back_up(&world.incremental(3, 2)).await;
    assert_eq!((third.referenced_blocks, third.macro_block_count), (7, 9));
    let at_third = files_of(&world.source());

    assert!(world.restore(&world.restore_spec(1, false)).await.unwrap() == first);
    assert!(world.restore(&world.restore_spec(2, true)).await.unwrap() == at_second);
    assert!(world.restore(&world.restore_spec(3, true)).await.unwrap() == at_third);
}

#[tokio::test]
async fn a_chain_whose_base_is_gone_or_damaged_is_not_continued() {
    let world = World::new();
    world.back_up(&world.spec(1)).await;
    let data = world.dest().join(format!("backup_set_1_full/logstream_{LS}/major_data_turn_1_retry_0"));
    std::fs::rename(&data, world.dest().join("away")).unwrap();
    run_backup_ls(&world.ctx, &world.incremental(2, 1), task_key(TENANT, LS, 0)).await.unwrap();
    let missing = world.index(2, true, 0).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.object.contains("backup_set_1_full/"), "{missing}");
    std::fs::remove_dir_all(world.dest().join("backup_set_1_full/infos")).unwrap();
    let missing = run_backup_ls(&world.ctx, &world.incremental(3, 1), task_key(TENANT, LS, 0)).await.unwrap_err();
    assert_eq!(missing.class, ErrorClass::NotFound);
    assert!(missing.object.contains("tenant_major_data_macro_range_index.0.obbak"), "{missing}");
}

#[tokio::test]
async fn what_a_failed_retry_finished_is_referenced_and_not_copied_again() {
    let mut world = World::new();
    let (plan, uri) = (FaultPlan::new(1), world.uri());
    let faults = plan.clone();
    let open = move |_: &str, _: &str, _| -> Result<Arc<dyn Medium>, Failure> {
        Ok(Arc::new(Faulty::new(strandline_media::open(&uri)?, faults.clone())))
    };
    let ctx = TaskCtx { open_medium: Arc::new(open), ..world.ctx.clone() };
    let fault = Fault::Refuse(ErrorClass::Transient);
    plan.add(FaultRule {
        op: Some(Op::Write),
        path_part: "major_data_turn_1_retry_0/macro_block_data.1".into(),
        skip: 1,
        times: 1,
        fault,
    });
    run_backup_ls(&ctx, &world.spec(1), task_key(TENANT, LS, 0)).await.unwrap_err();
    let failed = LsTurn { ls_id: LS.0, turn: 1, retry: 0 };
    let spec = BackupLsSpec { failed_retries: vec![failed], ..world.spec(1) };
    let result = run_backup_ls(&world.ctx, &spec, task_key(TENANT, LS, 1)).await.unwrap();
    // The sys block, the minor block, and what fitted into the first data file of 1 MiB.
    assert_eq!((result.referenced_blocks, result.macro_block_count), (5, 8), "{result:?}");
    world.index(1, false, 1).await.unwrap();
    let spec = RestoreDataSpec { ls_retry: 1, ..world.restore_spec(1, false) };
    let restored = world.restore(&spec).await.unwrap();
    assert!(restored == files_of(&world.source()));
}

#[tokio::test]
async fn what_a_failed_retry_wrote_under_another_password_or_left_damaged_is_copied_again() {
    let world = World::new();
    let sealed = BackupLsSpec { seal: Some(seal(1)), ..world.spec(1) };
    run_backup_ls(&world.ctx, &sealed, task_key(TENANT, LS, 0)).await.unwrap();
    let failed_retries = vec![LsTurn { ls_id: LS.0, turn: 1, retry: 0 }];
    let other = BackupLsSpec { seal: Some(seal(2)), failed_retries: failed_retries.clone(), ..world.spec(1) };
    let result = run_backup_ls(&world.ctx, &other, task_key(TENANT, LS, 1)).await.unwrap();
    assert_eq!(result.referenced_blocks, 0);
    let dir = world.dest().join(format!("backup_set_1_full/logstream_{LS}/major_data_turn_1_retry_0"));
    for file in files_of(&dir).keys() {
        let path = dir.join(file);
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, &content[..content.len() - 4096]).unwrap();
    }
    let same = BackupLsSpec { failed_retries, ..sealed };
    let result = run_backup_ls(&world.ctx, &same, task_key(TENANT, LS, 2)).await.unwrap();
    assert_eq!(result.referenced_blocks, 2, "the sys and the minor block; the other files have no trailer");
}

#[tokio::test]
async fn a_sealed_set_opens_with_its_password_only() {
    let mut world = World::new();
    world.back_up(&BackupLsSpec { seal: Some(seal(1)), ..world.spec(1) }).await;
    let on_medium: Vec<u8> =
        files_of(&world.dest().join(format!("backup_set_1_full/logstream_{LS}/minor_data_turn_1_retry_0")))
            .into_values()
            .flatten()
            .collect();
    let plain = std::fs::read(world.source().join("000008.sst")).unwrap();
    assert!(!on_medium.windows(64).any(|w| w == &plain[100..164]), "nothing of a block can be read");

    let lost = world.restore(&world.restore_spec(1, false)).await.unwrap_err();
    assert_eq!(lost.class, ErrorClass::Permission, "{lost}");
    assert!(lost.what.contains("was not given") && lost.todo.contains("password"), "{lost}");
    let wrong = RestoreDataSpec { seal_key: seal(2).key, ..world.restore_spec(1, false) };
    let wrong = world.restore(&wrong).await.unwrap_err();
    assert_eq!(wrong.class, ErrorClass::Permission, "{wrong}");
    let right = RestoreDataSpec { seal_key: seal(1).key, ..world.restore_spec(1, false) };
    assert!(world.restore(&right).await.unwrap() == files_of(&world.source()));

    // The next set of the chain has another password: a restore needs both.
    world.add(200_002, DataKind::Minor, &noise(90, 9000));
    world.back_up(&BackupLsSpec { seal: Some(seal(3)), ..world.incremental(2, 1) }).await;
    let newest = RestoreDataSpec { seal_key: seal(3).key, ..world.restore_spec(2, true) };
    assert_eq!(world.restore(&newest).await.unwrap_err().class, ErrorClass::Permission);
    let chain_keys = vec![SetKey { backup_set_id: 1, key: seal(1).key }];
    let both = RestoreDataSpec { chain_keys, ..newest };
    assert!(world.restore(&both).await.unwrap() == files_of(&world.source()));
}

#[tokio::test]
async fn blocks_are_packed_when_asked_unless_their_engine_did_it_already() {
    for (compression, sealed) in [(2, None), (3, None), (3, Some(seal(1)))] {
        let mut world = World::new();
        world.add(200_001, DataKind::Major, &b"one row is like every other row; ".repeat(20_000));
        let seal_key = sealed.as_ref().map(|s| s.key.clone()).unwrap_or_default();
        let spec = BackupLsSpec { compression, seal: sealed.clone(), ..world.spec(1) };
        let packed = world.back_up(&spec).await;
        let spec = RestoreDataSpec { seal_key, ..world.restore_spec(1, false) };
        assert!(world.restore(&spec).await.unwrap() == files_of(&world.source()));
        let stream = Arc::clone(&world.engine.streams.lock().unwrap()[&(TENANT, LS)]);
        stream.compressed.store(true, Ordering::SeqCst);
        let kept = world.back_up(&BackupLsSpec { compression, ..world.spec(2) }).await;
        assert!(packed.output_bytes + 500_000 < kept.output_bytes, "{packed:?} {kept:?}");
    }
}

#[tokio::test]
async fn an_order_with_a_key_or_compressor_that_is_none_is_refused() {
    let world = World::new();
    let short = SetSeal { key: vec![1; 7].into(), ..seal(1) };
    let unknown = SetSeal { cipher: 9, ..seal(1) };
    for spec in [
        BackupLsSpec { seal: Some(short), ..world.spec(1) },
        BackupLsSpec { seal: Some(unknown), ..world.spec(1) },
        BackupLsSpec { compression: 77, ..world.spec(1) },
    ] {
        let refused = run_backup_ls(&world.ctx, &spec, task_key(TENANT, LS, 0)).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Invalid, "{refused}");
    }
    assert!(!world.dest().join("backup_set_1_full").exists());
}

/// A chain of three, then the full set built out of it.
async fn synthetic(world: &mut World, sealed: Option<SetSeal>) -> (BackupLsResult, BackupLsResult) {
    world.back_up(&BackupLsSpec { seal: sealed.clone(), ..world.spec(1) }).await;
    world.remove("000003.sst");
    world.add(200_001, DataKind::Minor, &noise(60, 400_000));
    world.back_up(&BackupLsSpec { seal: sealed.clone(), ..world.incremental(2, 1) }).await;
    world.add(200_003, DataKind::Major, &noise(61, 400_000));
    let newest = world.back_up(&BackupLsSpec { seal: sealed.clone(), ..world.incremental(3, 2) }).await;
    let spec = SyntheticSpec {
        dest_uri: world.uri(),
        chain_set_id: 3,
        chain_incremental: true,
        chain_turn: 1,
        backup_set_id: 4,
        source_ls_id: LS.0,
        ls_turn: 1,
        data_file_bytes: 1 << 20,
        seal: sealed,
        ..Default::default()
    };
    // The replica is not asked.
    world.engine.streams.lock().unwrap().clear();
    let built = run_synthetic(&world.ctx, &spec, task_key(TENANT, LS, 0)).await.unwrap();
    assert_eq!(run_synthetic(&world.ctx, &spec, task_key(TENANT, LS, 0)).await.unwrap(), built, "it can be repeated");
    world.index(4, false, 0).await.unwrap();
    (newest, built)
}

#[tokio::test]
async fn a_synthetic_full_set_holds_what_its_chain_holds_and_needs_no_chain() {
    for sealed in [None, Some(seal(5))] {
        let mut world = World::new();
        let (newest, built) = synthetic(&mut world, sealed.clone()).await;
        assert_eq!(
            (built.base, built.checkpoint_scn, built.macro_block_count, built.input_bytes, &built.tablets),
            (newest.base, newest.checkpoint_scn, newest.macro_block_count, newest.input_bytes, &newest.tablets)
        );
        assert_eq!(built.ls_meta, newest.ls_meta);
        for set in ["backup_set_1_full", "backup_set_2_inc", "backup_set_3_inc"] {
            std::fs::remove_dir_all(world.dest().join(set)).unwrap();
        }
        let seal_key = sealed.map(|s| s.key).unwrap_or_default();
        let spec = RestoreDataSpec { seal_key, ..world.restore_spec(4, false) };
        assert!(world.restore(&spec).await.unwrap() == files_of(&world.source()));
    }
}

#[tokio::test]
async fn a_plain_chain_can_become_a_sealed_set_but_a_sealed_one_keeps_its_password() {
    let mut world = World::new();
    world.back_up(&world.spec(1)).await;
    let spec = SyntheticSpec {
        dest_uri: world.uri(),
        chain_set_id: 1,
        chain_turn: 1,
        backup_set_id: 2,
        source_ls_id: LS.0,
        ls_turn: 1,
        data_file_bytes: 1 << 20,
        seal: Some(seal(1)),
        ..Default::default()
    };
    run_synthetic(&world.ctx, &spec, task_key(TENANT, LS, 0)).await.unwrap();
    world.index(2, false, 0).await.unwrap();
    assert_eq!(world.restore(&world.restore_spec(2, false)).await.unwrap_err().class, ErrorClass::Permission);
    let right = RestoreDataSpec { seal_key: seal(1).key, ..world.restore_spec(2, false) };
    assert!(world.restore(&right).await.unwrap() == files_of(&world.source()));

    let again = SyntheticSpec { chain_set_id: 2, backup_set_id: 3, seal: Some(seal(2)), ..spec };
    let refused = run_synthetic(&world.ctx, &again, task_key(TENANT, LS, 0)).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Invalid);
    assert!(refused.todo.contains("full backup"), "{refused}");
    assert!(!world.dest().join("backup_set_3_full").exists());
}

#[tokio::test]
async fn the_dictionary_of_a_set_is_that_of_its_consistent_point() {
    let world = World::new();
    let sys = LsId::SYS;
    let mut stream = FakeStream::new(&world.source());
    stream.blocks.clone_from(&world.blocks);
    let stream = Arc::new(stream);
    world.engine.streams.lock().unwrap().insert((TENANT, sys), Arc::clone(&stream));
    let result = run_backup_ls(&world.ctx, &world.spec(1), task_key(TENANT, sys, 0)).await.unwrap();
    assert_eq!(result.dictionary.unwrap().version, 3, "the newest one of the stream is of version 4");
    assert_eq!(result.checkpoint_scn, Scn(100).0);
}

#[test]
fn a_key_is_printed_by_nothing() {
    assert_eq!(format!("{:?}", Key::from_slice(&seal(1).key).unwrap()), "Key(******)");
}
