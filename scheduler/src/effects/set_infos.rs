//! The info files of a backup set, once all its data and indexes are on the medium and before `end_success`.
//!
//! What restore relies on is written with [`put::once`]: its bytes follow from the set's final row. What is for people
//! (locality, parameters, diagnosis) describes a tenant that may change between two attempts: the first one stays.

use super::{put, set_attr, set_end, set_files, table_list};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use strandline_format::DataType;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::pb;
use strandline_media::Medium;
use strandline_scheduler_core::SetInfos;
use strandline_scheduler_core::state::{BackupParams, Tenant};
use strandline_types::{BackupSetStatus, ErrorClass, Failure, NodeId, TabletId, limits};

/// Writes all of them.
pub async fn write(medium: &dyn Medium, infos: &SetInfos) -> Result<(), Failure> {
    let set = set_attr::name(&infos.set);
    metas(medium, infos, set).await?;
    table_list::write(medium, set, infos.set.consistent_scn, &infos.dictionary).await?;
    for_people(medium, infos, set).await?;

    let own = set_attr::info(&infos.dest, &infos.set);
    let mut sets: Vec<pb::BackupSetInfo> = infos.earlier.iter().map(|s| set_attr::info(&infos.dest, s)).collect();
    sets.push(own.clone());
    let (start, end) = (infos.set.start_replay_scn, infos.set.min_restore_scn);
    let inner = set_end::placeholder(&infos.set, BackupSetStatus::Success);
    put::once(medium, &BackupPath::SetInner { set, start, end }.path(), DataType::SetPlaceholder, &inner).await?;
    put::once(medium, &BackupPath::SingleSetInfo { set }.path(), DataType::BackupSetInfo, &own).await?;
    let all = pb::TenantBackupSetInfos { tenant_id: infos.dest.tenant_id.0, sets };
    put::first(medium, &BackupPath::TenantSetInfos { set }.path(), DataType::TenantBackupSetInfos, &all).await
}

/// `meta_info/`: the log streams of the tenant, and where the log of each one goes on.
async fn metas(medium: &dyn Medium, infos: &SetInfos, set: SetName) -> Result<(), Failure> {
    let attrs = pb::LsAttrInfo {
        backup_scn: infos.set.start_scn.0,
        log_streams: infos
            .parts
            .keys()
            .map(|ls| pb::LsAttr {
                ls_id: ls.0,
                ls_group_id: if ls.is_sys() { 0 } else { ls.0 },
                flag: 0,
                status: "NORMAL".to_owned(),
                create_scn: 0,
            })
            .collect(),
    };
    let path = BackupPath::LsAttrInfo { set, turn: infos.set.meta_turn }.path();
    put::once(medium, &path, DataType::LsAttrInfo, &attrs).await?;

    let mut metas = pb::LsMetaInfos { tenant_id: infos.dest.tenant_id.0, log_streams: Vec::new() };
    for (ls, (_, result)) in &infos.parts {
        let meta = pb::LsMetaInfo::decode(result.ls_meta.as_slice()).map_err(|e| {
            let object = format!("meta of log stream {ls} in {set}");
            let todo = "upgrade every server to the same version, then take a new backup";
            Failure::new(ErrorClass::Corrupt, format!("a worker reported what cannot be read: {e}"), object, todo)
        })?;
        metas.log_streams.push(meta);
    }
    put::once(medium, &BackupPath::LsMetaInfos { set }.path(), DataType::LsMetaInfos, &metas).await
}

