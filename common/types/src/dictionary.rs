//! The data dictionary of a tenant: which tables it has, and in which tablets they lie.

use crate::{LsId, Scn, TabletId};

/// One version of the data dictionary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dictionary {
    /// Grows by 1 with every change.
    pub version: u64,
    /// SCN of the log entry that made it; `None` before it is logged.
    pub scn: Option<Scn>,
    /// Every table.
    pub tables: Vec<Table>,
    /// This tablet and all with larger ids were never given out; `None` = not known.
    pub next_tablet: Option<TabletId>,
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where its keys lie: a key belongs to `tablets[xxh3_64(key) % len]`.
    pub tablets: Vec<TabletPlace>,
}

/// One tablet of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TabletPlace {
    /// The tablet.
    pub tablet: TabletId,
    /// The log stream that it belongs to.
    pub ls: LsId,
}

/// The tablets that a log stream still has. Those below `next_tablet` that are not listed were dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TabletList {
    /// Version of the dictionary that names no others.
    pub version: u64,
    /// This tablet and all with larger ids were not given out then.
    pub next_tablet: TabletId,
    /// What is left, ascending.
    pub tablets: Vec<TabletId>,
}
