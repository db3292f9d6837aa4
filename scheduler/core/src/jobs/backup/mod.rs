//! Backups of one tenant.

pub(crate) mod logic;
pub(crate) mod plan;
pub(crate) mod range;
mod set;
pub(crate) mod spec;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod turn;
