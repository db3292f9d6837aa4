//! Applying committed entries: durable in the log first, then one atomic write for the whole batch.

use super::replay;
use super::{Machine, Outcome};
use crate::error::corrupt;
use crate::tablet::{AppliedRecord, Effects};
use prost::Message;
use std::io;
use strandline_consensus::{Entry, EntryBody, Payload, Reply};
use strandline_format::entry::{EntryBody as Body, EntryKind, decode_payload};
use strandline_proto::v1::Dictionary;
use strandline_types::{LsId, Scn};

impl Machine {
    /// The caller holds the gate.
    pub(super) fn apply_entries(&self, entries: &[Entry]) -> io::Result<Vec<Reply>> {
        let Some(last) = entries.last() else { return Ok(Vec::new()) };
        let (pos, base) = self
            .log
            .after(last.pos.index)?
            .filter(|(pos, _)| *pos == last.pos)
            .ok_or_else(|| corrupt(format!("entry {} is to be applied, but the log does not hold it", last.pos)))?;
        self.log.flush_to(base.lsn)?;
        let (store, before) = (self.store(), self.inner());
        let mut effects = Effects::new(&store, &before);
        let mut scn = before.applied.map_or(Scn::MIN, |a| a.base.prev_scn);
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = match &entry.body {
                EntryBody::Blank => Outcome::Done(scn),
                EntryBody::Membership(bytes) => {
                    effects.set_membership(bytes.clone());
                    Outcome::Done(scn)
                }
                EntryBody::Normal(payload) => {
                    scn = Scn(payload.scn);
                    apply_payload(&mut effects, self.id.ls, payload)?
                }
            };
            replies.push(outcome.reply());
        }
        let inner = effects.commit(AppliedRecord { pos, base })?;
        self.set_inner(inner);
        Ok(replies)
    }
}

/// Applies a proposal. A body that cannot be read stops the group: every replica would have to do the same with it, and
/// this one does not know what.
fn apply_payload(effects: &mut Effects<'_>, ls: LsId, payload: &Payload) -> io::Result<Outcome> {
    let scn = Scn(payload.scn);
    let kind = EntryKind::from_number(payload.kind)
        .ok_or_else(|| corrupt(format!("log entry of unknown kind {}", payload.kind)))?;
    let body = decode_payload(kind, payload.body.clone()).map_err(|e| corrupt(format!("{kind} entry: {e}")))?;
    match body {
        Body::ClientBatch(batch) => effects.put(&batch.writes)?,
        Body::Dictionary(dictionary) => take_dictionary(effects, ls, &dictionary, scn)?,
        Body::Tablets(list) => effects.set_tablets(list.into()),
        Body::Replayed(batch) => {
            if let Err(stands_at) = replay::apply(effects, ls, 0, &batch)? {
                return Ok(Outcome::Gap(stands_at));
            }
        }
        Body::Blank | Body::Membership(_) | Body::KeepAlive => {}
    }
    Ok(Outcome::Done(scn))
}

/// Stores a dictionary that was logged at `scn`. Only the system log stream has one.
pub(super) fn take_dictionary(
    effects: &mut Effects<'_>,
    ls: LsId,
    logged: &strandline_format::pb::Dictionary,
    scn: Scn,
) -> io::Result<()> {
    if !ls.is_sys() {
        return Err(corrupt(format!("a dictionary in log stream {ls}")));
    }
    // The log and the wire have the same fields under the same numbers.
    let mut dictionary = Dictionary::decode(logged.encode_to_vec().as_slice()).map_err(|e| corrupt(e.to_string()))?;
    dictionary.scn = scn.0;
    effects.set_dictionary(dictionary);
    Ok(())
}
