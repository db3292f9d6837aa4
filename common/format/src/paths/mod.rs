//! Every path of both trees, built and parsed here and nowhere else (docs/format-reference.md).
//!
//! Paths are relative to the root of a destination, with `/` between the parts. Building takes SCNs, parsing gives
//! [`TimeTag`]s: a time in a name is for people and nothing is ever decided by it, so it cannot become an SCN again.
//! Numbers are strict (no sign, no leading zero), so that `parse(path).path() == path` holds for every name.

pub mod archive;
pub mod backup;
pub mod deletion;
mod lex;
mod time_tag;

pub use archive::{ArchivePath, LogPart, ParsedArchivePath};
pub use backup::{BackupPath, IndexKind, InfoKind, ParsedBackupPath, SetName};
pub use time_tag::{PathTime, TimeTag};

use strandline_types::Scn;

/// Directory of the backups of the cluster's parameters.
pub const CLUSTER_PARAMETERS_DIR: &str = "cluster_parameters_backup_dest";

/// Path of one backup of the cluster's parameters, relative to its own destination.
#[must_use]
pub fn cluster_parameter(time: Scn) -> String {
    format!("cluster_parameter.{}.obbak", time.tag())
}

/// The same, relative to the path that [`CLUSTER_PARAMETERS_DIR`] lies in.
#[must_use]
pub fn cluster_parameter_in_dir(time: Scn) -> String {
    format!("{CLUSTER_PARAMETERS_DIR}/{}", cluster_parameter(time))
}

/// The time tag of a backup of the cluster's parameters.
#[must_use]
pub fn parse_cluster_parameter(path: &str) -> Option<TimeTag> {
    let name = path.strip_prefix(CLUSTER_PARAMETERS_DIR).and_then(|p| p.strip_prefix('/')).unwrap_or(path);
    lex::time(name.strip_prefix("cluster_parameter.")?.strip_suffix(".obbak")?)
}
