//! Destinations: whose a place is, what it is for, what becomes of its keys, and what proves it.

use crate::harness::table::failure;
use crate::harness::{TENANT, World, archive_spec};
use strandline_scheduler_core::state::{CleanWhat, DestKind, Destination, StorageChange};
use strandline_scheduler_core::*;
use strandline_types::*;

const OTHER: TenantId = TenantId(TENANT.0 + 2);

/// Two tenants; the first one archives to `file:///a/arc` and backs up to `file:///a/data`.
fn world() -> World {
    let mut w = World::with_tenant(1, 1);
    w.act(Action::CreateTenant { name: "u".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    w.act(archive(TENANT, 0, "file:///a/arc")).unwrap();
    w.act(data(TENANT, "file:///a/data")).unwrap();
    w
}

fn archive(tenant: TenantId, no: u32, uri: &str) -> Action {
    Action::SetArchiveDest { tenant, no: DestNo(no.try_into().unwrap()), dest: Some(archive_spec(uri, 60)) }
}

fn data(tenant: TenantId, uri: &str) -> Action {
    Action::SetDataDest { tenant, uri: Some(uri.to_owned()), access: Access::default() }
}

fn backup_to(tenant: TenantId, uri: &str) -> Action {
    let to = Some(BackupDest { uri: uri.to_owned(), access: Access::default() });
    Action::StartBackup { tenant, request: BackupRequest { to, ..BackupRequest::new(BackupMode::Full, "") } }
}

fn dest(w: &World, id: u64) -> &Destination {
    &w.state.destinations[&DestId(id)]
}

#[test]
fn a_place_is_of_one_tenant_and_for_one_purpose_and_no_other_lies_in_it_or_around_it() {
    let mut w = world();
    w.act(Action::ArchiveLog { tenant: TENANT }).unwrap();
    w.until("DOING", |w| w.round().state == RoundState::Doing);
    let taken = [
        archive(OTHER, 0, "file:///a/arc"),
        archive(OTHER, 0, "file:///a/arc/?max_iops=7"),
        archive(OTHER, 0, "file:///a/arc/below"),
        archive(OTHER, 0, "file:///a"),
        archive(OTHER, 0, "file:///a/data"),
        data(OTHER, "file:///a/arc"),
        data(OTHER, "file:///a/data/below"),
        data(TENANT, "file:///a/arc"),
        data(TENANT, "file:///a"),
        archive(TENANT, 1, "file:///a/data"),
        archive(TENANT, 1, "file:///a/arc"),
        archive(TENANT, 1, "file:///a/arc/below"),
        backup_to(TENANT, "file:///a/arc"),
        backup_to(TENANT, "file:///a/data/below"),
    ];
    for action in taken {
        let refusal = w.is_refused(action.clone());
        assert_eq!((refusal.class, refusal.code), (ErrorClass::Invalid, -9081), "{action:?}: {refusal}");
    }
    for action in [data(TENANT, "cos://b/x"), data(TENANT, "file:///a b"), archive(TENANT, 8, "file:///free")] {
        assert_eq!(w.is_refused(action).class, ErrorClass::Invalid);
    }
    for (action, id) in [(archive(OTHER, 7, "file:///ab"), 1003), (data(OTHER, "file:///a2"), 1004)] {
        assert_eq!(w.act(action), Ok(Done::Dest(DestId(id))), "a name that only begins alike is another place");
    }
    assert!(matches!(w.act(backup_to(TENANT, "file:///b/c")), Ok(Done::BackupJob(_))));
    let kinds: Vec<DestKind> = w.state.destinations.values().map(|d| d.kind).collect();
    assert_eq!(kinds, [DestKind::Archive, DestKind::Data, DestKind::Archive, DestKind::Data, DestKind::Data]);
}

#[test]
fn a_place_that_was_given_up_still_belongs_to_its_tenant_until_that_one_is_gone() {
    let mut w = world();
    w.act(Action::SetArchiveDest { tenant: TENANT, no: DestNo(0), dest: None }).unwrap();
    w.act(Action::SetDataDest { tenant: TENANT, uri: None, access: Access::default() }).unwrap();
    w.is_refused(archive(OTHER, 0, "file:///a/arc"));
    w.is_refused(data(OTHER, "file:///a/data"));
    assert_eq!(w.act(data(TENANT, "file:///a/data")), Ok(Done::Dest(DestId(1002))), "it keeps its id");
    w.act(Action::DropTenant { tenant: TENANT }).unwrap();
    w.is_refused(archive(OTHER, 0, "file:///a/arc"));
    w.until("it is gone", |w| !w.state.tenants.contains_key(&TENANT));
    assert_eq!(w.act(archive(OTHER, 0, "file:///a/arc")), Ok(Done::Dest(DestId(1003))), "no id is given twice");
}

#[test]
fn other_keys_and_attributes_are_taken_for_the_same_place_alone_and_what_they_were_is_remembered() {
    let mut w = world();
    let to = |uri: &str, key: &str| Action::ChangeStorage {
        dest: DestId(1002),
        uri: uri.to_owned(),
        access: Access::new(format!("access_id=me&access_key={key}")),
    };
    assert_eq!(w.is_refused(to("file:///b", "one")).class, ErrorClass::Invalid);
    let nobody = Action::ChangeStorage { dest: DestId(77), uri: "file:///b".to_owned(), access: Access::default() };
    assert_eq!(w.is_refused(nobody).class, ErrorClass::NotFound);
    for n in 1..=limits::STORAGE_CHANGES_KEPT_MAX + 3 {
        w.now_ms += 1;
        let uri = format!("file:///a/data?max_iops={n}");
        assert_eq!(w.act(to(&uri, "secret")), Ok(Done::Dest(DestId(1002))));
        w.is_void(to(&uri, "secret"));
        assert_eq!(
            (dest(&w, 1002).uri.to_string(), dest(&w, 1002).access.reveal()),
            (uri, "access_id=me&access_key=secret")
        );
    }
    let changes: &[StorageChange] = &dest(&w, 1002).changes;
    assert_eq!(changes.len(), limits::STORAGE_CHANGES_KEPT_MAX, "the newest ones");
    assert_eq!(
        changes.last().unwrap().uri,
        format!("file:///a/data?max_iops={}", limits::STORAGE_CHANGES_KEPT_MAX + 2)
    );
    assert!(changes.iter().all(|c| !format!("{c:?}").contains("secret")), "and never a key");
    assert_eq!(w.state.tenants[&TENANT].data_dest, Some(DestId(1002)));
}

#[test]
fn a_destination_is_proven_once_and_its_trouble_ends_with_that_or_when_it_is_named_again() {
    let mut w = world();
    let id = DestId(1002);
    let troubled = |class| Action::MediumFailed { subject: Subject::Dest(id), failure: failure(class) };
    w.act(troubled(ErrorClass::Fenced)).unwrap();
    let since_ms = dest(&w, 1002).trouble.as_ref().unwrap().since_ms;
    w.now_ms += 1_000;
    w.act(troubled(ErrorClass::Transient)).unwrap();
    assert_eq!(dest(&w, 1002).trouble.as_ref().unwrap().since_ms, since_ms);
    w.act(data(TENANT, "file:///a/data")).unwrap();
    assert_eq!((&dest(&w, 1002).trouble, dest(&w, 1002).was_claimed()), (&None, false));
    // A statement looks at it before anybody has claimed it.
    w.act(Action::DestChecked { dest: id, check_file: "check/1".to_owned() }).unwrap();
    assert_eq!((dest(&w, 1002).was_claimed(), dest(&w, 1002).check_file.as_str()), (false, "check/1"));
    w.act(troubled(ErrorClass::Transient)).unwrap();
    w.does_once(Action::DestFormatted { dest: id });
    assert_eq!((&dest(&w, 1002).trouble, dest(&w, 1002).was_claimed()), (&None, true));
    w.is_void(troubled(ErrorClass::Fenced));
    for action in [
        Action::DestFormatted { dest: DestId(77) },
        Action::DestChecked { dest: DestId(77), check_file: String::new() },
        Action::MediumFailed { subject: Subject::Dest(DestId(77)), failure: failure(ErrorClass::Fenced) },
        Action::Swept { dest: DestId(77), seen: Swept::default() },
        Action::SweepEnded { dest: DestId(77), last_ms: 0 },
        Action::LeftoverDone { dest: id, set: BackupSetId(1) },
    ] {
        w.is_void(action);
    }
}

#[test]
fn what_belongs_to_nothing_is_remembered_since_when_it_was_first_seen() {
    let mut w = world();
    let dest = DestId(1002);
    let seen = |orphans: &[&str], removed| Action::Swept {
        dest,
        seen: Swept { orphans: orphans.iter().map(|o| (*o).to_owned()).collect(), unfinished: 2, removed, aborted: 1 },
    };
    w.act(seen(&["x", "y"], 0)).unwrap();
    let first_ms = w.state.clock_ms;
    w.does_once(Action::SweepEnded { dest, last_ms: 0 });
    w.now_ms += 1_000;
    w.act(Action::MediumFailed { subject: Subject::Sweep(dest), failure: failure(ErrorClass::Transient) }).unwrap();
    w.act(seen(&["y", "z"], 1)).unwrap();
    let sweep = &w.state.sweeps[&dest];
    let orphans: Vec<(&str, u64)> = sweep.orphans.iter().map(|(dir, ms)| (dir.as_str(), *ms)).collect();
    assert_eq!(orphans, [("y", first_ms), ("z", w.state.clock_ms)], "a look is the whole picture");
    assert_eq!((sweep.removed, sweep.aborted, sweep.unfinished), (1, 2, 2));
    assert!(sweep.trouble.is_some());
    let last_ms = sweep.last_ms;
    w.is_void(Action::SweepEnded { dest, last_ms: last_ms - 1 });
    w.act(Action::SweepEnded { dest, last_ms }).unwrap();
    assert_eq!(w.state.sweeps[&dest].trouble, None);
}

#[test]
fn new_tenants_get_a_place_below_the_parent_that_no_other_destination_may_hold() {
    let mut w = world();
    let parent = |uri: &str| Action::ArchiveNewTenants { parent: Some(archive_spec(uri, 60)) };
    for uri in ["file:///a/arc", "file:///a/data/new", "file:///b c"] {
        w.is_refused(parent(uri));
    }
    w.does_once(parent("file:///a"));
    let next = w.state.next.tenant;
    // Somebody has the place that the next tenant would get.
    w.act(data(OTHER, &format!("file:///a/v_{next}"))).unwrap();
    let create = |name: &str| Action::CreateTenant { name: name.to_owned(), log_streams: 1, replicas: 1 };
    assert_eq!(w.is_refused(create("v")).code, -9081);
    assert_eq!(w.act(create("x")), Ok(Done::Tenant(next)), "no id was lost");
    let made = w.state.destinations.values().next_back().unwrap();
    assert_eq!(made.uri.to_string(), format!("file:///a/x_{next}"));
    assert_eq!(made.made_below.as_ref().unwrap().to_string(), "file:///a");
    w.does_once(Action::ArchiveNewTenants { parent: None });
}

#[test]
fn a_destination_that_was_emptied_leaves_nothing_behind_and_its_place_is_free() {
    let mut w = crate::harness::jobs::world();
    let old = w.state.tenants[&TENANT].data_dest.unwrap();
    let uri = w.state.destinations[&old].uri.to_string();
    w.act(data(TENANT, "file:///new")).unwrap();
    w.run(2);
    w.write();
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "") }).unwrap();
    w.until("a set in the new one", |w| w.state.open_backup_job(TENANT).is_none());
    w.act(Action::Swept { dest: old, seen: Swept { unfinished: 1, ..Swept::default() } }).unwrap();
    w.act(Action::StartClean { tenant: TENANT, what: CleanWhat::All(old), description: String::new() }).unwrap();
    w.until("it is empty", |w| w.state.open_clean_job(TENANT).is_none());
    assert_eq!(w.state.clean_jobs().next_back().unwrap().status, JobStatus::Completed);
    assert!(!w.state.destinations.contains_key(&old) && !w.state.sweeps.contains_key(&old));
    for action in [
        Action::DestFormatted { dest: old },
        Action::SweepEnded { dest: old, last_ms: 0 },
        Action::Swept { dest: old, seen: Swept::default() },
    ] {
        w.is_void(action);
    }
    let next = w.state.next.dest;
    w.act(Action::CreateTenant { name: "u".to_owned(), log_streams: 1, replicas: 1 }).unwrap();
    assert_eq!(w.act(data(OTHER, &uri)), Ok(Done::Dest(next)), "the place is free, its number is not");
}

