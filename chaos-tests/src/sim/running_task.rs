//! One task at one worker, and what the worker reports of it.

use super::settings::TENANT;
use std::collections::BTreeMap;
use strandline_scheduler_core::{TaskKey, TaskReport, TaskResult, TaskSpec, TaskState};
use strandline_types::Failure;

/// One task at one worker.
#[derive(Debug)]
pub(super) struct RunningTask {
    pub spec: TaskSpec,
    /// When it looks whether it can end.
    pub ends_ms: u64,
    pub end: Option<Result<TaskResult, Failure>>,
}

/// What a worker reports of its tasks.
pub(super) fn task_reports(tasks: &BTreeMap<TaskKey, RunningTask>) -> Vec<TaskReport> {
    let report = |(key, doing): (&TaskKey, &RunningTask)| TaskReport {
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
