//! Runs the tasks that the scheduler orders, each once under its identity, and keeps how they ended as long as the scheduler orders them.
//!
//! The orders are complete: a task that is not ordered any more is cancelled and forgotten. A task that has ended
//! is not begun again under the same identity; the scheduler orders another retry instead. An order that changes while
//! its task runs is handed to the task: those that follow an archive go on with it, the others need not look. Only so
//! many run at a time; the others wait for their turn. Tasks that follow take no turn: they would never give it back.

use crate::backup::{run_backup_index, run_backup_log, run_backup_ls, run_synthetic};
use crate::busy::Busy;
use crate::clean::run_clean;
use crate::dest_check::run_dest_check;
use crate::fingerprint::run_fingerprint;
use crate::restore::{run_recover_table, run_restore_data, run_restore_log};
use crate::task_ctx::{MediumOpener, Progress, TaskCtx, cancelled, no_tables};
use crate::validate::run_validate;
use parking_lot::{Mutex, MutexGuard};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use strandline_engine_api::{Engine, TableOpener};
use strandline_media::Waits;
use strandline_proto::v1::task_order::Spec;
use strandline_proto::v1::task_report::Result as TaskResult;
use strandline_proto::{TaskKey, v1};
use strandline_types::limits::WORKER_TASKS_MAX;
use strandline_types::{ErrorClass, Failure, NodeId};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type End = Result<Option<TaskResult>, Failure>;

struct Running {
    progress: Arc<Progress>,
    waits: Arc<Waits>,
    cancel: CancellationToken,
    begun_with: Option<Spec>,
    newest: watch::Sender<Option<Spec>>,
    end: Arc<OnceLock<End>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Hands on an order that is not the last one.
    fn take_order(&self, spec: Option<Spec>) {
        self.newest.send_if_modified(|newest| {
            let is_changed = spec != *newest.as_ref().map_or(&self.begun_with, |_| newest);
            if is_changed {
                newest.clone_from(&spec);
            }
            is_changed
        });
    }
}

/// Every task of this worker.
pub struct TaskRunner {
    worker: NodeId,
    engine: Arc<dyn Engine>,
    open_medium: MediumOpener,
    open_tables: TableOpener,
    scratch: PathBuf,
    room: Arc<Semaphore>,
    busy: Arc<Busy>,
    report_due: Arc<Notify>,
    tasks: Mutex<BTreeMap<TaskKey, Running>>,
}

