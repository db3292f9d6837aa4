//! Wire messages and services between the servers (`raft`, `kv`, `admin`, `cluster`), and their conversions to the
//! nouns of `strandline-types`.
//!
//! This crate decides nothing but whether a message keeps its bounds. Payloads of the Raft transport are opaque here.

/// Generated messages and services.
#[allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
pub mod v1 {
    tonic::include_proto!("strandline.v1");
}

pub mod bounds;
mod convert;
mod dictionary;
mod known;

pub use convert::TaskKey;
pub use known::{OnWire, Unknown};
