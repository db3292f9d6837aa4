//! Backups of several tenants, asked of the system tenant.

pub(crate) mod logic;
pub(crate) mod state;
