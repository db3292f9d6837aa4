//! Runs steps with work on media beside the leader loop: one step at a time per subject (destination, round, backup
//! job), several subjects at once. A medium that does not answer holds up its own subject and nothing else.
//!
//! A step that fails is recorded in the State once per kind of failure and comes back with the next plan after a pause
//! that grows. A step that does not answer is reported as trouble while it is waited for; it is never started twice. A
//! step of a job that has ended, or has come to another stage, is given up: nothing of it is written when the medium
//! answers again. A step that ends by a defect of ours is a failed one.

use crate::effects;
use crate::node::SchedulerNode;
use futures::FutureExt;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use strandline_scheduler_core::{Action, Step, Subject, failure_action};
use strandline_types::limits::MEDIUM_SILENT_MS;
use strandline_types::{ErrorClass, Failure};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Steps on media at once.
const RUNNING_MAX: usize = 64;
/// First pause after a failure; doubles with every further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Work that takes longer is reported as trouble.
const SILENT_MAX: Duration = Duration::from_millis(MEDIUM_SILENT_MS);

/// Runs the steps of a node.
pub struct StepRunner {
    inner: Arc<Inner>,
}

struct Inner {
    node: Arc<SchedulerNode>,
    stop: CancellationToken,
    subjects: Mutex<BTreeMap<Subject, SubjectState>>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct SubjectState {
    /// The step under way.
    running: Option<Running>,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Running {
    step: Step,
    give_up: CancellationToken,
}

impl StepRunner {
    /// With no step yet.
    pub fn new(node: Arc<SchedulerNode>, stop: CancellationToken) -> Self {
        Self { inner: Arc::new(Inner { node, stop, subjects: Mutex::default(), ended: Notify::new() }) }
    }

    /// Gives up what is under way for jobs that do not want it any more by the present plan, and forgets what is not
    /// planned any more when its pause is over. A node that does not lead has no plan.
    pub fn keep(&self, plan: &[Step]) {
        let is_planned = |subject: &Subject| plan.iter().any(|step| step.subject.as_ref() == Some(subject));
        self.inner.subjects().retain(|subject, state| match &state.running {
            Some(running) => {
                if running.step.is_void(plan) {
                    running.give_up.cancel();
                }
                true
            }
            None => is_planned(subject) || state.not_before.is_some_and(|t| t > Instant::now()),
        });
    }

    /// Starts a step unless its subject has one under way or pauses, or too many steps are under way.
    pub fn start(&self, step: Step) {
        let Some(subject) = step.subject else {
            debug!(?step, "a step with work and without subject is a defect of the plan");
            return;
        };
        let give_up = CancellationToken::new();
        {
            let mut subjects = self.inner.subjects();
            let running = subjects.values().filter(|s| s.running.is_some()).count();
            let state = subjects.entry(subject).or_default();
            let pauses = state.not_before.is_some_and(|t| t > Instant::now());
            if state.running.is_some() || running >= RUNNING_MAX || pauses {
                return;
            }
            state.running = Some(Running { step: step.clone(), give_up: give_up.clone() });
        }
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let outcome = tokio::select! {
                () = inner.stop.cancelled() => return,
                // The next step of this subject is another one: it starts without a pause.
                () = give_up.cancelled() => Ok(()),
                outcome = AssertUnwindSafe(inner.run(&step)).catch_unwind() => match outcome {
                    Ok(outcome) => outcome,
                    // The subject goes on: nothing but the step's own values was in use.
                    Err(_) => {
                        inner.record(&step, broken(subject)).await;
                        Err(())
                    }
                },
            };
            inner.end(subject, outcome.is_ok());
        });
    }

    /// Waits until some step ends.
    pub async fn ended(&self) {
        self.inner.ended.notified().await;
    }
}

fn broken(subject: Subject) -> Failure {
    let what = "the work ended by a defect of the scheduler";
    let todo = "report it together with the log of this scheduler; it is tried again";
    Failure::new(ErrorClass::Transient, what, format!("{subject:?}"), todo)
}

impl Inner {
    fn subjects(&self) -> parking_lot::MutexGuard<'_, BTreeMap<Subject, SubjectState>> {
        self.subjects.lock()
    }

    async fn run(&self, step: &Step) -> Result<(), ()> {
        for work in &step.work {
            let doing = effects::run(work);
            tokio::pin!(doing);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut doing => break outcome,
                    () = tokio::time::sleep(SILENT_MAX) => self.record(step, effects::silent(work)).await,
                }
            };
            match outcome {
                Ok(None) => {}
                Ok(Some(found)) => self.propose(found).await?,
                Err(failure) => {
                    self.record(step, failure).await;
                    return Err(());
                }
            }
        }
        self.propose(step.then.clone()).await
    }

    async fn propose(&self, action: Action) -> Result<(), ()> {
        self.node.act(action).await.map(|_| ()).map_err(|failure| {
            debug!(%failure, "the end of a step could not be proposed; the next leader repeats it");
        })
    }

    /// Tells the State of a failure, unless it knows.
    async fn record(&self, step: &Step, failure: Failure) {
        if !self.node.leads() {
            return;
        }
        if let Some(action) = self.node.read(|s| failure_action(s, step, failure.clone())) {
            warn!(%failure, subject = ?step.subject, "work on a medium failed");
            if let Err(error) = self.node.act(action).await {
                debug!(%error, "a failure could not be recorded");
            }
        }
    }

    fn end(&self, subject: Subject, good: bool) {
        let mut subjects = self.subjects();
        if good {
            subjects.remove(&subject);
        } else if let Some(state) = subjects.get_mut(&subject) {
            state.running = None;
            let pause = PAUSE_FIRST.saturating_mul(1 << state.failures.min(16)).min(PAUSE_MAX);
            state.not_before = Some(Instant::now() + pause);
            state.failures = state.failures.saturating_add(1);
        }
        drop(subjects);
        self.ended.notify_one();
    }
}