async fn for_people(medium: &dyn Medium, infos: &SetInfos, set: SetName) -> Result<(), Failure> {
    let (tenant, dest) = (&infos.tenant, &infos.dest);
    let locality = pb::LocalityInfo {
        tenant_id: tenant.id.0,
        backup_set_id: infos.set.set_id.0,
        cluster_id: dest.cluster_id.0,
        compat_mode: "KV".to_owned(),
        tenant_name: tenant.name.clone(),
        cluster_name: dest.cluster_name.clone(),
        locality: locality(tenant),
        primary_zone: primary(tenant),
        // Times that servers show and take are UTC; only schedules have zones of their own.
        sys_time_zone: "+00:00".to_owned(),
        replica_count: tenant.replicas,
        log_streams: tenant
            .log_streams
            .values()
            .map(|ls| pb::LsReplicas { ls_id: ls.id.0, node_ids: ls.members.iter().map(|n| n.0).collect() })
            .collect(),
        resource_pools: Vec::new(),
        workers: infos
            .workers
            .iter()
            .map(|(id, address)| pb::WorkerPlace { node_id: id.0, address: address.clone() })
            .collect(),
    };
    put::first(medium, &BackupPath::LocalityInfo { set }.path(), DataType::LocalityInfo, &locality).await?;
    let parameters = pb::Parameters { tenant_id: tenant.id.0, parameters: parameters(infos) };
    put::first(medium, &BackupPath::TenantParameter { set }.path(), DataType::Parameters, &parameters).await?;
    let gone = pb::DeletedTabletInfo { tablet_ids: deleted_tablets(infos) };
    put::first(medium, &BackupPath::DeletedTabletInfo { set }.path(), DataType::DeletedTabletInfo, &gone).await?;
    // Last of these: it lists all that is there.
    let diagnose = pb::DiagnoseInfo {
        tenant_id: tenant.id.0,
        backup_set_id: infos.set.set_id.0,
        set: Some(set_attr::info(dest, &infos.set)),
        comment: infos.set.note.clone(),
        files: set_files::list(medium, set).await?,
    };
    put::first(medium, &BackupPath::DiagnoseInfo { set }.path(), DataType::DiagnoseInfo, &diagnose).await
}

/// The workers that hold the tenant. There are no zones here: each worker is the place of one full replica.
fn locality(tenant: &Tenant) -> String {
    let hosts: BTreeSet<NodeId> = tenant.log_streams.values().flat_map(|ls| ls.members.iter().copied()).collect();
    let places: Vec<String> = hosts.iter().map(|host| format!("FULL{{1}}@worker_{host}")).collect();
    places.join(",")
}

/// The workers that lead most of its log streams first, as a primary zone is written: the best before a semicolon.
fn primary(tenant: &Tenant) -> String {
    let mut led: BTreeMap<NodeId, usize> = BTreeMap::new();
    for leader in tenant.log_streams.values().filter_map(|ls| ls.leader) {
        *led.entry(leader).or_default() += 1;
    }
    let mut by_count: Vec<(NodeId, usize)> = led.into_iter().collect();
    by_count.sort_by_key(|(worker, count)| (std::cmp::Reverse(*count), *worker));
    by_count.iter().map(|(worker, _)| format!("worker_{worker}")).collect::<Vec<_>>().join(";")
}

/// Tablets that are in the set and were gone from the tenant by its end.
fn deleted_tablets(infos: &SetInfos) -> Vec<u64> {
    let tables = || infos.tenant.tables.values().flat_map(|t| &t.tablets);
    let there: BTreeSet<u64> = tables().map(|t| t.id.0).collect();
    let held: BTreeSet<u64> = infos.parts.values().flat_map(|(_, result)| &result.tablets).map(|t| t.0).collect();
    held.difference(&there).copied().filter(|t| *t != TabletId::INNER.0).collect()
}

/// The parameters of the tenant that are not the default. None of them is a secret; those that might be are not here.
fn parameters(infos: &SetInfos) -> Vec<pb::Parameter> {
    let (tenant, default) = (&infos.tenant, BackupParams::default());
    let mut changed = Vec::new();
    let mut add = |is_changed: bool, name: &str, value: String| {
        if is_changed {
            changed.push(pb::Parameter { name: name.to_owned(), value });
        }
    };
    let lag = tenant.archive.lag_target_ms;
    add(lag != limits::ARCHIVE_LAG_TARGET_MS, "archive_lag_target", format!("{lag}ms"));
    let threads = tenant.archive.concurrency;
    add(threads != 0, "log_archive_concurrency", threads.to_string());
    let BackupParams { data_file_bytes, ha_low_thread_score, compression } = tenant.backup;
    add(data_file_bytes != default.data_file_bytes, "backup_data_file_size", format!("{data_file_bytes}B"));
    add(ha_low_thread_score != default.ha_low_thread_score, "ha_low_thread_score", ha_low_thread_score.to_string());
    add(compression != default.compression, "backup_compression", compression.to_string());
    changed
}
