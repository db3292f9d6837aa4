//! The handle of one group in openraft, with our type config and state machine.

use crate::raft_types::TypeConfig;
use crate::sm_adapter::SmAdapter;

pub(crate) type Raft = openraft::Raft<TypeConfig, SmAdapter>;
