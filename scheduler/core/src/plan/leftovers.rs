//! The next step in each destination where ended backups have left something: one set after the other, oldest first.

use super::dest::{dest_ref, who_of};
use crate::command::{Action, Subject};
use crate::state::{BackupSet, State};
use crate::step::{DestRef, MediumWork, Plan};
use crate::waiting::{On, Who};

pub(super) fn plan(state: &State, plan: &mut Plan) {
    for (id, left) in &state.leftovers {
        let Some(dest) = state.destinations.get(id) else { continue };
        for (set, since_ms) in &left.sets {
            let trouble = left.trouble.as_ref().map(|t| t.failure.clone());
            let on = On::Placeholder(Box::new(who_of(dest)), trouble);
            plan.wait(dest.tenant_id, Who::EndPlaceholder(*set), on, *since_ms);
        }
        let mut sets = left.sets.keys().filter_map(|set| state.backup_sets.get(&(dest.tenant_id, *set)));
        if let Some(set) = sets.next() {
            let then = Action::LeftoverDone { dest: *id, set: set.set_id };
            let mut work = failed_end(dest_ref(state, dest), set);
            // Its writers were called off while the medium was silent: nobody could abort for them.
            work.push(MediumWork::SetAbort { dest: dest_ref(state, dest), set: set.set_id, kind: set.kind });
            plan.work(Subject::Leftovers(*id), work, then);
        }
    }
}

/// What a set that failed or was cancelled still needs on its medium.
pub(crate) fn failed_end(dest: DestRef, set: &BackupSet) -> Vec<MediumWork> {
    vec![
        MediumWork::SetStart { dest: dest.clone(), set: set.set_id, kind: set.kind },
        MediumWork::SetEnd { dest, set: Box::new(set.clone()), success: false },
    ]
}
