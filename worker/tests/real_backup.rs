//! Backup over the built-in engine: a chain of sets, each restored and compared, and files that rot under a worker.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strandline_engine::BuiltInEngine;
use strandline_engine::{
    Access, Engine, EngineConfig, GroupConfig, KvWrite, Node, NodeConfig, Replica, ReplicaSpec, RestoreStart,
    SystemClock,
};
use strandline_proto::TaskKey;
use strandline_proto::v1::{self, BackupIndexSpec, BackupLsResult, BackupLsSpec, LsTurn, RestoreDataSpec};
use strandline_types::{CausalityToken, ErrorClass, Failure, JobId, LsId, NodeId, RetryId, TabletId, TenantId, TurnId};
use strandline_worker::backup::{run_backup_index, run_backup_ls};
use strandline_worker::restore::run_restore_data;
use strandline_worker::task_ctx::TaskCtx;
use support::real::{noise, until};

const SOURCE: TenantId = TenantId(1002);
const LS: LsId = LsId(1001);
const JOB: JobId = JobId(7);
const TABLETS: [TabletId; 2] = [TabletId(200_001), TabletId(200_002)];

type Content = BTreeMap<(TabletId, Bytes), Bytes>;

/// One worker with its engine, in a directory of its own.
struct Worker {
    dir: PathBuf,
    engine: Arc<Engine>,
}

impl Worker {
    async fn start(dir: PathBuf) -> Self {
        let node = Node::open(NodeConfig::new(1, dir.join("raft"))).unwrap();
        let mut config = EngineConfig::new(NodeId(1), dir.join("data"), Arc::new(SystemClock));
        config.group =
            GroupConfig { heartbeat_ms: 50, election_min_ms: 150, election_max_ms: 300, ..GroupConfig::log_stream() };
        config.write_buffer_bytes = 8 << 20;
        Self { dir, engine: Engine::open(config, node).await.unwrap() }
    }

    async fn order(&self, tenant: TenantId, restore: Option<RestoreStart>) {
        let members = BTreeMap::from([(NodeId(1), "127.0.0.1:1".to_owned())]);
        let spec = ReplicaSpec { tenant, ls: LS, members, bootstrap: true, restore };
        self.engine.ensure_replica(spec).await.unwrap();
    }

    async fn leader(&self, tenant: TenantId) -> Arc<Replica> {
        until("a leader", async || self.engine.replica(tenant, LS).filter(|r| r.status().is_leader)).await
    }

    fn ctx(&self) -> TaskCtx {
        let open = Arc::new(|uri: &str, _: &str, _| Ok(strandline_media::open(uri)?));
        TaskCtx::new(Arc::new(BuiltInEngine(Arc::clone(&self.engine))), open, self.dir.join("tasks"))
    }

    async fn back_up(&self, spec: BackupLsSpec, retry: u32) -> Result<BackupLsResult, Failure> {
        let min_checkpoint_scn = self.leader(SOURCE).await.status().max_scn.0;
        let compression = v1::Compression::None.into();
        let spec = BackupLsSpec { min_checkpoint_scn, data_file_bytes: 1 << 30, compression, ..spec };
        let result = run_backup_ls(&self.ctx(), &spec, key(SOURCE, LS, retry)).await?;
        let index = BackupIndexSpec {
            dest_uri: spec.dest_uri,
            backup_set_id: spec.backup_set_id,
            incremental: spec.incremental,
            parts: vec![LsTurn { ls_id: LS.0, turn: 1, retry }],
            ..Default::default()
        };
        run_backup_index(&self.ctx(), &index, key(SOURCE, LsId(0), 0)).await?;
        Ok(result)
    }

    /// What a set holds, as a tenant that was restored from it shows it.
    async fn restored(&self, tenant: TenantId, spec: RestoreDataSpec, backup: &BackupLsResult) -> Content {
        let waiting = RestoreStart { job: JOB, base: backup.base.unwrap().into(), start: false };
        self.order(tenant, Some(waiting)).await;
        run_restore_data(&self.ctx(), &spec, key(tenant, LS, 0)).await.unwrap();
        self.order(tenant, Some(RestoreStart { start: true, ..waiting })).await;
        let leader = self.leader(tenant).await;
        leader.set_access(Access::Open);
        content(&leader).await
    }
}

fn key(tenant_id: TenantId, ls_id: LsId, retry: u32) -> TaskKey {
    TaskKey { job_id: JOB, tenant_id, ls_id, kind: 0, turn: TurnId(1), retry: RetryId(retry) }
}

