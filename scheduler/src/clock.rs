//! The one place of this crate that reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};
use strandline_types::Scn;

/// Now, as an SCN (nanoseconds since the epoch).
pub fn now() -> Scn {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Scn(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
