//! What one replica knows about the forming of its group, and what it answers to its peers.

use crate::catch_up::CatchUp;
use crate::convert::encode;
use crate::formed::FormedMark;
use crate::forming::{FormWait, Standing};
use crate::log::EntryLog;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use tonic::Status;

/// What one replica knows about the forming of its group.
pub(crate) struct Formation {
    mark: Arc<FormedMark>,
    catch_up: Arc<CatchUp>,
    /// Not an owner: the log has to be free once its group has stopped.
    log: Weak<dyn EntryLog>,
    told: RwLock<Told>,
}

#[derive(Default)]
struct Told {
    members: BTreeMap<u64, String>,
    cluster: u64,
    waits: Option<FormWait>,
}

impl Formation {
    pub(crate) fn new(mark: Arc<FormedMark>, catch_up: Arc<CatchUp>, log: &Arc<dyn EntryLog>) -> Self {
        Self { mark, catch_up, log: Arc::downgrade(log), told: RwLock::default() }
    }

    /// True once this directory belongs to a formed group, for good.
    pub(crate) fn is_formed(&self) -> bool {
        self.mark.is_set()
    }

    /// What this replica says of itself. The log is asked, not what Raft last told of it: that may be a moment old.
    pub(crate) fn standing(&self) -> io::Result<Standing> {
        let log = self.log.upgrade().ok_or_else(|| io::Error::other("the group has stopped on this node"))?;
        let last = log.state()?.last.map(|pos| pos.index);
        let told = self.told.read();
        Ok(Standing {
            last,
            is_formed: last.is_some() || self.mark.is_set(),
            is_full: self.catch_up.is_done(),
            members: told.members.keys().copied().collect(),
            cluster: told.cluster,
        })
    }

    /// What the forming of the group waits for.
    pub(crate) fn waits(&self) -> Option<FormWait> {
        self.told.read().waits.clone()
    }

    pub(crate) fn tell(&self, members: BTreeMap<u64, String>, cluster: u64) {
        let mut told = self.told.write();
        (told.members, told.cluster) = (members, cluster);
    }

    pub(crate) fn wait_for(&self, waits: Option<FormWait>) {
        self.told.write().waits = waits;
    }
}

/// The answer to the question of a peer.
pub(crate) fn answer(formation: &Formation) -> Result<Vec<u8>, Status> {
    let standing = formation.standing().map_err(|e| Status::unavailable(e.to_string()))?;
    encode(&standing).map_err(|e| Status::internal(e.to_string()))
}
