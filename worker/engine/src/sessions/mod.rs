//! Which requests of clients a log stream has done, so that one that comes again is answered and not done again (ADR 29).
//!
//! Part of the applied state: every replica that has applied the same log remembers the same. A client that is silent for
//! long is forgotten when there are too many; what that costs is known, see [`Known::Forgotten`]. Pure: no clock, no I/O.

mod identity;
mod record;
#[cfg(test)]
mod tests;

pub use identity::{SessionId, WriteId, WriteIdentity};
pub(crate) use record::{Change, FORGOTTEN_KEY, SESSION_PREFIX};

use std::collections::{BTreeMap, BTreeSet};
use strandline_types::Scn;
use strandline_types::limits::{MAX_CLOCK_OFFSET_MS, WRITE_SESSION_WINDOW, WRITE_SESSIONS_MAX};

/// What is known of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was not done.
    New,
    /// It was done at this SCN.
    Done(Scn),
    /// Its client has announced that it waits for no answer of it any more.
    Settled,
    /// It was sent before, and its session may have been forgotten since: it is not known whether it was done.
    Forgotten,
}

/// What one client has done here and may still ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Session {
    /// SCN of its newest request.
    last: Scn,
    /// It asks for nothing below this number.
    settled: u64,
    /// Number and SCN of what was done, from `settled` on.
    done: BTreeMap<u64, Scn>,
    /// How old what had been forgotten was when it was made: an earlier session of the same client may be among it.
    made_after: Scn,
}

/// Every session of a log stream that is remembered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    sessions: BTreeMap<SessionId, Session>,
    /// The newest request of the sessions that were forgotten is at most this old.
    forgotten: Scn,
    /// What differs from the records of the store.
    changed: BTreeSet<SessionId>,
}

impl Sessions {
    /// What is known of a request at `now`, the clock of the leader that is asked.
    pub(crate) fn look(&self, identity: &WriteIdentity, now: Scn) -> Known {
        let Some(session) = self.sessions.get(&identity.id.session) else {
            return may_be_of_forgotten(self.forgotten, identity.uncertain_ms, now);
        };
        match session.done.get(&identity.id.number) {
            Some(scn) => Known::Done(*scn),
            None if identity.id.number < session.settled => Known::Settled,
            // The client was forgotten and came back: what it did before is not in this session.
            None => may_be_of_forgotten(session.made_after, identity.uncertain_ms, now),
        }
    }

    /// Takes in that a request was done at `scn`.
    pub(crate) fn note(&mut self, id: WriteId, settled: u64, scn: Scn) {
        let made_after = self.forgotten;
        let session = self.sessions.entry(id.session).or_insert_with(|| Session { made_after, ..Session::default() });
        session.last = session.last.max(scn);
        session.settled = session.settled.max(settled);
        session.done.insert(id.number, scn);
        session.done = session.done.split_off(&session.settled);
        while session.done.len() as u64 > WRITE_SESSION_WINDOW {
            if let Some((number, _)) = session.done.pop_first() {
                session.settled = number + 1;
            }
        }
        self.changed.insert(id.session);
        if self.sessions.len() > WRITE_SESSIONS_MAX {
            self.forget_the_most_silent();
        }
    }

    fn forget_the_most_silent(&mut self) {
        let most_silent = self.sessions.iter().map(|(id, session)| (session.last, *id)).min();
        if let Some((last, id)) = most_silent {
            self.sessions.remove(&id);
            self.forgotten = self.forgotten.max(last);
            self.changed.insert(id);
        }
    }
}

/// Whether a request that was sent `uncertain_ms` ago may have been done by a session that was forgotten since; what was
/// forgotten is at most as old as `forgotten`. The leaders of that time may have had another clock.
fn may_be_of_forgotten(forgotten: Scn, uncertain_ms: u64, now: Scn) -> Known {
    let back = Scn::from_ms(uncertain_ms.saturating_add(MAX_CLOCK_OFFSET_MS));
    let was_any_forgotten = forgotten > Scn(0);
    let may_be = was_any_forgotten && uncertain_ms > 0 && forgotten.0 >= now.0.saturating_sub(back.0);
    if may_be { Known::Forgotten } else { Known::New }
}
