//! What of the scheduler outlives its program: the commands of its Raft log, and the State in its snapshots.
//!
//! Both are read by newer versions, and commands also by older ones while a cluster is upgraded node by node. The rules of
//! [`strandline_stored`] hold for every type that they are made of; `tests/stored_layout.rs` compares all of them with the
//! layout that was written down.

mod one_list_of_jobs;

use crate::{Command, State};
use strandline_stored::{FIRST_VERSION, Step, Stored, StoredError};

impl Stored for Command {
    const KIND: &'static str = "a command in the scheduler's log";
    const VERSION: u8 = FIRST_VERSION + 1;
    const STEPS: &'static [Step] = &[one_list_of_jobs::command];

    fn unversioned(_: &[u8]) -> Result<Self, StoredError> {
        Err(StoredError::TooOld { kind: Self::KIND, oldest: FIRST_VERSION })
    }
}

impl Stored for State {
    const KIND: &'static str = "the state of the scheduler";
    const VERSION: u8 = FIRST_VERSION + 1;
    const STEPS: &'static [Step] = &[one_list_of_jobs::state];

    fn unversioned(_: &[u8]) -> Result<Self, StoredError> {
        Err(StoredError::TooOld { kind: Self::KIND, oldest: FIRST_VERSION })
    }
}
