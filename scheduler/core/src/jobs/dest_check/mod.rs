//! Checks of a destination by every worker.

pub(crate) mod logic;
pub(crate) mod spec;
pub(crate) mod state;
