//! Pure nouns of Strandline: ids, positions, ranges, states with their transition tables, limits, error classes.
//!
//! This crate depends on no other crate of the workspace. It must never touch a clock, a random source, a runtime or any I/O: time and ids come
//! in as arguments. Every other crate speaks in these words (ARCHITECTURE.md, "Words") and in no synonyms.

mod access;
mod backup;
mod causality;
mod compression;
pub mod config_check;
mod dest_list;
mod dest_owner;
mod dest_uri;
pub mod dictionary;
mod error;
mod fingerprint;
mod id;
mod job;
pub mod limits;
mod lsn;
mod masking;
mod palf_base;
mod piece;
mod place;
mod planted;
mod range;
mod restore;
mod round;
mod scheme;
mod scn;
mod secret;
mod time_text;
mod transition;
mod verdict;

pub use access::{Access, split_secrets};
pub use backup::{BackupJobStatus, BackupMode, BackupSetKind, BackupSetStatus, DataKind, LsTaskStatus};
pub use causality::CausalityToken;
pub use compression::Compression;
pub use dest_list::split_destinations;
pub use dest_owner::DestOwner;
pub use dest_uri::{Address, DestUri};
pub use error::{CODE_NOT_ENOUGH_LOG, CODE_OUTCOME_UNKNOWN, ErrorClass, Failure};
pub use fingerprint::{CODE_SCN_PASSED, Fingerprint};
pub use id::*;
pub use job::{CleanStage, JobStatus, ValidateLevel};
pub use lsn::Lsn;
pub use masking::{MASK, is_place_of_secret, is_secret_name, masked, masked_inside};
pub use palf_base::PalfBase;
pub use piece::{FileStatus, PieceClock, PieceKey, PieceStatus};
pub use place::Place;
pub use planted::Defect;
pub use range::{LsnRange, ScnRange};
pub use restore::RestoreStage;
pub use round::{ArchiveLsState, Binding, RoundState};
pub use scheme::Scheme;
pub use scn::Scn;
pub use secret::Secret;
pub use time_text::{TimeTextError, moment_text, parse_time_text, scn_tag, scn_text};
pub use transition::{IllegalTransition, Transition};
pub use verdict::Verdict;
