//! The tasks of the workers: backups of a log stream, indexes of a set, and deletions.
//!
//! A task takes its time, fails now and then, and is forgotten with its process; what it has put on the medium or taken
//! from there stays so.

use super::world::{TENANT, World};
use std::collections::BTreeMap;
use strandline_scheduler_core::{TaskKey, TaskKind, TaskOrder, TaskReport, TaskResult, TaskSpec, TaskState};
use strandline_types::{ErrorClass, Failure, NodeId};

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
            // Deletions are many and short.
            let longest = if order.key.kind == TaskKind::Clean { 300 } else { 1000 };
            let ends_ms = now_ms + self.rng.between(20, longest);
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
            let end = if self.rng.chance(100) { Some(Err(hiccup(key))) } else { self.task_end(id, key, &spec) };
            if let Some(doing) = self.workers.get_mut(&id).and_then(|w| w.tasks.get_mut(&key)) {
                doing.end = end;
            }
        }
    }

    /// `None` while the task has to wait.
    fn task_end(&mut self, id: NodeId, key: TaskKey, spec: &TaskSpec) -> Option<Result<TaskResult, Failure>> {
        match spec {
            TaskSpec::BackupLs(spec) => Some(self.backup_ls(id, key, spec)?.map(TaskResult::BackupLs)),
            TaskSpec::BackupIndex(spec) => Some(self.backup_index(key, spec).map(TaskResult::BackupIndex)),
            TaskSpec::Clean(spec) => Some(self.clean_directories(spec).map(TaskResult::Clean)),
            other => {
                let what = "the simulation does not do this";
                Some(Err(Failure::new(ErrorClass::Invalid, what, format!("{other:?}"), "")))
            }
        }
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
        waiting: None,
        answered: doing.end.is_some(),
    };
    tasks.iter().filter(|(key, _)| key.tenant_id == TENANT).map(report).collect()
}
