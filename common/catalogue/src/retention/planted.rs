//! Errors that tests plant, to see that the searching tests find them: each is what an earlier version did. Never there
//! outside of tests.

/// An error of an earlier version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Planted {
    /// The window is counted back from the present alone: an archive that stands still loses its newest increments.
    WindowFromNow,
    /// A BROKEN verdict is final.
    BrokenIsFinal,
    /// A copy in another place is an heir of what the current destinations hold.
    CopyIsHeir,
}

#[cfg(not(test))]
pub(super) const fn has(_error: Planted) -> bool {
    false
}

#[cfg(test)]
pub(super) use of_tests::{has, plant};

#[cfg(test)]
mod of_tests {
    use super::Planted;
    use std::cell::Cell;

    thread_local! {
        static ERROR: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    pub(in super::super) fn has(error: Planted) -> bool {
        ERROR.get() == Some(error)
    }

    /// Plants an error in this thread, or takes it away.
    pub(in super::super) fn plant(error: Option<Planted>) {
        ERROR.set(error);
    }
}
