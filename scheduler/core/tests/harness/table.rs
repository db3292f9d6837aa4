//! What tables of transitions are made of: a world that stands where a row begins, and a look at what a command has left.

use super::World;
use super::jobs::execute as execute_drill;
use strandline_scheduler_core::state::{DrillStage, RecoverStage, Stage, TaskRun};
use strandline_scheduler_core::*;
use strandline_types::*;

pub const DRILL_STAGES: [DrillStage; 7] = [
    DrillStage::Source,
    DrillStage::Choose,
    DrillStage::Restore,
    DrillStage::Restored,
    DrillStage::Drop,
    DrillStage::Proven,
    DrillStage::Failed,
];

pub const RECOVER_STAGES: [RecoverStage; 5] = [
    RecoverStage::Prepare,
    RecoverStage::Importing,
    RecoverStage::Completed,
    RecoverStage::Failed,
    RecoverStage::Canceled,
];

/// Every stage of every kind of job.
pub fn every_stage() -> Vec<Stage> {
    let backup = BackupJobStatus::ALL.into_iter().map(Stage::Backup);
    let restore = RestoreStage::ALL.into_iter().map(Stage::Restore);
    let clean = CleanStage::ALL.into_iter().map(Stage::CleanTask);
    let others = DRILL_STAGES.into_iter().map(Stage::Drill).chain(RECOVER_STAGES.into_iter().map(Stage::RecoverTable));
    backup.chain(restore).chain(clean).chain(others).collect()
}

pub fn failure(class: ErrorClass) -> Failure {
    Failure::new(class, "it went wrong", "it", "")
}

impl World {
    /// Only the clock may have gone on.
    pub fn is_untouched_since(&self, before: State, what: &Action) {
        let clock_ms = self.state.clock_ms;
        assert_eq!(State { clock_ms, ..before }, self.state, "{what:?} has left a trace");
    }

    /// A command that finds nothing to do leaves no trace but the clock.
    pub fn is_void(&mut self, action: Action) {
        let before = self.state.clone();
        assert_eq!(self.act(action.clone()), Ok(Done::Nothing), "{action:?}");
        self.is_untouched_since(before, &action);
    }

    /// A command that is refused leaves no trace but the clock; gives the refusal.
    pub fn is_refused(&mut self, action: Action) -> Failure {
        let before = self.state.clone();
        let refusal = self.act(action.clone()).expect_err("it is refused");
        self.is_untouched_since(before, &action);
        refusal
    }

    /// A command that does something, and nothing when it comes a second time.
    pub fn does_once(&mut self, action: Action) {
        assert_eq!(self.act(action.clone()), Ok(Done::Ok), "{action:?}");
        self.now_ms += 1;
        self.is_void(action);
    }

    /// Time passes, one command at a time, until something holds; the leader stops there.
    pub fn stop_when(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        for _ in 0..2_000 {
            if holds(self) {
                return;
            }
            self.now_ms += limits::HEARTBEAT_MS;
            self.beat();
            for step in plan(&self.state, self.now_ms).steps {
                if holds(self) {
                    return;
                }
                if step.work.iter().any(|work| matches!(work, MediumWork::Drill(_))) {
                    execute_drill(self, step);
                } else {
                    self.execute(step);
                }
            }
        }
        panic!("never came: {what}");
    }

    /// Proposes every step from every stage to every other one: those from `here` to one of `may` are done, once, and
    /// all others are void.
    pub fn advances_only(&self, job: JobId, here: Stage, may: &[Stage]) {
        let mut w = self.clone();
        let all = every_stage();
        let is_same_kind = |a: &Stage| std::mem::discriminant(a) == std::mem::discriminant(&here);
        for from in &all {
            for to in &all {
                // Two foreign stages say nothing that one does not.
                let is_told = is_same_kind(from) || may.contains(to);
                let is_step = *from == here && may.contains(to);
                if is_told && !is_step {
                    w.is_void(Action::AdvanceJob { job, from: *from, to: *to });
                }
            }
        }
        for to in may {
            let mut w = self.clone();
            w.now_ms += 5;
            w.does_once(Action::AdvanceJob { job, from: here, to: *to });
            assert_eq!(w.state.jobs[&job].head().progress_ms, w.state.clock_ms - 1, "a step is progress");
            assert_eq!(w.state.jobs[&job].head().trouble, None, "what held it up is over");
        }
    }

    /// A report of a worker that says nothing but how its tasks are.
    pub fn says(&self, worker: NodeId, tasks: Vec<TaskReport>) -> WorkerReport {
        WorkerReport {
            worker_id: worker,
            address: format!("127.0.0.1:{}", 7000 + worker.0),
            boot_id: self.boot[&worker],
            clock_ms: self.now_ms,
            replicas: Vec::new(),
            archive: Vec::new(),
            archive_waiting: Vec::new(),
            tasks,
            replica_troubles: Default::default(),
            free_bytes: None,
        }
    }

    pub fn hear(&mut self, report: WorkerReport) {
        self.act(Action::Heartbeats(vec![report])).unwrap();
    }

    /// The tasks of a job that run in its present stage, each with the key of its present attempt.
    pub fn attempts(&self, job: JobId) -> Vec<(TaskKey, TaskRun)> {
        let head = self.state.jobs[&job].head();
        let key = |task: TaskId, run: &TaskRun| TaskKey {
            job_id: job,
            tenant_id: head.tenant_id,
            part: task.part,
            kind: task.kind,
            turn: run.turn,
            retry: run.retry,
        };
        head.runs.iter().map(|(task, run)| (key(task, run), run.clone())).collect()
    }
}

/// What a worker says of an attempt.
pub fn said(key: TaskKey, state: TaskState, bytes_done: u64) -> TaskReport {
    TaskReport { key, state, bytes_total: 100, bytes_done, failure: None, result: None, waiting: None, answered: true }
}

pub fn said_failed(key: TaskKey, failure: Failure) -> TaskReport {
    TaskReport { failure: Some(failure), ..said(key, TaskState::Failed, 0) }
}
