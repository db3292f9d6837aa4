//! The tasks of the workers: backups of a log stream, indexes of a set, and deletions.
//!
//! A task takes its time, fails now and then, and is forgotten with its process; what it has put on the medium or taken
//! from there stays so.

use super::running_task::RunningTask;
use super::world::World;
use strandline_scheduler_core::{CleanResult, CleanSpec, TaskKey, TaskKind, TaskOrder, TaskResult, TaskSpec};
use strandline_types::{ErrorClass, Failure, NodeId};

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
            let fresh = || RunningTask { spec: order.spec.clone(), ends_ms, end: None };
            worker.tasks.entry(order.key).or_insert_with(fresh);
        }
    }

    /// Tasks whose time has come end, well or badly.
    pub(super) fn end_tasks(&mut self, id: NodeId) {
        let now_ms = self.now_ms;
        let Some(worker) = self.workers.get(&id) else { return };
        let due = |d: &RunningTask| d.end.is_none() && d.ends_ms <= now_ms;
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

    /// A worker deletes everything below some directories. What fails in the middle is tried again from the start.
    fn clean_directories(&mut self, spec: &CleanSpec) -> Result<CleanResult, Failure> {
        let mut done = CleanResult::default();
        for dir in &spec.directories {
            for (path, bytes) in self.medium.list(&mut self.rng, &format!("{dir}/"))? {
                self.medium.delete(&mut self.rng, &path)?;
                done.objects += 1;
                done.bytes += bytes;
            }
        }
        Ok(done)
    }
}

fn hiccup(key: TaskKey) -> Failure {
    Failure::new(ErrorClass::Transient, "the task came to nothing", key.to_string(), "try again")
}
