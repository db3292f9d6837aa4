//! Destinations: everything that backup and archive write goes through a [`Medium`].
//!
//! `object_store` is the main trait underneath; what it lacks stands beside it here: append at an expected offset, and
//! whole objects that are never overwritten with other bytes. A medium is one destination root, every path is relative
//! to it and is spelled by `strandline-format` only.
//!
//! Order rules (docs/format-reference.md): an object becomes visible only when it is durable; a log file is durable up
//! to the length that `append` returned before anybody reports it. This crate must never decide what to write, never
//! rename or change a visible object, and never hide an error: every one of them has a class, a path and a URI.

mod access;
mod destination;
mod disk;
mod error;
mod fault;
mod file;
pub mod identity;
pub mod key_source;
mod kind;
mod large_file;
mod limited;
mod looks;
mod medium;
mod memory;
mod metered;
mod objects;
mod open;
mod options;
mod owned;
mod path;
mod probe;
mod remote;
mod retry;
mod staging;
#[cfg(feature = "testing")]
pub mod testing;
mod traffic;
mod tree;
mod waits;
mod watched;

pub use destination::Destination;
pub use error::{MediaError, Op};
pub use fault::{Fault, FaultPlan, FaultRule, Faulty};
pub use file::FileMedium;
pub use large_file::LargeFile;
pub use looks::{Judged, Looks};
pub use medium::{Listed, LogForm, Medium, ObjectWriter, PutOutcome, Stray, Survey, Unfinished, read_agreed};
pub use memory::MemoryMedium;
pub use metered::Metered;
pub use open::{open, open_at, open_patiently, open_with};
pub use options::{Addressing, Checksum, DeleteMode, Options};
pub use owned::{Guarded, Right};
pub use path::check_path;
pub(crate) use path::no_append;
pub use probe::{Finding, KEY_PROBE, is_of_probe, probe};
pub use retry::{RetryPolicy, Retrying};
pub use strandline_types::split_secrets;
pub use traffic::{DestStatus, Requests, all_requests, describe_metrics, requests_of, set_gauges};
pub use waits::{Waiting, Waits};
pub use watched::Watched;
