//! What is remembered of clients, and what is known of a request that comes again.
#![allow(clippy::unwrap_used)]

use super::*;

const MINUTE_MS: u64 = 60_000;

fn id(session: u128, number: u64) -> WriteId {
    WriteId { session: SessionId(session), number }
}

fn sent(session: u128, number: u64) -> WriteIdentity {
    WriteIdentity { id: id(session, number), settled: 1, uncertain_ms: 0 }
}

fn again(session: u128, number: u64, uncertain_ms: u64) -> WriteIdentity {
    WriteIdentity { uncertain_ms, ..sent(session, number) }
}

fn at(ms: u64) -> Scn {
    Scn::from_ms(1_000_000_000 + ms)
}

/// As a restart sees it.
fn stored(mut sessions: Sessions) -> Sessions {
    let mut store: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for (key, value) in sessions.take_changes().unwrap() {
        match value {
            Some(value) => store.insert(key, value),
            None => store.remove(&key),
        };
    }
    let forgotten = store.remove(FORGOTTEN_KEY);
    let records = store.into_iter().map(|(k, v)| Ok((k.into_boxed_slice(), v.into_boxed_slice())));
    Sessions::load(records, forgotten.as_deref()).unwrap()
}

#[test]
fn a_request_that_was_done_is_known_with_its_scn_also_after_a_restart() {
    let mut sessions = Sessions::default();
    assert_eq!(sessions.look(&sent(1, 1), at(0)), Known::New);
    sessions.note(id(1, 1), 1, at(5));
    sessions.note(id(1, 3), 1, at(6));
    for sessions in [sessions.clone(), stored(sessions)] {
        assert_eq!(sessions.look(&again(1, 1, 100), at(9)), Known::Done(at(5)));
        assert_eq!(sessions.look(&again(1, 2, 100), at(9)), Known::New, "a number between was not done");
        assert_eq!(sessions.look(&again(1, 3, 100), at(9)), Known::Done(at(6)));
        assert_eq!(sessions.look(&sent(2, 1), at(9)), Known::New, "the same number of somebody else");
    }
}

#[test]
fn what_a_client_has_settled_is_forgotten_and_never_done_again() {
    let mut sessions = Sessions::default();
    sessions.note(id(1, 1), 1, at(1));
    sessions.note(id(1, 2), 2, at(2));
    for sessions in [sessions.clone(), stored(sessions)] {
        assert_eq!(sessions.look(&again(1, 1, 5), at(3)), Known::Settled);
        assert_eq!(sessions.look(&again(1, 2, 5), at(3)), Known::Done(at(2)));
        assert_eq!(sessions.sessions[&SessionId(1)].done.len(), 1);
    }
}

#[test]
fn a_session_remembers_no_more_than_its_window() {
    let mut sessions = Sessions::default();
    for number in 1..=3 * WRITE_SESSION_WINDOW {
        sessions.note(id(1, number), 1, at(number));
    }
    let newest = 3 * WRITE_SESSION_WINDOW;
    assert_eq!(sessions.sessions[&SessionId(1)].done.len() as u64, WRITE_SESSION_WINDOW);
    assert_eq!(sessions.look(&sent(1, newest), at(0)), Known::Done(at(newest)));
    assert_eq!(sessions.look(&sent(1, newest - WRITE_SESSION_WINDOW), at(0)), Known::Settled);
}

#[test]
fn the_most_silent_session_is_forgotten_first_and_a_repetition_is_told_so_while_it_matters() {
    let mut sessions = Sessions::default();
    let many = WRITE_SESSIONS_MAX as u128;
    for client in 0..=many {
        sessions.note(id(client, 1), 1, at(client as u64));
    }
    sessions.note(id(1, 2), 1, at(5_000));
    sessions.note(id(many + 1, 1), 1, at(5_001));
    for sessions in [sessions.clone(), stored(sessions)] {
        assert_eq!(sessions.sessions.len(), WRITE_SESSIONS_MAX);
        assert_eq!(sessions.look(&again(1, 1, 10), at(5_002)), Known::Done(at(1)), "it has just written");
        // Session 2 was the last to go, with its request of 2 ms: a client that sends it again may have written it.
        assert_eq!(sessions.look(&again(2, 1, 5_000), at(5_002)), Known::Forgotten);
        assert_eq!(sessions.look(&again(2, 1, 1), at(5_002)), Known::Forgotten, "clocks may differ so much");
        assert_eq!(sessions.look(&sent(2, 2), at(5_002)), Known::New, "it was never sent before");
        let later = at(5_002 + MAX_CLOCK_OFFSET_MS + MINUTE_MS);
        assert_eq!(sessions.look(&again(2, 2, 30_000), later), Known::New, "nothing so young was forgotten");
    }
}

#[test]
fn a_client_that_was_forgotten_and_came_back_is_not_told_that_what_it_sent_before_is_new() {
    let mut sessions = Sessions::default();
    sessions.note(id(7, 5), 5, at(1));
    for client in 100..100 + WRITE_SESSIONS_MAX as u128 {
        sessions.note(id(client, 1), 1, at(2));
    }
    // Its next request is new, and makes the session anew; the answer of the one before was lost.
    assert_eq!(sessions.look(&sent(7, 6), at(3)), Known::New);
    sessions.note(id(7, 6), 5, at(3));
    for sessions in [sessions.clone(), stored(sessions)] {
        assert_eq!(sessions.look(&again(7, 5, 2_000), at(4)), Known::Forgotten);
        assert_eq!(sessions.look(&sent(7, 7), at(4)), Known::New);
        let later = at(4 + MAX_CLOCK_OFFSET_MS + MINUTE_MS);
        assert_eq!(sessions.look(&again(7, 7, 30_000), later), Known::New, "nothing so young was forgotten");
    }
}

#[test]
fn every_replica_remembers_the_same_wherever_it_was_restarted() {
    let notes = |n: u64| (id(u128::from(n % 1_500), n / 1_500 + 1), 1 + n / 3_000, at(n));
    let (mut whole, mut restarted) = (Sessions::default(), Sessions::default());
    for n in 0..6_000 {
        let (id, settled, scn) = notes(n);
        whole.note(id, settled, scn);
        restarted.note(id, settled, scn);
        if n % 1_999 == 0 {
            // Its store was whole before: everything counts as changed.
            restarted.changed = restarted.sessions.keys().copied().collect();
            let forgotten = restarted.forgotten;
            restarted = Sessions { forgotten, ..stored(restarted) };
        }
    }
    assert_eq!((whole.sessions, whole.forgotten), (restarted.sessions, restarted.forgotten));
}

/// The records as they were first written: a store of that time has to be read for ever.
#[test]
fn the_records_are_these_bytes() {
    let mut sessions = Sessions::default();
    sessions.note(id(0x0102, 7), 5, Scn(300));
    let changes = sessions.take_changes().unwrap();
    let key = [SESSION_PREFIX, &0x0102_u128.to_be_bytes()].concat();
    // Version, last SCN (300), settled, one request: number and SCN; what had been forgotten by then: nothing.
    assert_eq!(changes, [(key, Some(vec![1, 0xac, 2, 5, 1, 7, 0xac, 2, 0]))]);
    let foreign = [Ok((b"session/0123456789abcdef".to_vec().into(), vec![2, 0].into()))];
    assert!(Sessions::load(foreign, None).unwrap_err().to_string().contains("version 2"));
}
