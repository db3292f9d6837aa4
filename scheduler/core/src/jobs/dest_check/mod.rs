//! Checks of a destination by every worker.

pub(crate) mod logic;
pub(crate) mod plan;
pub(crate) mod state;
