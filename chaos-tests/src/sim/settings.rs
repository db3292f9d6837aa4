//! The one tenant of the simulation, and its first moment.

use strandline_types::TenantId;

/// The one tenant.
pub(super) const TENANT: TenantId = TenantId::FIRST_USER;
/// Wall clocks do not begin at 0.
pub(super) const START_MS: u64 = 1_700_000_000_000;