#[test]
fn settings_out_of_bounds_are_refused_or_brought_within_them_and_a_running_backup_keeps_its_own() {
    let mut w = crate::harness::jobs::world();
    let lag = |lag_target_ms| Action::SetArchiveLag { tenant: TENANT, lag_target_ms };
    let threads = |threads| Action::SetArchiveConcurrency { tenant: TENANT, threads };
    w.is_refused(lag(limits::ARCHIVE_LAG_TARGET_MS_MAX + 1));
    w.is_refused(threads(limits::ARCHIVE_CONCURRENCY_MAX + 1));
    w.act(lag(limits::ARCHIVE_LAG_TARGET_MS_MAX)).unwrap();
    w.act(threads(limits::ARCHIVE_CONCURRENCY_MAX)).unwrap();
    let sized = |bytes| Action::SetBackupParam { tenant: TENANT, param: BackupParam::DataFileBytes(bytes) };
    let size = |w: &World| w.state.tenants[&TENANT].backup.data_file_bytes;
    let bounds = (limits::BACKUP_DATA_FILE_BYTES_MIN, limits::BACKUP_DATA_FILE_BYTES_MAX);
    w.act(sized(0)).unwrap();
    assert_eq!(size(&w), bounds.0);
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "") }).unwrap();
    w.act(sized(u64::MAX)).unwrap();
    assert_eq!((size(&w), w.state.open_backup_job(TENANT).unwrap().data_file_bytes), (bounds.1, bounds.0));
}
