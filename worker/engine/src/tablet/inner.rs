//! Records of the inner column family: where the replica is, who its members are, its dictionary, its replay position.
//!
//! Records outlive the program: fields are only ever added at the end, under a new key when that does not do.

use super::{TabletList, rocks};
use crate::Replayed;
use crate::error::corrupt;
use bytes::Bytes;
use prost::Message;
use rocksdb::{BoundColumnFamily, DB, ReadOptions, WriteBatch};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io;
use std::sync::Arc;
use strandline_consensus::LogPos;
use strandline_format::pb;
use strandline_proto::v1::Dictionary;
use strandline_types::{PalfBase, TabletId};

const APPLIED: &[u8] = b"applied";
const MEMBERSHIP: &[u8] = b"membership";
const DICTIONARY: &[u8] = b"dictionary";
const REPLAYED: &[u8] = b"replayed";
const TABLETS: &[u8] = b"tablets";

/// The last applied entry and the state of the log after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AppliedRecord {
    pub(crate) pos: LogPos,
    pub(crate) base: PalfBase,
}

/// Everything that the inner column family says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct InnerState {
    pub(crate) applied: Option<AppliedRecord>,
    /// In the consensus crate's own encoding; empty = none.
    pub(crate) membership: Bytes,
    pub(crate) dictionary: Option<Dictionary>,
    /// How far source logs are applied: ours first, then that of our source if it was itself restored, and so on.
    pub(crate) replayed: Vec<Replayed>,
    /// The newest tablet list of the log; `None` = no tablet was dropped ever.
    pub(crate) tablets: Option<Arc<TabletList>>,
}

impl InnerState {
    /// True for a tablet that the log has dropped.
    pub(crate) fn is_dropped(&self, tablet: TabletId) -> bool {
        self.tablets.as_ref().is_some_and(|list| list.is_dropped(tablet))
    }

    pub(super) fn load(db: &DB, cf: &Arc<BoundColumnFamily<'_>>) -> io::Result<Self> {
        let get = |key: &[u8]| db.get_cf(cf, key).map_err(rocks);
        let dictionary = get(DICTIONARY)?
            .map(|b| Dictionary::decode(b.as_slice()).map_err(|e| corrupt(format!("stored dictionary: {e}"))))
            .transpose()?;
        let tablets = get(TABLETS)?
            .map(|b| pb::TabletList::decode(b.as_slice()).map_err(|e| corrupt(format!("stored tablet list: {e}"))))
            .transpose()?;
        Ok(Self {
            tablets: tablets.map(|list| Arc::new(list.into())),
            applied: decode(get(APPLIED)?)?,
            membership: get(MEMBERSHIP)?.map(Bytes::from).unwrap_or_default(),
            dictionary,
            replayed: decode(get(REPLAYED)?)?.unwrap_or_default(),
        })
    }

    /// Puts what differs from `before` into the batch.
    pub(super) fn put_changes(
        &self,
        before: &Self,
        batch: &mut WriteBatch,
        cf: &Arc<BoundColumnFamily<'_>>,
    ) -> io::Result<()> {
        if let Some(applied) = &self.applied {
            batch.put_cf(cf, APPLIED, encode(applied)?);
        }
        if self.membership != before.membership {
            batch.put_cf(cf, MEMBERSHIP, &self.membership);
        }
        if let Some(dictionary) = self.dictionary.as_ref().filter(|d| Some(*d) != before.dictionary.as_ref()) {
            batch.put_cf(cf, DICTIONARY, dictionary.encode_to_vec());
        }
        if let Some(tablets) = self.tablets.as_ref().filter(|t| Some(*t) != before.tablets.as_ref()) {
            batch.put_cf(cf, TABLETS, tablets.to_message().encode_to_vec());
        }
        if self.replayed != before.replayed {
            batch.put_cf(cf, REPLAYED, encode(&self.replayed)?);
        }
        Ok(())
    }
}

/// The applied record as one point in time of the store sees it.
pub(super) fn applied_at(
    db: &DB,
    cf: &Arc<BoundColumnFamily<'_>>,
    options: &ReadOptions,
) -> io::Result<Option<AppliedRecord>> {
    decode(db.get_cf_opt(cf, APPLIED, options).map_err(rocks)?)
}

fn encode<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

fn decode<T: DeserializeOwned>(bytes: Option<Vec<u8>>) -> io::Result<Option<T>> {
    let decode = |b: Vec<u8>| postcard::from_bytes(&b).map_err(|e| corrupt(format!("inner record: {e}")));
    bytes.map(decode).transpose()
}
