//! The scheduler side: the leader's loop, its writes to the medium, and the answers to workers.
//!
//! A node that only believes to lead does the same from the state that it has: its writes reach the medium, its
//! proposals reach no other node.

use super::step_run::StepRun;
use super::steps::parts;
use super::worker::Reply;
use super::world::{Event, World};
use crate::invariants::Broken;
use strandline_scheduler_core::{Action, Step, WorkerReport, failure_action, news, orders_for, plan};
use strandline_types::{ErrorClass, Failure, Term};

/// Plans that one tick carries out one after the other.
const PLANS_PER_TICK: usize = 6;

impl World {
    /// A node that believes to lead does what its plan says.
    pub(super) fn tick(&mut self, at: usize) -> Result<(), Broken> {
        for _ in 0..PLANS_PER_TICK {
            let node = &self.group.nodes[at];
            let Some(term) = node.leads.filter(|_| node.is_up) else { return Ok(()) };
            let steps = plan(&node.state, self.now_ms).steps;
            let mut has_moved = false;
            for step in steps {
                has_moved |= self.begin(at, term, step)?;
            }
            if !has_moved {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Begins a step; true when the state has moved by it at once.
    fn begin(&mut self, at: usize, term: Term, step: Step) -> Result<bool, Broken> {
        let Some(subject) = step.subject else { return self.propose(at, step.then).map(|d| d.is_some()) };
        if self.group.nodes[at].busy.insert(subject) {
            let run = self.number();
            let left = parts(&step.work);
            self.runs.insert(run, StepRun { node: at, term, subject, step, left });
            let pause = self.rng.between(1, 15);
            self.after(pause, Event::StepPart(run));
        }
        Ok(false)
    }

    pub(super) fn propose(&mut self, at: usize, action: Action) -> Result<Option<()>, Broken> {
        let told = format!("scheduler {at}: {action:?}");
        // A leader's clock may be behind that of the leader before it.
        let behind = if self.rng.chance(50) { 300 } else { 0 };
        let outcome = self.group.propose(at, self.now_ms - behind, action)?;
        if let Some(outcome) = &outcome {
            self.note(format!("{} -> {outcome:?}", &told[..told.len().min(160)]));
            self.look_at_cleanings(outcome)?;
        }
        Ok(outcome.map(|_| ()))
    }

    pub(super) fn step_part(&mut self, id: u64) -> Result<(), Broken> {
        let Some(mut run) = self.runs.remove(&id) else { return Ok(()) };
        let node = &self.group.nodes[run.node];
        // A node that has resigned or died meanwhile may still have had this operation on its way.
        let is_at_it = node.is_up && node.leads == Some(run.term);
        if !is_at_it && !self.rng.chance(500) {
            return Ok(());
        }
        if let Some(part) = run.left.pop_front()
            && let Err(failure) = part.run(&mut self.medium, &mut self.rng)
        {
            return self.step_failed(&run, failure, is_at_it);
        }
        if !is_at_it {
            return Ok(());
        }
        if run.left.is_empty() {
            self.group.nodes[run.node].busy.remove(&run.subject);
            self.propose(run.node, run.step.then)?;
            return self.tick(run.node);
        }
        self.runs.insert(id, run);
        let pause = self.rng.between(1, 15);
        self.after(pause, Event::StepPart(id));
        Ok(())
    }

    fn step_failed(&mut self, run: &StepRun, failure: Failure, is_at_it: bool) -> Result<(), Broken> {
        if failure.class == ErrorClass::Fenced {
            return Err(format!("two leaders write different bytes: {failure} ({:?})", run.step.then));
        }
        if is_at_it {
            self.group.nodes[run.node].busy.remove(&run.subject);
            if let Some(action) = failure_action(&self.group.nodes[run.node].state, &run.step, failure) {
                self.propose(run.node, action)?;
            }
        }
        Ok(())
    }

    /// A report arrives at a node: news through Raft, then the worker's orders.
    pub(super) fn hear(&mut self, at: usize, boot: u64, seq: u64, report: WorkerReport) -> Result<(), Broken> {
        let worker = report.worker_id;
        let node = &self.group.nodes[at];
        if !node.is_up {
            return Ok(());
        }
        let reply = if node.leads.is_none() {
            Reply::NotLeader(self.group.leader)
        } else {
            if let Some(news) = news(&node.state, report, self.now_ms)
                && self.propose(at, Action::Heartbeats(vec![news]))?.is_none()
            {
                // It was deposed and does not know: the report is never answered.
                return Ok(());
            }
            let state = &self.group.nodes[at].state;
            Reply::Orders(state.schedulers.term, Box::new(orders_for(state, worker)))
        };
        self.send_to_worker(worker, boot, seq, reply);
        Ok(())
    }
}
