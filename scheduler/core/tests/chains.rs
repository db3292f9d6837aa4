//! Which set an incremental backup builds on, when sets of the chain are missing, damaged, of another destination or of
//! no use: what State says is usable decides, and a set whose base is in doubt is a full one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use proptest::prelude::*;
use strandline_scheduler_core::state::BackupSet;
use strandline_scheduler_core::*;
use strandline_types::*;

const BROKEN: [FileStatus; 4] = [FileStatus::Broken, FileStatus::Expired, FileStatus::Deleting, FileStatus::Deleted];

fn request(mode: BackupMode) -> BackupRequest {
    BackupRequest { version: "1.0".to_owned(), ..BackupRequest::new(mode, "") }
}

fn back_up(w: &mut World, mode: BackupMode) -> BackupSet {
    w.write();
    w.act(Action::StartBackup { tenant: TENANT, request: request(mode) }).unwrap();
    w.until("the set", |w| w.state.open_backup_job(TENANT).is_none());
    w.state.backup_sets.values().next_back().unwrap().clone()
}

/// A full set and two increments: 1, 2, 3.
fn world() -> World {
    let mut w = World::archiving(1, 1, 3600);
    for mode in [BackupMode::Full, BackupMode::Incremental, BackupMode::Incremental] {
        back_up(&mut w, mode);
    }
    w
}

fn row(state: &mut State, set: u64) -> &mut BackupSet {
    state.backup_sets.get_mut(&(TENANT, BackupSetId(set))).unwrap()
}

/// The set that a backup would make now.
fn would_make(state: &State, mode: BackupMode) -> Result<BackupSet, Failure> {
    let mut state = state.clone();
    let action = Action::StartBackup { tenant: TENANT, request: request(mode) };
    let proposed_at_ms = state.clock_ms;
    apply(&mut state, Command { proposed_at_ms, action })?;
    Ok(state.backup_sets.values().next_back().unwrap().clone())
}

fn place(set: &BackupSet) -> (BackupSetKind, u64, u64) {
    (set.kind, set.prev_full.0, set.prev_inc.0)
}

#[test]
fn a_chain_of_three_goes_on_at_its_end_and_a_broken_one_before_the_damage_or_not_at_all() {
    let w = world();
    assert_eq!(place(&would_make(&w.state, BackupMode::Incremental).unwrap()), (BackupSetKind::Inc, 1, 3));
    for worth in BROKEN {
        let with = |set: u64| {
            let mut state = w.state.clone();
            row(&mut state, set).file_status = worth;
            would_make(&state, BackupMode::Incremental).unwrap()
        };
        // Without the newest one the chain ends before it.
        assert_eq!(place(&with(3)), (BackupSetKind::Inc, 1, 2), "{worth}");
        for missing in [1, 2] {
            let made = with(missing);
            assert_eq!(place(&made), (BackupSetKind::Full, 0, 0), "set {missing} is {worth}");
            assert!(made.note.contains(&format!("set {missing} of the chain is not available")), "{}", made.note);
        }
    }
}

#[test]
fn a_set_that_failed_or_is_still_made_is_no_base() {
    let w = world();
    for status in [BackupSetStatus::Failed, BackupSetStatus::Doing] {
        let mut state = w.state.clone();
        (row(&mut state, 3).status, row(&mut state, 3).file_status) = (status, FileStatus::Incomplete);
        assert_eq!(place(&would_make(&state, BackupMode::Incremental).unwrap()), (BackupSetKind::Inc, 1, 2));
        assert_eq!(newest_set(&state, TENANT, row(&mut state.clone(), 1).dest_id).unwrap().set_id, BackupSetId(2));
    }
}

#[test]
fn a_chain_that_is_gone_from_the_rows_or_runs_in_a_circle_is_no_chain() {
    let w = world();
    let mut state = w.state.clone();
    state.backup_sets.remove(&(TENANT, BackupSetId(2)));
    assert_eq!(place(&would_make(&state, BackupMode::Incremental).unwrap()), (BackupSetKind::Full, 0, 0));
    for around in [2, 3, 9] {
        let mut state = w.state.clone();
        row(&mut state, 2).prev_inc = BackupSetId(around);
        let made = would_make(&state, BackupMode::Incremental).unwrap();
        assert_eq!(made.kind, BackupSetKind::Full, "set 2 on set {around}");
        assert!(made.note.contains(&format!("set {around} of the chain")), "{}", made.note);
    }
}

