//! Any file of both trees as JSON, for `strandline inspect`.

pub mod hex;
