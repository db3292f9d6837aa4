//! Standby tenants that follow an archive.

pub(crate) mod logic;
pub(crate) mod plan;
pub(crate) mod state;
