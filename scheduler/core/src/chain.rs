//! Which set an incremental backup builds on, or why it has to be a full one (docs/oceanbase.md, 1.3, 4.7).
//!
//! Only what State knows decides: the newest usable set of the same destination, and its whole chain behind it.

use crate::state::{BackupSet, SetSeal, State};
use std::fmt;
use strandline_types::{BackupSetId, BackupSetKind, BackupSetStatus, DestId, FileStatus, TenantId, limits};

/// Why there is no chain to go on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoChain {
    /// No set of this tenant anywhere.
    NoSet,
    /// There are sets, in other destinations.
    OtherDest,
    /// A set of the chain is not usable any more.
    Broken(BackupSetId),
    /// The newest set was made by another version.
    OtherVersion(String),
    /// The newest set is encrypted otherwise, or not at all.
    OtherSeal,
    /// The chain is as long as a chain may be.
    TooLong,
}

impl fmt::Display for NoChain {
    /// The end of "a full set was made: …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSet => f.write_str("there is no earlier set"),
            Self::OtherDest => f.write_str("there is no earlier set in this destination"),
            Self::Broken(set) => write!(f, "set {set} of the chain is not available"),
            Self::OtherVersion(version) => write!(f, "the newest set was made by version {version}"),
            Self::OtherSeal => f.write_str("the newest set is encrypted with another password, or not as this one"),
            Self::TooLong => write!(f, "the chain has {} incremental sets already", limits::BACKUP_CHAIN_DEPTH_MAX),
        }
    }
}

/// The newest usable set of a tenant in a destination.
pub fn newest(state: &State, tenant: TenantId, dest: DestId) -> Option<&BackupSet> {
    sets(state, tenant).rev().find(|s| s.dest_id == dest && is_usable(s))
}

/// The set that an incremental one may build on.
pub fn base<'a>(
    state: &'a State,
    tenant: TenantId,
    dest: DestId,
    version: &str,
    seal: Option<&SetSeal>,
) -> Result<&'a BackupSet, NoChain> {
    let Some(newest) = newest(state, tenant, dest) else {
        let is_elsewhere = sets(state, tenant).any(is_usable);
        return Err(if is_elsewhere { NoChain::OtherDest } else { NoChain::NoSet });
    };
    let chain = chain_of(state, newest)?;
    if newest.version != version {
        return Err(NoChain::OtherVersion(newest.version.clone()));
    }
    if newest.seal.as_ref() != seal {
        return Err(NoChain::OtherSeal);
    }
    if chain.len() > limits::BACKUP_CHAIN_DEPTH_MAX {
        return Err(NoChain::TooLong);
    }
    Ok(newest)
}

/// A set and everything it builds on, newest first; the last one is a full set.
pub fn chain_of<'a>(state: &'a State, newest: &'a BackupSet) -> Result<Vec<&'a BackupSet>, NoChain> {
    let mut chain = vec![newest];
    let mut at = newest;
    while at.kind == BackupSetKind::Inc {
        // Ids fall along a chain, so this ends.
        let before = state.backup_sets.get(&(at.tenant_id, at.prev_inc)).filter(|s| s.set_id < at.set_id);
        at = before.filter(|s| is_usable(s)).ok_or(NoChain::Broken(at.prev_inc))?;
        chain.push(at);
    }
    Ok(chain)
}

fn sets(state: &State, tenant: TenantId) -> impl DoubleEndedIterator<Item = &BackupSet> {
    state.backup_sets.range((tenant, BackupSetId(0))..=(tenant, BackupSetId(u64::MAX))).map(|(_, s)| s)
}

fn is_usable(set: &BackupSet) -> bool {
    set.status == BackupSetStatus::Success && set.file_status == FileStatus::Available
}
