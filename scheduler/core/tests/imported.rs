//! Destinations of other clusters: listed, cleaned, forgotten.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World};
use std::collections::BTreeMap;
use strandline_scheduler_core::state::{BackupSet, DestKind, ImportedFrom, PieceRow, Round, TenantStatus};
use strandline_scheduler_core::*;
use strandline_types::*;

const MADE: TenantId = TenantId(1002);

fn source() -> World {
    let mut w = World::archiving(3, 3, 60);
    w.write();
    w.act(Action::StartBackup { tenant: TENANT, request: BackupRequest::new(BackupMode::Full, "") }).unwrap();
    w.until("the backup", |w| w.state.backup_sets.values().any(|s| s.status == BackupSetStatus::Success));
    for _ in 0..3 {
        w.now_ms += 60_000;
        w.write();
        w.run(3);
    }
    w
}

/// What the body would read from the source's destination of one kind.
fn request(from: &World, kind: DestKind, allow_delete: bool) -> ImportCatalog {
    let dest = from.state.destinations.values().find(|d| d.kind == kind).unwrap();
    let sets: Vec<BackupSet> = from.state.backup_sets.values().filter(|s| s.dest_id == dest.id).cloned().collect();
    let rounds = from.state.rounds.values().filter(|r| r.dest_id == dest.id).cloned();
    let stopped = |r: Round| Round { state: RoundState::Stop, stopped_ms: Some(1), ..r };
    ImportCatalog {
        at: Address { uri: dest.uri.clone(), access: Access::new("access_id=me&access_key=very-secret") },
        kind,
        from: ImportedFrom {
            cluster_id: ClusterId(77),
            cluster_name: "old".to_owned(),
            tenant_id: MADE,
            tenant_name: "t".to_owned(),
            allow_delete,
        },
        name: None,
        sets,
        rounds: rounds.map(stopped).collect(),
    }
}

fn import(w: &mut World, from: &World, kind: DestKind, allow_delete: bool) -> TenantId {
    match w.act(Action::ImportCatalog(Box::new(request(from, kind, allow_delete)))) {
        Ok(Done::Imported(tenant)) => tenant,
        other => panic!("{other:?}"),
    }
}

fn pieces(w: &World, tenant: TenantId) -> BTreeMap<PieceId, PieceRow> {
    w.state.rounds_of(tenant).flat_map(|r| r.pieces.clone()).collect()
}

#[test]
fn both_destinations_of_one_owner_stand_under_one_tenant_that_has_nothing_else() {
    let old = source();
    let mut w = World::with_tenant(3, 3);
    let tenant = import(&mut w, &old, DestKind::Data, false);
    assert_eq!(import(&mut w, &old, DestKind::Archive, false), tenant);
    let row = &w.state.tenants[&tenant];
    assert_eq!((row.status, row.name.as_str()), (TenantStatus::Imported, "imported_t"));
    assert_eq!(w.state.backup_sets.range((tenant, BackupSetId(0))..).count(), 1);
    assert_eq!(pieces(&w, tenant), pieces(&old, TENANT));
    let shown = format!("{:?}", views::view(&w.state, w.now_ms, "CDB_STRANDLINE_IMPORTED_CATALOGS").unwrap().rows);
    assert!(shown.contains("old") && shown.contains("file:///arc") && !shown.contains("very-secret"), "{shown}");
    for view in ["CDB_OB_BACKUP_SET_FILES", "CDB_OB_ARCHIVELOG_PIECE_FILES"] {
        let rows = views::view_for(&w.state, w.now_ms, view, Some(tenant)).unwrap().rows;
        assert!(!rows.is_empty(), "{view}");
    }
    w.run(10);
    assert!((1..=3).all(|n| orders_for(&w.state, NodeId(n)).rounds.is_empty()), "nobody writes it");
    assert!(w.medium.is_empty(), "not even the scheduler: {:?}", w.medium);
    for refused in [
        Action::ArchiveLog { tenant },
        Action::StartBackup { tenant, request: BackupRequest::new(BackupMode::Full, "") },
        Action::CreateTable { tenant, name: "x".to_owned(), tablets: 1 },
    ] {
        assert!(w.act(refused).unwrap_err().what.contains("IMPORTED"));
    }
}

#[test]
fn nothing_is_deleted_from_an_imported_destination_before_it_is_released() {
    let old = source();
    let mut w = World::with_tenant(3, 3);
    let tenant = import(&mut w, &old, DestKind::Archive, false);
    let first = pieces(&w, tenant).keys().next().copied().unwrap();
    let delete =
        |id: u64| Action::StartClean { tenant, what: state::CleanWhat::Pieces(vec![id]), description: String::new() };
    let refused = w.act(delete(first.0)).unwrap_err();
    assert!(refused.todo.contains("ALLOW DELETE"), "{refused}");
    import(&mut w, &old, DestKind::Archive, true);
    w.act(delete(first.0)).unwrap();
    assert!(
        w.act(Action::ImportCatalog(Box::new(request(&old, DestKind::Archive, true)))).is_err(),
        "not while it runs"
    );
    w.until("the end", |w| w.state.open_clean_job(tenant).is_none());
    assert_eq!(pieces(&w, tenant)[&first].file_status, FileStatus::Deleted);
    let begun = w.medium.iter().filter(|m| matches!(m, MediumWork::CleanBegin(_))).count();
    assert_eq!(begun, 1);
    // With the sets known, log that they need is protected as at home.
    import(&mut w, &old, DestKind::Data, true);
    let all: Vec<u64> = pieces(&w, tenant).keys().map(|p| p.0).collect();
    let what = state::CleanWhat::Pieces(all);
    assert!(w.act(Action::StartClean { tenant, what, description: String::new() }).is_err());
}

#[test]
fn an_archive_that_its_cluster_still_writes_is_not_emptied() {
    let old = source();
    let mut w = World::with_tenant(3, 3);
    w.now_ms = old.now_ms;
    w.run(1);
    let tenant = import(&mut w, &old, DestKind::Archive, true);
    let dest = w.state.destinations.values().find(|d| d.tenant_id == tenant).unwrap().id;
    let what = state::CleanWhat::All(dest);
    let empty = || Action::StartClean { tenant, what: what.clone(), description: String::new() };
    let refused = w.act(empty()).unwrap_err();
    assert!(refused.what.contains("another cluster writes") && refused.todo.contains("IMPORT CATALOG"), "{refused}");
    // That an hour passes here says nothing about the other cluster: only another look does.
    w.now_ms += 60 * 60_000;
    w.run(1);
    assert!(w.act(empty()).is_err());
    import(&mut w, &old, DestKind::Archive, true);
    w.act(empty()).unwrap();
}

#[test]
fn a_catalogue_is_forgotten_without_touching_a_file_and_a_clusters_own_is_no_catalogue() {
    let mut old = source();
    let own = request(&old, DestKind::Data, false);
    assert!(old.act(Action::ImportCatalog(Box::new(own.clone()))).unwrap_err().what.contains("own"));
    assert!(old.act(Action::ForgetCatalog { uri: own.at.uri.clone() }).unwrap_err().what.contains("not imported"));
    let mut w = World::with_tenant(3, 3);
    let tenant = import(&mut w, &old, DestKind::Data, true);
    w.act(Action::ForgetCatalog { uri: own.at.uri }).unwrap();
    w.run(3);
    assert!(!w.state.tenants.contains_key(&tenant) && w.medium.is_empty());
}
