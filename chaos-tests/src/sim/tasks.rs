//! The tasks of the workers: backups of a log stream at a consistent point of some replica.
//!
//! Bytes of blocks are not simulated. What counts is what a set promises: the base at which replay begins, and the SCN
//! that it holds everything up to. A task takes its time, fails now and then, and is forgotten with its process.

use super::world::{TENANT, World};
use std::collections::BTreeMap;
use strandline_scheduler_core::state::Dictionary;
use strandline_scheduler_core::{
    BackupIndexResult, BackupLsResult, BackupLsSpec, TaskKey, TaskOrder, TaskReport, TaskResult, TaskSpec, TaskState,
};
use strandline_types::{ErrorClass, Failure, LsId, NodeId};

/// One task at one worker.
#[derive(Debug)]
pub(super) struct Doing {
    spec: TaskSpec,
    /// When it looks whether it can end.
    ends_ms: u64,
    end: Option<Result<TaskResult, Failure>>,
}

impl World {
    /// The tasks become what the orders say.
    pub(super) fn take_tasks(&mut self, id: NodeId, orders: &[TaskOrder]) {
        let now_ms = self.now_ms;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.tasks.retain(|key, _| orders.iter().any(|o| o.key == *key));
        for order in orders {
            let ends_ms = now_ms + self.rng.between(20, 1500);
            let fresh = || Doing { spec: order.spec.clone(), ends_ms, end: None };
            worker.tasks.entry(order.key).or_insert_with(fresh);
        }
    }

    /// Tasks whose time has come end, well or badly.
    pub(super) fn end_tasks(&mut self, id: NodeId) {
        let now_ms = self.now_ms;
        let Some(worker) = self.workers.get(&id) else { return };
        let due = |d: &Doing| d.end.is_none() && d.ends_ms <= now_ms;
        let due: Vec<(TaskKey, TaskSpec)> =
            worker.tasks.iter().filter(|(_, d)| due(d)).map(|(k, d)| (*k, d.spec.clone())).collect();
        for (key, spec) in due {
            let mut end = if self.rng.chance(100) { Some(Err(hiccup(key))) } else { self.task_end(id, key, &spec) };
            if let Some(Ok(TaskResult::BackupLs(result))) = &end
                && *self.points.entry(key).or_insert(result.base) != result.base
            {
                // A process that forgot what it wrote finds the files of the attempt, with other bytes in them.
                end = Some(Err(Failure::new(ErrorClass::Fenced, "other bytes are there", key.to_string(), "")));
            }
            if let Some(doing) = self.workers.get_mut(&id).and_then(|w| w.tasks.get_mut(&key)) {
                doing.end = end;
            }
        }
    }

    /// `None` while the task has to wait.
    fn task_end(&self, id: NodeId, key: TaskKey, spec: &TaskSpec) -> Option<Result<TaskResult, Failure>> {
        match spec {
            TaskSpec::BackupLs(spec) => Some(Ok(TaskResult::BackupLs(self.backup_ls(id, key.ls_id, spec)?))),
            TaskSpec::BackupIndex(_) => {
                Some(Ok(TaskResult::BackupIndex(BackupIndexResult { file_count: 3, output_bytes: 4096 })))
            }
            other => {
                let what = "the simulation does not do this";
                Some(Err(Failure::new(ErrorClass::Invalid, what, format!("{other:?}"), "")))
            }
        }
    }

    /// A consistent point is where the replica stands; it must have come far enough.
    fn backup_ls(&self, id: NodeId, ls: LsId, spec: &BackupLsSpec) -> Option<BackupLsResult> {
        let stream = self.streams.get(&ls)?;
        let replica = stream.replicas.get(&id).filter(|r| r.max_scn >= spec.min_checkpoint_scn)?;
        let (base, _) = stream.applied(replica.end).ok()?;
        let version = stream.dictionary_version;
        Some(BackupLsResult {
            base,
            checkpoint_scn: base.prev_scn,
            tablet_count: 1,
            dictionary: (ls == LsId::SYS).then(|| Dictionary { version, ..Dictionary::default() }),
            ..BackupLsResult::default()
        })
    }
}

fn hiccup(key: TaskKey) -> Failure {
    Failure::new(ErrorClass::Transient, "the task came to nothing", key.to_string(), "try again")
}

/// What a worker says of its tasks.
pub(super) fn task_reports(tasks: &BTreeMap<TaskKey, Doing>) -> Vec<TaskReport> {
    let report = |(key, doing): (&TaskKey, &Doing)| TaskReport {
        key: *key,
        state: match &doing.end {
            None => TaskState::Doing,
            Some(Ok(_)) => TaskState::Done,
            Some(Err(_)) => TaskState::Failed,
        },
        bytes_total: 1,
        bytes_done: u64::from(doing.end.is_some()),
        failure: doing.end.as_ref().and_then(|e| e.as_ref().err().cloned()),
        result: doing.end.as_ref().and_then(|e| e.as_ref().ok().cloned()),
    };
    tasks.iter().filter(|(key, _)| key.tenant_id == TENANT).map(report).collect()
}
