//! Restores.

pub(crate) mod logic;
pub(crate) mod plan;
pub(crate) mod spec;
pub(crate) mod state;
