//! "Why nothing happens", as a value: who wants to move, and what it waits for.
//!
//! [`crate::plan`] makes these; views, alerts and tests match on them, and texts are made of them here and nowhere else.

mod on;
mod who;

pub(crate) use on::LOST_TODO;
pub use on::{Condition, On, Outlook};
pub use who::{TenantName, Who};

use std::fmt;
use strandline_types::TenantId;

/// Something that wants to move and cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Tenant.
    pub tenant_id: TenantId,
    /// Who waits.
    pub who: Who,
    /// What it waits for.
    pub on: On,
    /// Since when; `None` = that is not known.
    pub since_ms: Option<u64>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits for {}", self.who, self.on)
    }
}

#[cfg(test)]
mod tests;
