//! What a log stream holds once its log is applied: the rows of its tablets and the version of its dictionary.
//!
//! The oracle and a restore come to it by the same entries on two ways: the one from the stream's own log, the other
//! from a backup set and the archive.

use crate::invariants::Broken;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::entry::{EntryBody, decode, payload};
use strandline_format::pb;
use strandline_types::TabletId;

/// Keys whose first byte, divided by this, is the same lie in one block.
const KEYS_PER_BLOCK: u8 = 4;

/// What a log stream knows beside its rows: the version of its dictionary, the tablets that this names with their log
/// streams, and of the newest tablet list the first tablet that it says nothing of and those that it leaves.
pub type Records = (u64, BTreeSet<(u64, u64)>, Option<(u64, BTreeSet<u64>)>);

/// Rows and records of one log stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    records: Records,
    rows: BTreeMap<(u64, Bytes), Bytes>,
}

/// Neighbouring rows of one tablet.
#[derive(Clone, Debug)]
pub struct Rows {
    tablet: u64,
    rows: Vec<(Bytes, Bytes)>,
}

impl Rows {
    /// As the client batch that would write them.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let write = |(key, value): &(Bytes, Bytes)| pb::Write {
            tablet_id: self.tablet,
            key: key.clone(),
            value: value.clone(),
            delete: false,
        };
        payload(&pb::ClientBatch { writes: self.rows.iter().map(write).collect(), identities: Vec::new() })
    }
}

impl Content {
    /// No rows yet.
    #[must_use]
    pub fn of_records(records: Records) -> Self {
        Self { records, rows: BTreeMap::new() }
    }

    /// Everything but the rows.
    #[must_use]
    pub const fn records(&self) -> &Records {
        &self.records
    }

    fn is_dropped(&self, tablet: u64) -> bool {
        let list = self.records.2.as_ref();
        list.is_some_and(|(next, left)| (TabletId::FIRST_USER.0..*next).contains(&tablet) && !left.contains(&tablet))
    }

    /// Rows of these tablets as they are here and there, if they are not the same.
    #[must_use]
    pub fn differs_in(&self, other: &Self, tablets: &BTreeSet<u64>) -> Option<String> {
        let only = |c: &Self| -> BTreeMap<(u64, Bytes), Bytes> {
            c.rows.clone().into_iter().filter(|((tablet, _), _)| tablets.contains(tablet)).collect()
        };
        Self { rows: only(self), ..Self::default() }.differs_from(&Self { rows: only(other), ..Self::default() })
    }

    /// The rows in blocks, with the tablet of each.
    #[must_use]
    pub fn blocks(&self) -> Vec<(u64, Rows)> {
        let mut blocks: BTreeMap<(u64, u8), Rows> = BTreeMap::new();
        for ((tablet, key), value) in &self.rows {
            let part = key.first().copied().unwrap_or_default() / KEYS_PER_BLOCK;
            let rows = blocks.entry((*tablet, part)).or_insert_with(|| Rows { tablet: *tablet, rows: Vec::new() });
            rows.rows.push((key.clone(), value.clone()));
        }
        blocks.into_iter().map(|((tablet, _), rows)| (tablet, rows)).collect()
    }

    /// Applies the body of one entry.
    ///
    /// # Errors
    /// A body that cannot be decoded.
    pub fn apply(&mut self, body: Bytes) -> Result<(), Broken> {
        let body = decode(body).map_err(|e| format!("an entry cannot be decoded: {e}"))?;
        match body {
            EntryBody::ClientBatch(batch) => {
                for write in batch.writes {
                    if self.is_dropped(write.tablet_id) {
                        continue;
                    }
                    let place = (write.tablet_id, write.key);
                    if write.delete {
                        self.rows.remove(&place);
                    } else {
                        self.rows.insert(place, write.value);
                    }
                }
            }
            EntryBody::Dictionary(dictionary) => {
                let tablets = dictionary.tables.iter().flat_map(|t| &t.tablets).map(|t| (t.tablet_id, t.ls_id));
                (self.records.0, self.records.1) = (dictionary.version, tablets.collect());
            }
            EntryBody::Tablets(list) => {
                self.records.2 = Some((list.next_tablet_id, list.tablet_ids.into_iter().collect()));
                let rows = std::mem::take(&mut self.rows);
                self.rows = rows.into_iter().filter(|((tablet, _), _)| !self.is_dropped(*tablet)).collect();
            }
            EntryBody::Blank | EntryBody::Membership(_) | EntryBody::KeepAlive | EntryBody::Replayed(_) => {}
        }
        Ok(())
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The first thing that is not as in `other`, in words.
    #[must_use]
    pub fn differs_from(&self, other: &Self) -> Option<String> {
        if self.records != other.records {
            return Some(format!("records {:?} instead of {:?}", self.records, other.records));
        }
        let places = self.rows.keys().chain(other.rows.keys());
        let mut places = places.filter(|place| self.rows.get(*place) != other.rows.get(*place));
        places.next().map(|(tablet, key)| format!("tablet {tablet}, key {key:?} is another"))
    }
}
