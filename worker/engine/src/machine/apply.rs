//! Applying committed entries: durable in the log first, then one atomic write for the whole batch.

use super::replay;
use super::{Machine, Outcome};
use crate::error::corrupt;
use crate::sessions::{SessionId, Sessions, WriteId};
use crate::tablet::{AppliedRecord, Effects};
use prost::Message;
use std::io;
use strandline_consensus::{Entry, EntryBody, Payload, Reply};
use strandline_format::entry::{EntryBody as Body, EntryKind, decode_payload};
use strandline_format::pb;
use strandline_proto::v1::Dictionary;
use strandline_types::{LsId, Scn};

impl Machine {
    /// The caller holds the apply_state.
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
        let mut sessions = self.sessions();
        for entry in entries {
            let outcome = match &entry.body {
                EntryBody::Blank => Outcome::Done(scn),
                EntryBody::Membership(bytes) => {
                    effects.set_membership(bytes.clone());
                    Outcome::Done(scn)
                }
                EntryBody::Normal(payload) => {
                    scn = Scn(payload.scn);
                    apply_payload(&mut effects, &mut sessions, self.id.ls, payload)?
                }
            };
            replies.push(outcome.reply());
        }
        effects.put_sessions(sessions.take_changes()?)?;
        drop(sessions);
        // Only what the store says: an entry that this version cannot read is no damage of the files.
        let inner = effects.commit(AppliedRecord { pos, base }).inspect_err(|e| self.note_damage(e))?;
        self.set_inner(inner);
        Ok(replies)
    }
}

/// Applies a proposal. A body that cannot be read stops the group: every replica would have to do the same with it, and
/// this one does not know what.
fn apply_payload(
    effects: &mut Effects<'_>,
    sessions: &mut Sessions,
    ls: LsId,
    payload: &Payload,
) -> io::Result<Outcome> {
    let scn = Scn(payload.scn);
    let kind = EntryKind::from_number(payload.kind)
        .ok_or_else(|| corrupt(format!("log entry of unknown kind {}", payload.kind)))?;
    let body = decode_payload(kind, payload.body.clone()).map_err(|e| corrupt(format!("{kind} entry: {e}")))?;
    match body {
        Body::ClientBatch(batch) => {
            effects.put(&batch.writes)?;
            for identity in &batch.identities {
                sessions.note(id_of(identity)?, identity.settled, scn);
            }
        }
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

fn id_of(logged: &pb::WriteIdentity) -> io::Result<WriteId> {
    let session = <[u8; 16]>::try_from(logged.session.as_ref())
        .map_err(|_| corrupt(format!("a write of a session of {} bytes", logged.session.len())))?;
    Ok(WriteId { session: SessionId(u128::from_be_bytes(session)), number: logged.number })
}

/// Stores a dictionary that was logged at `scn`. Only the system log stream has one.
pub(super) fn take_dictionary(
    effects: &mut Effects<'_>,
    ls: LsId,
    logged: &pb::Dictionary,
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
