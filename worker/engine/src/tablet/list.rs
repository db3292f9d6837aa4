//! Which tablets a log stream still has, and what becomes of the files of the others.
//!
//! The list is an entry of the log, so every replica, a restore and a standby forget a tablet at the same place. Order
//! rules: the effects of the entry are durable before a column family goes, else a crash between the two would leave a
//! store that stands before the entry without rows that it has to have there. A list that was durable when the process
//! died is carried out when the store is opened again. A number is never given to a second tablet.

use super::{TabletStore, name_of, rocks};
use std::collections::BTreeSet;
use std::io;
use strandline_format::pb;
use strandline_types::TabletId;

/// The tablets that are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TabletList {
    version: u64,
    next: TabletId,
    left: BTreeSet<TabletId>,
}

impl TabletList {
    /// Of the dictionary that names no others.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// True for a tablet that was there once, or could have been, and is not any more.
    pub(crate) fn is_dropped(&self, tablet: TabletId) -> bool {
        (TabletId::FIRST_USER..self.next).contains(&tablet) && !self.left.contains(&tablet)
    }

    /// As it lies in the log.
    pub(super) fn to_message(&self) -> pb::TabletList {
        let tablet_ids = self.left.iter().map(|t| t.0).collect();
        pb::TabletList { version: self.version, next_tablet_id: self.next.0, tablet_ids }
    }
}

impl From<pb::TabletList> for TabletList {
    fn from(list: pb::TabletList) -> Self {
        let left = list.tablet_ids.into_iter().map(TabletId).collect();
        Self { version: list.version, next: TabletId(list.next_tablet_id), left }
    }
}

impl TabletStore {
    /// Makes everything durable, then removes the tablets that the list does not have.
    pub(super) fn carry_out(&self, list: &TabletList) -> io::Result<()> {
        self.flush()?;
        self.remove_dropped(list)
    }

    /// Removes the tablets that a durable list does not have, those of an interrupted attempt.
    pub(crate) fn remove_dropped(&self, list: &TabletList) -> io::Result<()> {
        let mut tablets = self.tablets.write();
        let dropped: Vec<TabletId> = tablets.iter().copied().filter(|t| list.is_dropped(*t)).collect();
        for tablet in dropped {
            // Readers that hold the column family, and hard links of a consistent point, keep its files.
            self.db.drop_cf(&name_of(tablet)).map_err(rocks)?;
            tablets.remove(&tablet);
        }
        Ok(())
    }
}
