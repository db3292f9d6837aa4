//! Sessions as records of the inner column family: one per session, and one for what was forgotten.
//!
//! A record begins with its version. Records outlive the program: another layout is another version.

use super::{Session, SessionId, Sessions};
use crate::error::corrupt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io;
use strandline_types::Scn;

/// Keys of sessions: this and the 16 bytes of the id.
pub(crate) const SESSION_PREFIX: &[u8] = b"session/";
/// Key of the record of what was forgotten.
pub(crate) const FORGOTTEN_KEY: &[u8] = b"sessions_forgotten";
const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct SessionRecord {
    last_scn: u64,
    settled: u64,
    done: Vec<(u64, u64)>,
    made_after_scn: u64,
}

/// A record that differs from the store's: key, and value or `None` for one that goes.
pub(crate) type Change = (Vec<u8>, Option<Vec<u8>>);

impl Sessions {
    /// What has to be written since the last call.
    pub(crate) fn take_changes(&mut self) -> io::Result<Vec<Change>> {
        let changed = std::mem::take(&mut self.changed);
        let mut changes = Vec::with_capacity(changed.len());
        for id in changed {
            let key = [SESSION_PREFIX, &id.0.to_be_bytes()].concat();
            match self.sessions.get(&id) {
                Some(session) => changes.push((key, Some(encode(session)?))),
                None => {
                    changes.push((key, None));
                    changes.push((FORGOTTEN_KEY.to_vec(), Some(with_version(&self.forgotten.0)?)));
                }
            }
        }
        Ok(changes)
    }

    /// Puts records together again: every key and value that begins with [`SESSION_PREFIX`], and the value of
    /// [`FORGOTTEN_KEY`].
    pub(crate) fn load(
        records: impl IntoIterator<Item = io::Result<(Box<[u8]>, Box<[u8]>)>>,
        forgotten: Option<&[u8]>,
    ) -> io::Result<Self> {
        let mut sessions = Self { changed: BTreeSet::new(), ..Self::default() };
        if let Some(forgotten) = forgotten {
            sessions.forgotten = Scn(without_version(forgotten)?);
        }
        for record in records {
            let (key, value) = record?;
            let id = key.strip_prefix(SESSION_PREFIX).and_then(|id| <[u8; 16]>::try_from(id).ok());
            let id = id.ok_or_else(|| corrupt("a session's record has a key that is none"))?;
            let SessionRecord { last_scn, settled, done, made_after_scn } = without_version(&value)?;
            let done = done.into_iter().map(|(number, scn)| (number, Scn(scn))).collect();
            let session = Session { last: Scn(last_scn), settled, done, made_after: Scn(made_after_scn) };
            sessions.sessions.insert(SessionId(u128::from_be_bytes(id)), session);
        }
        Ok(sessions)
    }
}

fn encode(session: &Session) -> io::Result<Vec<u8>> {
    let done = session.done.iter().map(|(number, scn)| (*number, scn.0)).collect();
    let (last_scn, made_after_scn) = (session.last.0, session.made_after.0);
    with_version(&SessionRecord { last_scn, settled: session.settled, done, made_after_scn })
}

fn with_version<T: Serialize>(value: &T) -> io::Result<Vec<u8>> {
    postcard::to_extend(value, vec![VERSION]).map_err(io::Error::other)
}

fn without_version<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> io::Result<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).map_err(|e| corrupt(format!("a session's record: {e}"))),
        Some((other, _)) => Err(corrupt(format!("version {other} of a session's record is not known here"))),
        None => Err(corrupt("a session's record is empty")),
    }
}
