//! What of the scheduler outlives its program: the commands of its Raft log, and the State in its snapshots.
//!
//! Both are read by newer versions, and commands also by older ones while a cluster is upgraded node by node. The rules of
//! [`strandline_stored`] hold for every type that they are made of; `tests/stored_layout.rs` compares all of them with the
//! layout that was written down.

use crate::{Command, State};
use strandline_stored::{FIRST_VERSION, Step, Stored, StoredError};

impl Stored for Command {
    const KIND: &'static str = "a command in the scheduler's log";
    const VERSION: u8 = FIRST_VERSION;
    const STEPS: &'static [Step] = &[];

    /// It began with the proposer's clock as a varint, whose first byte is above every version: no clock stands in the
    /// first 127 ms of 1970.
    fn unversioned(bytes: &[u8]) -> Result<Self, StoredError> {
        from_postcard(bytes)
    }
}

impl Stored for State {
    const KIND: &'static str = "the state of the scheduler";
    const VERSION: u8 = FIRST_VERSION;
    const STEPS: &'static [Step] = &[];

    /// What holds it knows that it has no version: its first byte may be any.
    fn unversioned(bytes: &[u8]) -> Result<Self, StoredError> {
        from_postcard(bytes)
    }
}

fn from_postcard<T: Stored>(bytes: &[u8]) -> Result<T, StoredError> {
    postcard::from_bytes(bytes).map_err(|e| StoredError::Malformed { kind: T::KIND, why: e.to_string() })
}