async fn write(worker: &Worker, oracle: &mut Content, keys: std::ops::Range<u64>, salt: u64) {
    let leader = worker.leader(SOURCE).await;
    for n in keys {
        let (tablet, key) = (TABLETS[(n % 2) as usize], Bytes::from(format!("key{n:05}")));
        let value = noise(n + salt * 100_000, 20_000);
        oracle.insert((tablet, key.clone()), value.clone());
        leader.write(vec![KvWrite { tablet, key, value: Some(value) }], CausalityToken::default()).await.unwrap();
    }
}

async fn content(replica: &Arc<Replica>) -> Content {
    let mut all = Content::new();
    for tablet in TABLETS {
        let mut start = Vec::new();
        loop {
            let page = replica.scan(tablet, &start, b"", 0).await.unwrap();
            if let Some((last, _)) = page.pairs.last() {
                start = [&last[..], &[0]].concat();
            }
            all.extend(page.pairs.into_iter().map(|(key, value)| ((tablet, key), value)));
            if !page.more {
                break;
            }
        }
    }
    all
}

fn destination(root: &Path) -> String {
    std::fs::create_dir_all(root.join("dest")).unwrap();
    format!("file://{}", root.join("dest").display())
}

fn restore_spec(data_uri: &str, set: u64, retry: u32) -> RestoreDataSpec {
    RestoreDataSpec {
        data_uri: data_uri.to_owned(),
        backup_set_id: set,
        incremental: set > 1,
        turn: 1,
        source_ls_id: LS.0,
        ls_turn: 1,
        ls_retry: retry,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_set_of_a_chain_of_three_comes_back_and_increments_are_small() {
    let root = tempfile::tempdir().unwrap();
    let uri = destination(root.path());
    let worker = Worker::start(root.path().join("w")).await;
    worker.order(SOURCE, None).await;
    let mut oracle = Content::new();
    write(&worker, &mut oracle, 0..600, 0).await;
    let mut moments = Vec::new();
    for set in 1..=3 {
        let spec = BackupLsSpec {
            dest_uri: uri.clone(),
            backup_set_id: set,
            incremental: set > 1,
            base_set_id: set - 1,
            base_turn: 1,
            base_incremental: set == 3,
            ..Default::default()
        };
        let result = worker.back_up(spec, 0).await.unwrap();
        if set > 1 {
            assert!(result.referenced_blocks > 0, "{result:?}");
            assert!(result.referenced_bytes * 2 > result.input_bytes, "{result:?}");
        }
        moments.push((set, result, oracle.clone()));
        write(&worker, &mut oracle, set * 100..set * 100 + 6, set).await;
    }
    for (set, backup, expected) in moments {
        let got = worker.restored(TenantId(1100 + set), restore_spec(&uri, set, 0), &backup).await;
        assert!(got == expected, "set {set}: {} of {} pairs", got.len(), expected.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_rots_under_a_worker_fails_the_task_and_another_replica_does_it() {
    let root = tempfile::tempdir().unwrap();
    let uri = destination(root.path());
    let mut oracle = Content::new();
    let mut workers = Vec::new();
    for name in ["a", "b"] {
        let worker = Worker::start(root.path().join(name)).await;
        worker.order(SOURCE, None).await;
        oracle.clear();
        write(&worker, &mut oracle, 0..200, 0).await;
        // Makes files of it.
        let point = root.path().join(format!("point_{name}"));
        worker.leader(SOURCE).await.checkpoint(&point).await.unwrap();
        std::fs::remove_dir_all(point).unwrap();
        workers.push(worker);
    }
    let rotten = largest_sst(&workers[0].dir);
    let mut bytes = std::fs::read(&rotten).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&rotten, bytes).unwrap();

    let spec = BackupLsSpec { dest_uri: uri.clone(), backup_set_id: 1, ..Default::default() };
    let failure = workers[0].back_up(spec.clone(), 0).await.unwrap_err();
    assert_eq!(failure.class, ErrorClass::Corrupt, "{failure}");
    let name = rotten.file_name().unwrap().to_str().unwrap();
    assert!(failure.object.contains(name) && failure.object.contains("tablet 20000"), "{failure}");
    assert!(failure.todo.contains("another replica"), "{failure}");

    let failed_retries = vec![LsTurn { ls_id: LS.0, turn: 1, retry: 0 }];
    let backup = workers[1].back_up(BackupLsSpec { failed_retries, ..spec }, 1).await.unwrap();
    let got = workers[1].restored(TenantId(1100), restore_spec(&uri, 1, 1), &backup).await;
    assert!(got == oracle, "{} of {} pairs", got.len(), oracle.len());
}

fn largest_sst(dir: &Path) -> PathBuf {
    fn walk(dir: &Path, found: &mut Vec<(u64, PathBuf)>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else if entry.path().extension().is_some_and(|e| e == "sst") {
                found.push((entry.metadata().unwrap().len(), entry.path()));
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, &mut found);
    found.into_iter().max().unwrap().1
}