#[test]
fn a_synthetic_set_is_made_of_a_whole_chain_alone_and_names_what_is_missing() {
    let mut w = world();
    for (missing, worth) in [(1, FileStatus::Deleted), (2, FileStatus::Broken)] {
        let mut state = w.state.clone();
        row(&mut state, missing).file_status = worth;
        let refused = would_make(&state, BackupMode::Synthetic).unwrap_err();
        assert_eq!((refused.code, refused.object.as_str()), (-9040, "tenant t"));
        assert!(refused.what.contains(&format!("set {missing} of the chain is not available")), "{refused}");
        assert!(refused.todo.contains("BACKUP DATABASE"), "{refused}");
    }
    let chain_end = row(&mut w.state, 3).clone();
    let synthetic = back_up(&mut w, BackupMode::Synthetic);
    assert_eq!(
        (place(&synthetic), synthetic.min_restore_scn),
        ((BackupSetKind::Full, 0, 0), chain_end.min_restore_scn)
    );
    // It begins a chain of its own, which needs nothing of the one before.
    let next = back_up(&mut w, BackupMode::Incremental);
    assert_eq!(place(&next), (BackupSetKind::Inc, 4, 4));
    for old in 1..=3 {
        row(&mut w.state, old).file_status = FileStatus::Deleted;
    }
    assert_eq!(place(&would_make(&w.state, BackupMode::Incremental).unwrap()), (BackupSetKind::Inc, 4, 5));
}

#[test]
fn each_destination_has_its_own_chain_also_where_sets_of_both_alternate() {
    let mut w = World::archiving(1, 1, 3600);
    let to = |w: &mut World, uri: &str| {
        let uri = Some(uri.to_owned());
        w.act(Action::SetDataDest { tenant: TENANT, uri, access: Access::default() }).unwrap();
        w.run(2);
    };
    let mut last = std::collections::BTreeMap::new();
    for n in 0..6 {
        let uri = ["file:///a", "file:///b"][n % 2];
        to(&mut w, uri);
        let made = back_up(&mut w, BackupMode::Incremental);
        let base = last.insert(uri, made.set_id).unwrap_or_default();
        assert_eq!((made.uri.as_str(), made.prev_inc), (uri, base), "the {n}th");
        assert_eq!(made.kind, if n < 2 { BackupSetKind::Full } else { BackupSetKind::Inc });
    }
}

proptest! {
    #[test]
    fn whatever_the_rows_say_an_increment_builds_on_usable_sets_of_its_destination_down_to_a_full_one(
        worth in prop::collection::vec((0usize..7, any::<bool>(), 0u64..2), 8),
        inc in prop::collection::vec((any::<bool>(), 1u64..4), 8),
    ) {
        let w = World::archiving(1, 1, 3600);
        let mut state = {
            let mut w = w;
            back_up(&mut w, BackupMode::Full);
            w.state
        };
        let first = row(&mut state, 1).clone();
        for (n, ((file_status, has_failed, dest), (is_inc, back))) in worth.into_iter().zip(inc).enumerate() {
            let set_id = BackupSetId(n as u64 + 2);
            let status = if has_failed { BackupSetStatus::Failed } else { BackupSetStatus::Success };
            let kind = if is_inc { BackupSetKind::Inc } else { BackupSetKind::Full };
            let prev_inc = BackupSetId(if is_inc { set_id.0.saturating_sub(back) } else { 0 });
            let (file_status, dest_id) = (FileStatus::ALL[file_status], DestId(first.dest_id.0 + dest));
            let set = BackupSet { set_id, status, file_status, kind, prev_inc, dest_id, ..first.clone() };
            state.backup_sets.insert((TENANT, set_id), set);
        }
        state.tenants.get_mut(&TENANT).unwrap().next.backup_set = BackupSetId(20);
        let made = would_make(&state, BackupMode::Incremental).unwrap();
        let is_usable = |s: &BackupSet| s.status == BackupSetStatus::Success && s.file_status == FileStatus::Available;
        if made.kind == BackupSetKind::Full {
            prop_assert!(!made.note.is_empty(), "it says why it is no increment");
            return Ok(());
        }
        let sets: Vec<&BackupSet> = state.backup_sets.values().filter(|s| s.dest_id == first.dest_id).collect();
        let newest = sets.iter().filter(|s| is_usable(s)).map(|s| s.set_id).max().unwrap();
        prop_assert_eq!(made.prev_inc, newest, "no usable set of the destination is left out");
        let mut at = &state.backup_sets[&(TENANT, made.prev_inc)];
        while at.kind == BackupSetKind::Inc {
            prop_assert!(is_usable(at), "set {} of the chain", at.set_id);
            at = &state.backup_sets[&(TENANT, at.prev_inc)];
        }
        prop_assert!(is_usable(at));
    }
}
