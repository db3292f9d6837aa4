//! What cancelled and failed backups could not finish on a medium that did not answer: end placeholders to be written,
//! unfinished uploads to be aborted. Kept per destination until the medium answers; a job does not wait for it.

use super::Trouble;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::BackupSetId;

/// What is left to do in one destination.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftovers {
    /// Sets without their end placeholder, and since when, in milliseconds. Never empty, never more than
    /// `limits::LEFTOVERS_KEPT_MAX`.
    pub sets: BTreeMap<BackupSetId, u64>,
    /// Why the medium does not take it.
    pub trouble: Option<Trouble>,
}
