//! A worker that heartbeats, archives and answers tasks, without an engine behind it.

use super::backup_files;
use super::fake_log::{FakeArchive, FakeLog};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strandline_proto::v1;
use strandline_proto::v1::cluster_client::ClusterClient;
use strandline_proto::v1::{task_order::Spec, task_report::Result as TaskResult};
use strandline_types::{LsId, Scn, limits};
use tokio::task::JoinHandle;

const BEAT: Duration = Duration::from_millis(40);

pub struct FakeWorker {
    task: JoinHandle<()>,
    /// The newest orders of a leader.
    pub orders: Arc<Mutex<v1::WorkerOrders>>,
    /// When set, backup tasks fail.
    pub fail_tasks: Arc<AtomicBool>,
    /// When set, nothing is appended: an idle tenant.
    pub idle: Arc<AtomicBool>,
}

impl Drop for FakeWorker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

impl FakeWorker {
    pub fn start(id: u64, schedulers: Vec<String>) -> Self {
        let orders = Arc::new(Mutex::new(v1::WorkerOrders::default()));
        let fail_tasks = Arc::new(AtomicBool::new(false));
        let idle = Arc::new(AtomicBool::new(false));
        let mut body = Body {
            id,
            schedulers,
            at: 0,
            logs: BTreeMap::new(),
            archives: BTreeMap::new(),
            done: BTreeMap::new(),
            dictionaries: BTreeMap::new(),
            orders: Arc::clone(&orders),
            fail_tasks: Arc::clone(&fail_tasks),
            idle: Arc::clone(&idle),
        };
        let task = tokio::spawn(async move {
            loop {
                body.beat().await;
                tokio::time::sleep(BEAT).await;
            }
        });
        Self { task, orders, fail_tasks, idle }
    }
}

struct Body {
    id: u64,
    schedulers: Vec<String>,
    at: usize,
    logs: BTreeMap<(u64, u64), FakeLog>,
    archives: BTreeMap<(u64, u64, u64), FakeArchive>,
    done: BTreeMap<(u64, u64, i32, u32, u32), v1::TaskReport>,
    dictionaries: BTreeMap<u64, v1::Dictionary>,
    orders: Arc<Mutex<v1::WorkerOrders>>,
    fail_tasks: Arc<AtomicBool>,
    idle: Arc<AtomicBool>,
}

