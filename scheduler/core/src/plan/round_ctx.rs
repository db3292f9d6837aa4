//! One archive round and what is needed to plan it.

use crate::command::{Action, RoundAction, Subject};
use crate::state::{Round, State};
use crate::step::DestRef;
use crate::waiting::Who;

/// One round and what is needed to plan it.
pub(super) struct Ctx<'a> {
    pub(super) state: &'a State,
    pub(super) round: &'a Round,
    pub(super) dest: DestRef,
    pub(super) now_ms: u64,
}

impl Ctx<'_> {
    pub(super) const fn who(&self) -> Who {
        Who::Round(self.round.round_id)
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::Round(self.round.tenant_id, self.round.round_id)
    }

    pub(super) fn action(&self, what: RoundAction) -> Action {
        Action::Round { tenant: self.round.tenant_id, round: self.round.round_id, what }
    }
}
