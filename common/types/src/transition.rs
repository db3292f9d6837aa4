//! States are enums with a written transition table; an illegal transition is an error that names both ends.

use std::fmt::Debug;

/// A state that knows where it may go. Same-to-same is never a transition.
pub trait Transition: Copy + Debug + PartialEq + 'static {
    /// The states that may follow this one directly.
    fn next_states(self) -> &'static [Self];

    /// True when `to` may follow directly.
    fn may_become(self, to: Self) -> bool {
        self.next_states().contains(&to)
    }

    /// `to`, when it may follow.
    ///
    /// # Errors
    /// [`IllegalTransition`] names both states.
    fn transition(self, to: Self) -> Result<Self, IllegalTransition> {
        if self.may_become(to) {
            Ok(to)
        } else {
            Err(IllegalTransition { from: format!("{self:?}"), to: format!("{to:?}") })
        }
    }
}

/// A state was asked to go where its table does not lead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a state {from} cannot become {to}")]
pub struct IllegalTransition {
    /// Where it was.
    pub from: String,
    /// Where it should have gone.
    pub to: String,
}
