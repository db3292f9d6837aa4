//! The versions of a worker's data directory.
//!
//! Golden bytes of everything that a worker keeps stand beside the types (`stored` tests of the engine and of consensus).
//! Another layout of any of them needs a step here.

use strandline_engine::DataVersions;

/// What this program knows: version 1, before which there was none.
pub const DATA_VERSIONS: DataVersions = DataVersions { steps: &[] };
