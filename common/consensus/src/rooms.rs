//! The bound on proposals in flight of one group, by number and by bytes.

use crate::error::ProposeError;
use crate::types::Payload;
use std::sync::Arc;
use strandline_types::limits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room for proposals in flight of one group, by number and by bytes.
#[derive(Clone)]
pub(crate) struct Rooms {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// The room of one proposal; given back when it is answered.
pub(crate) struct Room {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self {
            count: Arc::new(Semaphore::new(limits::PROPOSALS_IN_FLIGHT_MAX)),
            bytes: Arc::new(Semaphore::new(limits::PROPOSAL_BYTES_IN_FLIGHT_MAX)),
        }
    }

    /// Waits for room, first come first served. The semaphores are never closed, so this fails only for a body that is
    /// larger than an entry may be.
    pub(crate) async fn take(&self, payload: &Payload) -> Result<Room, ProposeError> {
        let bytes = payload.body.len();
        if bytes > limits::LOG_ENTRY_BODY_BYTES_MAX {
            return Err(ProposeError::refused(format!("a body of {bytes} bytes is larger than a log entry may be")));
        }
        let closed = |_| ProposeError::Fatal { what: "the group takes no proposals".to_owned() };
        let count = self.count.clone().acquire_owned().await.map_err(closed)?;
        // The cast is exact: the largest body is far below u32::MAX (checked above).
        let bytes = self.bytes.clone().acquire_many_owned(bytes as u32).await.map_err(closed)?;
        Ok(Room { _count: count, _bytes: bytes })
    }
}