impl Body {
    async fn beat(&mut self) {
        let orders = self.orders.lock().unwrap().clone();
        let replicas = self.replicas(&orders);
        let archive = self.archive(&orders).await;
        let tasks = self.tasks(&orders).await;
        let report = v1::WorkerReport {
            worker_id: self.id,
            address: format!("127.0.0.1:{}", 40_000 + self.id),
            boot_id: 1,
            clock_ms: now_ns() / 1_000_000,
            replicas,
            archive,
            tasks,
            archive_waiting: Vec::new(),
            replica_troubles: Vec::new(),
            free_bytes: None,
        };
        let address = format!("http://{}", self.schedulers[self.at]);
        let answer = async {
            let endpoint = tonic::transport::Endpoint::from_shared(address).ok()?;
            let channel = endpoint.timeout(Duration::from_secs(2)).connect().await.ok()?;
            let mut client = ClusterClient::new(channel).max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX);
            Some(client.heartbeat(report).await.ok()?.into_inner())
        };
        match answer.await {
            Some(orders) if orders.is_leader => *self.orders.lock().unwrap() = orders,
            _ => self.at = (self.at + 1) % self.schedulers.len(),
        }
    }

    /// The first member leads every group.
    fn replicas(&mut self, orders: &v1::WorkerOrders) -> Vec<v1::ReplicaReport> {
        let mut reports = Vec::new();
        for r in &orders.replicas {
            if r.restore.as_ref().is_some_and(|restore| !restore.start) {
                continue;
            }
            let leader = r.members[0];
            let log = self.logs.entry((r.tenant_id, r.ls_id)).or_insert_with(FakeLog::new);
            if leader == self.id {
                if !self.idle.load(Ordering::Relaxed) {
                    log.append(Scn(now_ns().max(r.keep_alive_scn)));
                } else if log.base().prev_scn.0 < r.keep_alive_scn {
                    log.append(Scn(r.keep_alive_scn));
                }
            }
            if let Some(dictionary) = &r.dictionary {
                self.dictionaries.insert(r.tenant_id, dictionary.clone());
            }
            let dictionary = self.dictionaries.get(&r.tenant_id);
            let restoring = r.restore.is_some();
            reports.push(v1::ReplicaReport {
                tenant_id: r.tenant_id,
                ls_id: r.ls_id,
                is_leader: leader == self.id,
                term: 1,
                leader_node: leader,
                end_lsn: log.base().lsn.0,
                max_scn: log.base().prev_scn.0,
                dictionary_version: dictionary.filter(|_| r.ls_id == 1).map_or(0, |d| d.version),
                restored_dictionary: (restoring && r.ls_id == 1).then(|| v1::Dictionary {
                    version: 1,
                    scn: 1,
                    ..Default::default()
                }),
                replayed_scn: if restoring { u64::MAX / 2 } else { 0 },
                ..Default::default()
            });
        }
        reports
    }

    async fn archive(&mut self, orders: &v1::WorkerOrders) -> Vec<v1::ArchiveProgress> {
        let mut reports = Vec::new();
        for round in &orders.rounds {
            let medium = strandline_media::open(&round.dest_uri).unwrap();
            let led = orders.replicas.iter().filter(|r| r.tenant_id == round.tenant_id && r.members[0] == self.id);
            for r in led {
                let Some(log) = self.logs.get(&(r.tenant_id, r.ls_id)) else { continue };
                let key = (r.tenant_id, r.ls_id, round.round_id);
                let archive = self.archives.entry(key).or_insert_with(FakeArchive::new);
                let written = archive.write(log, LsId(r.ls_id), round, medium.as_ref()).await;
                let trouble = written.err().map(|e| strandline_types::Failure::from(e).into());
                reports.push(v1::ArchiveProgress { trouble, ..archive.progress(r.tenant_id, r.ls_id, round) });
            }
        }
        reports
    }

    async fn tasks(&mut self, orders: &v1::WorkerOrders) -> Vec<v1::TaskReport> {
        let mut reports = Vec::new();
        for order in &orders.tasks {
            let (Some(id), Some(spec)) = (&order.id, &order.spec) else { continue };
            let key = (id.job_id, id.ls_id, id.kind, id.turn, id.retry);
            if !self.done.contains_key(&key) {
                let report = self.run(id, spec).await;
                self.done.insert(key, report);
            }
            reports.push(self.done[&key].clone());
        }
        reports
    }

    async fn run(&self, id: &v1::TaskId, spec: &Spec) -> v1::TaskReport {
        let mut report = v1::TaskReport {
            id: Some(*id),
            executor: self.id,
            state: v1::TaskState::Done.into(),
            bytes_total: 100,
            bytes_done: 100,
            ..Default::default()
        };
        if self.fail_tasks.load(Ordering::Relaxed) {
            report.state = v1::TaskState::Failed.into();
            report.failure = Some(v1::Failure {
                class: 5,
                code: 0,
                what: "the block is damaged".into(),
                object: "macro block 1".into(),
                todo: "look at the disk".into(),
            });
            return report;
        }
        report.result = match spec {
            Spec::BackupLs(spec) => Some(TaskResult::BackupLs(self.backup_ls(id, spec).await)),
            Spec::BackupIndex(spec) => {
                let medium = strandline_media::open(&spec.dest_uri).unwrap();
                backup_files::tenant_index(medium.as_ref(), id, spec).await;
                Some(TaskResult::BackupIndex(v1::BackupIndexResult { file_count: 8, output_bytes: 8192 }))
            }
            Spec::BackupLog(spec) => Some(TaskResult::BackupLog(backup_files::copy_log(spec).await)),
            Spec::Synthetic(spec) => {
                let as_full = v1::BackupLsSpec {
                    dest_uri: spec.dest_uri.clone(),
                    backup_set_id: spec.backup_set_id,
                    ..Default::default()
                };
                Some(TaskResult::BackupLs(self.backup_ls(id, &as_full).await))
            }
            Spec::RestoreData(_) => None,
            Spec::RestoreLog(spec) => {
                Some(TaskResult::RestoreLog(v1::RestoreLogResult { replayed_scn: spec.target_scn, replayed_bytes: 1 }))
            }
            Spec::DestCheck(_) => Some(TaskResult::DestCheck(v1::DestCheckResult::default())),
            other => panic!("this worker cannot do {other:?} yet"),
        };
        report
    }

    async fn backup_ls(&self, id: &v1::TaskId, spec: &v1::BackupLsSpec) -> v1::BackupLsResult {
        let medium = strandline_media::open(&spec.dest_uri).unwrap();
        let base: v1::PalfBase = self.logs[&(id.tenant_id, id.ls_id)].base().into();
        let checkpoint_scn = spec.min_checkpoint_scn.max(base.prev_scn);
        let ls_meta = backup_files::log_stream(medium.as_ref(), id, spec, base, checkpoint_scn).await;
        v1::BackupLsResult {
            base: Some(base),
            checkpoint_scn,
            input_bytes: 100,
            output_bytes: 100,
            macro_block_count: 0,
            tablet_count: 1,
            file_count: 14,
            tablets: vec![200_001],
            ls_meta: ls_meta.into(),
            dictionary: (id.ls_id == 1).then(|| self.dictionaries.get(&id.tenant_id).cloned()).flatten(),
            ..Default::default()
        }
    }
}
