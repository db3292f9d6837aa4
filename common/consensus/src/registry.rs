//! The groups that run on this node, by name: where the transport finds them.

use crate::catch_up::CatchUp;
use crate::formation::Formation;
use crate::pulse::Pulse;
use crate::raft::Raft;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// What the transport needs of a group.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) raft: Raft,
    pub(crate) catch_up: Arc<CatchUp>,
    pub(crate) formation: Arc<Formation>,
    pub(crate) pulse: Arc<Pulse>,
}

/// All groups of a node.
#[derive(Default)]
pub(crate) struct Registry {
    groups: RwLock<HashMap<Arc<str>, Option<Member>>>,
}

impl Registry {
    /// Takes the name; false if it is taken.
    pub(crate) fn reserve(&self, name: &Arc<str>) -> bool {
        let mut groups = self.groups.write();
        if groups.contains_key(name) {
            return false;
        }
        groups.insert(name.clone(), None);
        true
    }

    /// Opens the group to the transport.
    pub(crate) fn open(&self, name: &Arc<str>, member: Member) {
        self.groups.write().insert(name.clone(), Some(member));
    }

    /// Gives the name back.
    pub(crate) fn remove(&self, name: &str) {
        self.groups.write().remove(name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<Member> {
        self.groups.read().get(name).cloned().flatten()
    }
}
