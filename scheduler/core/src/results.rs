//! What comes out of tasks over what lies on a medium: validation, cleaning, drills and table recovery.

use serde::{Deserialize, Serialize};
use strandline_types::Scn;

/// What a validation task found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidateResult {
    /// Objects looked at.
    pub objects: u64,
    /// Bytes looked at.
    pub bytes: u64,
    /// The first damages.
    pub damages: Vec<Damage>,
    /// All of them.
    pub damage_count: u64,
}

/// One object that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Relative to the destination.
    pub path: String,
    /// `missing`, `truncated`, `corrupt`, `foreign` or `gap`.
    pub kind: String,
    /// For people.
    pub detail: String,
}

/// What a cleaning task removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanResult {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The digest of one log stream's content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FingerprintResult {
    /// The content is that of this SCN.
    pub scn: Scn,
    /// Keys that it holds.
    pub keys: u64,
    /// Independent of how keys lie in tablets and files.
    pub digest: Vec<u8>,
}

/// What a table recovery wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoverTableResult {
    /// Keys written.
    pub keys: u64,
    /// Bytes fetched from the medium.
    pub bytes_fetched: u64,
    /// Source SCN of the last replayed group.
    pub replayed_scn: Scn,
}
