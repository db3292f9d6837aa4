//! Tenants, log streams, tables, destinations, workers.

use super::finding::check;
use crate::state::{State, Tenant, TenantStatus};
use std::collections::BTreeSet;

pub(super) fn lint(state: &State, found: &mut Vec<String>) {
    let names: BTreeSet<String> = state.tenants.values().map(|t| t.name.to_ascii_lowercase()).collect();
    check(found, names.len() == state.tenants.len(), || "two tenants share a name".to_owned());
    for tenant in state.tenants.values() {
        lint_tenant(state, tenant, found);
    }
    let places: BTreeSet<_> = state.destinations.values().map(|d| d.uri.place()).collect();
    check(found, places.len() == state.destinations.len(), || "two destinations are one place".to_owned());
    for dest in state.destinations.values() {
        check(found, dest.id < state.next.dest, || format!("destination {} is not below the next id", dest.id));
        check(found, state.tenants.contains_key(&dest.tenant_id), || format!("destination {} of nobody", dest.id));
    }
    for worker in state.workers.values() {
        let is_past = worker.last_heard_ms <= state.clock_ms && worker.first_heard_ms <= worker.last_heard_ms;
        check(found, is_past, || format!("worker {} was heard in the future", worker.id));
    }
}

fn lint_tenant(state: &State, tenant: &Tenant, found: &mut Vec<String>) {
    let id = tenant.id;
    check(found, id < state.next.tenant, || format!("tenant {id} is not below the next id"));
    for ls in tenant.log_streams.values() {
        let members: BTreeSet<_> = ls.members.iter().collect();
        let is_full = members.len() == ls.members.len() && members.len() == tenant.replicas as usize;
        check(found, is_full, || format!("tenant {id} log stream {}: members {:?}", ls.id, ls.members));
        let is_led_by_member = ls.leader.is_none_or(|l| ls.members.contains(&l));
        check(found, is_led_by_member, || format!("tenant {id} log stream {} is led by a stranger", ls.id));
        check(found, ls.started || ls.leader.is_none(), || {
            format!("tenant {id} log stream {}: led, not started", ls.id)
        });
    }
    let mut tablets = BTreeSet::new();
    for tablet in tenant.tables.values().flat_map(|t| &t.tablets) {
        check(found, tablets.insert(tablet.id), || format!("tenant {id}: tablet {} twice", tablet.id));
        check(found, tablet.id < tenant.next.tablet, || format!("tenant {id}: tablet {} beyond next", tablet.id));
        let has_home = tenant.log_streams.contains_key(&tablet.ls_id);
        check(found, has_home, || format!("tenant {id}: tablet {} has no home", tablet.id));
    }
    let is_building = state.open_restore_job(id).is_some();
    let is_restoring = tenant.status == TenantStatus::Restoring;
    check(found, is_building == is_restoring, || {
        format!("tenant {id} is {} with a restore job: {is_building}", tenant.status)
    });
}
