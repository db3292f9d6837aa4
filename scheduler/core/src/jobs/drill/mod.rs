//! Restore drills.

pub(crate) mod logic;
pub(crate) mod plan;
pub(crate) mod state;
