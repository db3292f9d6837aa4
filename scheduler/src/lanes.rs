//! Work on media beside the leader loop: per subject (destination, round, backup job) one step at a time, subjects
//! side by side. A dead medium holds up its own lane and nothing else.
//!
//! A step that fails is recorded in the State once per kind of failure and comes back with the next plan after a pause
//! that grows. A step that does not answer is reported as trouble while it is waited for; it is never started twice. A
//! step of a job that has ended, or has come to another stage, is given up: nothing of it is written when the medium
//! answers again. A step that ends by a defect of ours is a failed one.

use crate::effects;
use crate::node::SchedulerNode;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use strandline_scheduler_core::{Action, Step, Subject, failure_action};
use strandline_types::limits::MEDIUM_SILENT_MS;
use strandline_types::{ErrorClass, Failure};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Steps on media at once.
const LANES_MAX: usize = 64;
/// First pause after a failure; doubles with every further one.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Work that takes longer is reported as trouble.
const SILENT_MAX: Duration = Duration::from_millis(MEDIUM_SILENT_MS);

/// All lanes of a node.
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    node: Arc<SchedulerNode>,
    stop: CancellationToken,
    lanes: Mutex<BTreeMap<Subject, Lane>>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Lane {
    /// The step under way.
    busy: Option<Busy>,
    failures: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Busy {
    step: Step,
    give_up: CancellationToken,
}

impl Lanes {
    /// No lane yet.
    pub fn new(node: Arc<SchedulerNode>, stop: CancellationToken) -> Self {
        Self { inner: Arc::new(Inner { node, stop, lanes: Mutex::default(), ended: Notify::new() }) }
    }

    /// Gives up what is under way for jobs that do not want it any more by the present plan, and forgets what is not
    /// planned any more when its pause is over. A node that does not lead has no plan.
    pub fn keep(&self, plan: &[Step]) {
        let is_planned = |subject: &Subject| plan.iter().any(|step| step.subject.as_ref() == Some(subject));
        self.inner.lanes().retain(|subject, lane| match &lane.busy {
            Some(busy) => {
                if busy.step.is_void(plan) {
                    busy.give_up.cancel();
                }
                true
            }
            None => is_planned(subject) || lane.not_before.is_some_and(|t| t > Instant::now()),
        });
    }

    /// Starts a step unless its lane is busy or pausing, or too many lanes are busy.
    pub fn start(&self, step: Step) {
        let Some(subject) = step.subject else {
            debug!(?step, "a step with work and without subject is a defect of the plan");
            return;
        };
        let give_up = CancellationToken::new();
        {
            let mut lanes = self.inner.lanes();
            let busy = lanes.values().filter(|l| l.busy.is_some()).count();
            let lane = lanes.entry(subject).or_default();
            if lane.busy.is_some() || busy >= LANES_MAX || lane.not_before.is_some_and(|t| t > Instant::now()) {
                return;
            }
            lane.busy = Some(Busy { step: step.clone(), give_up: give_up.clone() });
        }
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move {
            let outcome = tokio::select! {
                () = inner.stop.cancelled() => return,
                // What comes next in this lane is another step: it begins afresh.
                () = give_up.cancelled() => Ok(()),
                outcome = AssertUnwindSafe(inner.run(&step)).catch_unwind() => match outcome {
                    Ok(outcome) => outcome,
                    // The lane goes on: nothing but the step's own values was in use.
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
    fn lanes(&self) -> std::sync::MutexGuard<'_, BTreeMap<Subject, Lane>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut lanes = self.lanes();
        if good {
            lanes.remove(&subject);
        } else if let Some(lane) = lanes.get_mut(&subject) {
            lane.busy = None;
            let pause = PAUSE_FIRST.saturating_mul(1 << lane.failures.min(16)).min(PAUSE_MAX);
            lane.not_before = Some(Instant::now() + pause);
            lane.failures = lane.failures.saturating_add(1);
        }
        drop(lanes);
        self.ended.notify_one();
    }
}
