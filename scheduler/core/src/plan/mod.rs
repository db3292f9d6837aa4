//! What to do next, from the whole state, every time anew.
//!
//! Nothing is remembered between two plans. Whatever cannot move says on what it waits. The time decides only what the
//! state cannot: which workers are known, and which deadlines have passed.

mod archive;
mod clock;
pub(crate) mod leftovers;
mod pieces;
mod restart;
mod schedule;
mod tenant;
mod waiting;

use crate::command::{Action, Subject};
use crate::jobs;
use crate::state::{DestKind, Destination, JobKind, State};
use crate::step::{DestRef, MediumWork, Plan, Step};
use crate::waiting::{On, Waiting, Who};
use strandline_types::{DestNo, TenantId};

pub use crate::jobs::standby::plan::replayed_scn;
pub(crate) use schedule::held_up as schedule_held_up;

/// The next steps. Pure: the same state and time give the same plan, and running a step twice is harmless.
#[must_use]
pub fn plan(state: &State, now_ms: u64) -> Plan {
    // Deadlines are set by the state's clock; a leader whose own clock is behind must not see them in the future.
    let now_ms = state.present(now_ms);
    let mut plan = Plan::default();
    clock::plan(state, now_ms, &mut plan);
    tenant::plan(state, now_ms, &mut plan);
    archive::plan(state, now_ms, &mut plan);
    let jobs = state.jobs_by_kind();
    for kind in JobKind::ALL {
        plan_around(state, *kind, now_ms, &mut plan);
        for job in jobs.iter().filter(|job| job.kind() == *kind && job.logic().is_open()) {
            job.logic().plan(state, now_ms, &mut plan);
        }
    }
    waiting::plan(state, &mut plan);
    plan
}

/// What starts jobs of a kind by itself, and what those of the kind before have left.
fn plan_around(state: &State, kind: JobKind, now_ms: u64, plan: &mut Plan) {
    match kind {
        JobKind::Backup => schedule::plan(state, now_ms, plan),
        JobKind::Restore => leftovers::plan(state, plan),
        JobKind::Drill => jobs::drill::plan::plan_schedules(state, now_ms, plan),
        JobKind::Clean => jobs::clean::plan::plan_policies(state, now_ms, plan),
        _ => {}
    }
}

impl Plan {
    /// A step that is nothing but a command.
    pub(crate) fn propose(&mut self, then: Action) {
        self.steps.push(Step { subject: None, work: Vec::new(), then });
    }

    /// A step with work on the medium.
    pub(crate) fn work(&mut self, subject: Subject, work: Vec<MediumWork>, then: Action) {
        self.steps.push(Step { subject: Some(subject), work, then });
    }

    pub(crate) fn wait(&mut self, tenant_id: TenantId, who: Who, on: On, since_ms: impl Into<Option<u64>>) {
        self.waiting.push(Waiting { tenant_id, who, on, since_ms: since_ms.into() });
    }
}

/// A destination with the names that its files carry.
#[must_use]
pub fn dest_ref(state: &State, dest: &Destination) -> DestRef {
    DestRef {
        uri: dest.uri.clone(),
        access: dest.access.clone(),
        dest_id: dest.id,
        dest_no: DestNo(0),
        made_below: dest.made_below.clone(),
        tenant_id: dest.tenant_id,
        tenant_name: state.tenants.get(&dest.tenant_id).map(|t| t.name.clone()).unwrap_or_default(),
        cluster_id: state.cluster.id,
        cluster_name: state.cluster.name.clone(),
        owner: state.owner_of(dest),
    }
}

/// A destination that waits, or is waited for.
pub(crate) const fn who_of(dest: &Destination) -> Who {
    match dest.kind {
        DestKind::Archive => Who::ArchiveDest(dest.id),
        DestKind::Data => Who::DataDest(dest.id),
    }
}
