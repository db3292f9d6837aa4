//! PALF: groups in 64 MiB blocks, with entry bodies as `strandline_format::entry` defines them.
//!
//! The log format of the built-in engine, and the one that archives hold. It lies here and not in the engine because pure
//! code (the archiver's tests, the simulator) reads real log without one.

use crate::{EntryError, LogBase, LogDamage, LogFormat, LogGroup, ReplayItem};
use bytes::Bytes;
use strandline_format::entry::{EntryBody, EntryKind, decode};
use strandline_format::palf::{GroupWalker, PalfError, Walk, next_group};
use strandline_format::pb;
use strandline_types::dictionary::{Dictionary, Table, TabletPlace};
use strandline_types::{LsId, Lsn, PalfBase, Scn, TabletId};

/// PALF with the built-in engine's entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct PalfLog;

/// The format as an engine gives it.
pub static PALF: PalfLog = PalfLog;

impl LogFormat for PalfLog {
    fn group(&self, log: &[u8], at: Lsn, before: Option<&LogBase>) -> Result<Option<LogGroup>, LogDamage> {
        let base = before.map(|base| PalfBase::from(*base));
        match next_group(log, at, base.as_ref()).map_err(damage)? {
            Walk::Partial => Ok(None),
            Walk::Group(group) => Ok(Some(LogGroup { start: group.lsn, after: group.base_after().into() })),
        }
    }

    fn dictionaries(&self, log: &[u8], start: Lsn) -> Vec<Dictionary> {
        let mut found = Vec::new();
        let mut walker = GroupWalker::new(log, start, None);
        // The log was verified before: an error can only be the end of it.
        while let Ok(Some(group)) = walker.next_group() {
            for entry in group.entries() {
                // Looking at the kind first: bodies of other kinds are not decoded.
                if entry.body.first() != Some(&EntryKind::Dictionary.number()) {
                    continue;
                }
                if let Ok(EntryBody::Dictionary(dictionary)) = decode(Bytes::copy_from_slice(entry.body)) {
                    found.push(Dictionary { scn: Some(entry.scn), ..dictionary_of_medium(dictionary) });
                }
            }
        }
        found
    }

    fn replay_items(&self, at: Lsn, entries: &[(Scn, Bytes)], items: &mut Vec<ReplayItem>) -> Result<(), EntryError> {
        for (scn, entry) in entries {
            let number = *entry.first().ok_or_else(|| EntryError { at, what: "an empty entry".to_owned() })?;
            let kind = EntryKind::from_number(number).ok_or_else(|| unknown(at, number))?;
            if changes_data(kind) {
                items.push(ReplayItem { scn: *scn, entry: entry.clone() });
            }
        }
        Ok(())
    }
}

/// True for the kinds that must be applied again: client batches, dictionary changes, tablets that are dropped and, when
/// the source was itself restored, replayed log.
const fn changes_data(kind: EntryKind) -> bool {
    match kind {
        EntryKind::ClientBatch | EntryKind::Dictionary | EntryKind::Replayed | EntryKind::Tablets => true,
        EntryKind::Blank | EntryKind::Membership | EntryKind::KeepAlive => false,
    }
}

fn unknown(at: Lsn, kind: u8) -> EntryError {
    EntryError { at, what: format!("an entry of kind {kind}, which is not known here") }
}

fn damage(error: PalfError) -> LogDamage {
    LogDamage { lsn: error.lsn, what: error.fault.to_string() }
}

/// A dictionary as log entries and files on the medium have it.
#[must_use]
pub fn dictionary_of_medium(dictionary: pb::Dictionary) -> Dictionary {
    let tablet = |t: pb::DictionaryTablet| TabletPlace { tablet: TabletId(t.tablet_id), ls: LsId(t.ls_id) };
    let table = |t: pb::DictionaryTable| Table {
        id: t.table_id,
        name: t.name,
        tablets: t.tablets.into_iter().map(tablet).collect(),
    };
    Dictionary {
        version: dictionary.version,
        scn: (dictionary.scn > 0).then_some(Scn(dictionary.scn)),
        tables: dictionary.tables.into_iter().map(table).collect(),
        next_tablet: (dictionary.next_tablet_id > 0).then_some(TabletId(dictionary.next_tablet_id)),
    }
}

/// The same in the other direction.
#[must_use]
pub fn dictionary_for_medium(dictionary: Dictionary) -> pb::Dictionary {
    let tablet = |t: TabletPlace| pb::DictionaryTablet { tablet_id: t.tablet.0, ls_id: t.ls.0 };
    let table = |t: Table| pb::DictionaryTable {
        table_id: t.id,
        name: t.name,
        tablets: t.tablets.into_iter().map(tablet).collect(),
    };
    pb::Dictionary {
        version: dictionary.version,
        scn: dictionary.scn.map_or(0, |scn| scn.0),
        tables: dictionary.tables.into_iter().map(table).collect(),
        next_tablet_id: dictionary.next_tablet.map_or(0, |tablet| tablet.0),
    }
}

#[cfg(test)]
mod tests;
