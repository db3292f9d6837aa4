//! What the status of a call between two members means for openraft.

use crate::raft_types::TypeConfig;
use openraft::errors::{NetworkError, RPCError, Unreachable};
use tonic::{Code, Status};

pub(crate) type RpcError = RPCError<TypeConfig>;

/// What a status means for openraft: no server there (back off), or a hiccup (try again).
pub(crate) fn rpc_error(status: &Status) -> RpcError {
    match status.code() {
        Code::Unavailable | Code::NotFound | Code::FailedPrecondition | Code::Unimplemented => {
            Unreachable::new(status).into()
        }
        _ => NetworkError::new(status).into(),
    }
}