impl fmt::Debug for TaskRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskRunner").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl TaskRunner {
    /// A runner without tasks. What tasks of an earlier process left in `scratch` is removed.
    #[must_use]
    pub fn new(
        worker: NodeId,
        engine: Arc<dyn Engine>,
        open_medium: MediumOpener,
        scratch: PathBuf,
        report_due: Arc<Notify>,
    ) -> Self {
        // Nothing there, or not removable: a task that needs the room says so.
        let _ = std::fs::remove_dir_all(&scratch);
        let room = Arc::new(Semaphore::new(WORKER_TASKS_MAX));
        let (open_tables, busy) = (no_tables(), Arc::default());
        Self { worker, engine, open_medium, open_tables, scratch, room, busy, report_due, tasks: Mutex::default() }
    }

    /// The same runner with a way to the tables of tenants.
    #[must_use]
    pub fn with_tables(self, open_tables: TableOpener) -> Self {
        Self { open_tables, ..self }
    }

    /// Makes what runs here equal to the orders.
    pub fn reconcile(&self, orders: Vec<v1::TaskOrder>) {
        let mut tasks = self.lock();
        let ordered: BTreeSet<TaskKey> = orders.iter().filter_map(|o| o.id.as_ref()).map(TaskKey::from).collect();
        tasks.retain(|key, running| {
            let keep = ordered.contains(key);
            if !keep {
                running.cancel.cancel();
            }
            keep
        });
        for order in orders {
            let Some(id) = order.id else { continue };
            let key = TaskKey::from(&id);
            match tasks.entry(key) {
                Entry::Vacant(free) => drop(free.insert(self.start(key, order.spec))),
                Entry::Occupied(running) => running.get().take_order(order.spec),
            }
        }
    }

    fn start(&self, key: TaskKey, spec: Option<Spec>) -> Running {
        let (progress, waits, cancel) = (Arc::<Progress>::default(), Arc::<Waits>::default(), CancellationToken::new());
        let end = Arc::<OnceLock<End>>::default();
        let (newest, changes) = watch::channel(None);
        let begun_with = spec.clone();
        let name = format!("{}-{}-{}-{}-{}-{}", key.job_id, key.tenant_id, key.ls_id, key.kind, key.turn, key.retry);
        let ctx = TaskCtx {
            engine: Arc::clone(&self.engine),
            open_medium: Arc::clone(&self.open_medium),
            open_tables: Arc::clone(&self.open_tables),
            progress: Arc::clone(&progress),
            waits: Arc::clone(&waits),
            cancel: cancel.clone(),
            changes,
            scratch: self.scratch.join(name),
        };
        let (done, report_due, room) = (Arc::clone(&end), Arc::clone(&self.report_due), Arc::clone(&self.room));
        let busy = Arc::clone(&self.busy);
        let task = tokio::spawn(async move {
            tracing::info!(task = ?key, "a task begins");
            let result = run_in_turn(&room, &busy, &ctx, spec, key).await;
            match &result {
                Ok(_) => tracing::info!(task = ?key, "a task is done"),
                Err(failure) => tracing::warn!(task = ?key, %failure, "a task failed"),
            }
            remove_scratch(&ctx.scratch).await;
            // Set once: this is the only writer.
            let _ = done.set(result);
            report_due.notify_one();
        });
        Running { progress, waits, cancel, begun_with, newest, end, task }
    }

    /// What every task reports, by a clock of this worker.
    #[must_use]
    pub fn reports(&self, now_ms: u64) -> Vec<v1::TaskReport> {
        self.lock().iter().map(|(key, running)| self.report(*key, running, now_ms)).collect()
    }

    fn report(&self, key: TaskKey, running: &Running, now_ms: u64) -> v1::TaskReport {
        let (state, failure, result) = match running.end.get() {
            Some(Ok(result)) => (v1::TaskState::Done, None, result.clone()),
            Some(Err(failure)) => (v1::TaskState::Failed, Some(failure.clone()), None),
            None if running.task.is_finished() => (v1::TaskState::Failed, Some(broken(key)), None),
            None => (v1::TaskState::Doing, None, None),
        };
        v1::TaskReport {
            id: Some(key.into()),
            executor: self.worker.0,
            state: state.into(),
            bytes_total: running.progress.total(),
            bytes_done: running.progress.done(),
            failure: failure.map(Into::into),
            result,
            waiting: running.waits.told().filter(|_| state == v1::TaskState::Doing).map(|(trouble, lasted)| {
                let lasted_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
                v1::TaskWaiting { trouble: Some(trouble.into()), since_ms: now_ms.saturating_sub(lasted_ms) }
            }),
            answered: running.waits.has_answered(),
        }
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().values().filter(|r| !r.task.is_finished()).count()
    }

    /// Cancels everything and waits for its end.
    pub async fn shutdown(&self) {
        let tasks = std::mem::take(&mut *self.lock());
        for running in tasks.values() {
            running.cancel.cancel();
        }
        for running in tasks.into_values() {
            // A task that panicked has nothing left to stop.
            let _ = running.task.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskKey, Running>> {
        self.tasks.lock()
    }
}

/// Waits for its turn, then runs.
async fn run_in_turn(room: &Semaphore, busy: &Arc<Busy>, ctx: &TaskCtx, spec: Option<Spec>, key: TaskKey) -> End {
    let waiting = ctx.waits.begin(no_turn());
    let _turn = tokio::select! {
        turn = room.acquire(), if !follows(spec.as_ref()) => turn.ok(),
        () = ctx.cancel.cancelled() => return Err(cancelled()),
        () = std::future::ready(()), if follows(spec.as_ref()) => None,
    };
    drop(waiting);
    let _running = busy.begin(key.kind);
    match spec.ok_or_else(|| unknown_task(key))? {
        Spec::BackupLs(s) => run_backup_ls(ctx, &s, key).await.map(|r| Some(TaskResult::BackupLs(r))),
        Spec::BackupIndex(s) => run_backup_index(ctx, &s, key).await.map(|r| Some(TaskResult::BackupIndex(r))),
        Spec::BackupLog(s) => run_backup_log(ctx, &s, key).await.map(|r| Some(TaskResult::BackupLog(r))),
        Spec::Synthetic(s) => run_synthetic(ctx, &s, key).await.map(|r| Some(TaskResult::BackupLs(r))),
        Spec::RestoreData(s) => run_restore_data(ctx, &s, key).await.map(|()| None),
        Spec::RestoreLog(s) => run_restore_log(ctx, &s, key).await.map(|r| Some(TaskResult::RestoreLog(r))),
        Spec::RecoverTable(s) => run_recover_table(ctx, &s, key).await.map(|r| Some(TaskResult::RecoverTable(r))),
        Spec::Validate(s) => run_validate(ctx, &s).await.map(|r| Some(TaskResult::Validate(r))),
        Spec::Clean(s) => run_clean(ctx, &s).await.map(|r| Some(TaskResult::Clean(r))),
        Spec::Fingerprint(s) => run_fingerprint(ctx, &s, key).await.map(|r| Some(TaskResult::Fingerprint(r))),
        Spec::DestCheck(s) => run_dest_check(ctx, &s).await.map(|r| Some(TaskResult::DestCheck(r))),
    }
}

fn no_turn() -> Failure {
    let what = format!("the worker runs as many tasks as it takes at once ({WORKER_TASKS_MAX})");
    Failure::new(ErrorClass::Transient, what, "its turn", "it begins when one of them ends")
}

/// True for a task that runs until it is no longer ordered.
fn follows(spec: Option<&Spec>) -> bool {
    matches!(spec, Some(Spec::RestoreLog(s)) if s.follow)
}

/// A job must end, also one that this worker is too old for.
fn unknown_task(key: TaskKey) -> Failure {
    let todo = "upgrade this worker: the scheduler orders a kind of task that it does not know";
    Failure::new(ErrorClass::Invalid, "an order without a known task in it", format!("{key:?}"), todo)
}

async fn remove_scratch(dir: &std::path::Path) {
    match tokio::fs::remove_dir_all(dir).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(dir = %dir.display(), %error, "scratch files of a task stay until the next start");
        }
        _ => {}
    }
}

fn broken(key: TaskKey) -> Failure {
    let todo = "report it together with the log of this worker; the scheduler tries again";
    Failure::new(ErrorClass::Transient, "the task ended by a defect of the worker", format!("{key:?}"), todo)
}
