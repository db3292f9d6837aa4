//! What a session of a tenant sees: its own rows, and not a word of another tenant.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod harness;

use harness::{TENANT, World, archive_spec};
use strandline_scheduler_core::state::{CleanWhat, SchedulePlan};
use strandline_scheduler_core::views::{Value, all_names, named, view_for};
use strandline_scheduler_core::*;
use strandline_types::*;

/// Two tenants with the same kinds of jobs and destinations, whose names tell whose they are.
fn world() -> (World, [TenantId; 2]) {
    let mut w = World::new(3);
    let names = ["red", "blue"];
    let tenants = names.map(|name| {
        let made = w.act(Action::CreateTenant { name: format!("tenant_{name}"), log_streams: 2, replicas: 3 });
        let Ok(Done::Tenant(tenant)) = made else { panic!("{made:?}") };
        w.run(3);
        let dest = Some(archive_spec(&format!("file:///archive_{name}"), 1));
        w.act(Action::SetArchiveDest { tenant, no: DestNo(0), dest }).unwrap();
        let uri = Some(format!("file:///data_{name}"));
        w.act(Action::SetDataDest { tenant, uri, access: Access::default() }).unwrap();
        w.act(Action::ArchiveLog { tenant }).unwrap();
        w.act(Action::CreateTable { tenant, name: format!("table_{name}"), tablets: 2 }).unwrap();
        let full = "0 2 * * *".to_owned();
        let key_source = format!("file:/keys_{name}");
        let plan = SchedulePlan { full, time_zone: "UTC".to_owned(), key_source, ..SchedulePlan::default() };
        w.act(Action::ChangeSchedule { tenant, change: ScheduleChange::Set { plan, enable: true } }).unwrap();
        w.act(Action::SetDrillInterval { tenant, interval_ms: 86_400_000 * 365 }).unwrap();
        tenant
    });
    w.run(10);
    for (tenant, name) in tenants.into_iter().zip(names) {
        for _ in 0..2 {
            w.write();
            let request = BackupRequest::new(BackupMode::Full, format!("backup_{name}"));
            w.act(Action::StartBackup { tenant, request }).unwrap();
            w.until("the set", |w| w.state.open_backup_job(tenant).is_none());
        }
        let (what, description) = (CleanWhat::Sets(vec![1]), format!("clean_{name}"));
        w.act(Action::StartClean { tenant, what, description }).unwrap();
        w.until("the cleaning", |w| w.state.open_clean_job(tenant).is_none());
        // Something of each runs and waits.
        w.task_hook = |_, _, _| None;
        let request = BackupRequest::new(BackupMode::Incremental, format!("running_{name}"));
        w.act(Action::StartBackup { tenant, request }).unwrap();
        w.run(2);
        w.task_hook = harness::all_done;
    }
    w.kill(NodeId(3));
    w.task_hook = |_, _, _| None;
    w.run(40);
    (w, tenants)
}

/// True for a view whose rows belong to all tenants alike.
fn is_shared(name: &str) -> bool {
    named(name).is_some_and(|found| found.view.tenancy.column.is_none())
}

#[test]
fn no_view_shows_a_tenant_anything_of_another_one_under_whatever_name_it_is_read() {
    let (w, [red, blue]) = world();
    let mut with_rows = 0;
    for name in all_names().iter().filter(|name| !is_shared(name)) {
        for (session, own, other) in [(red, "red", "blue"), (blue, "blue", "red")] {
            let table = view_for(&w.state, w.now_ms, name, Some(session)).unwrap();
            let text = format!("{:?}", table.rows);
            assert!(!text.contains(&format!("_{other}")), "{name} shows {own} something of {other}: {text}");
            with_rows += usize::from(!table.rows.is_empty());
        }
    }
    assert!(with_rows > 80, "{with_rows} views have rows");
}

#[test]
fn the_rows_of_all_tenants_together_are_those_that_sys_sees_but_for_its_own() {
    let (w, tenants) = world();
    for name in all_names().iter().filter(|name| !is_shared(name)) {
        let rows = |session| view_for(&w.state, w.now_ms, name, session).unwrap().rows;
        let Some(at) = named(name).unwrap().columns().iter().position(|c| c.name == "TENANT_ID") else { continue };
        let all = rows(None);
        let is_of_sys = |row: &&Vec<Value>| row[at] == Value::Uint(TenantId::SYS.0);
        let of_tenants: usize = tenants.iter().map(|t| rows(Some(*t)).len()).sum();
        assert_eq!(of_tenants + all.iter().filter(is_of_sys).count(), all.len(), "{name}");
        // A tenant that is not there sees nothing.
        assert_eq!(rows(Some(TenantId(9_998))), Vec::<Vec<Value>>::new(), "{name}");
    }
    assert_eq!(tenants[0], TENANT);
}
