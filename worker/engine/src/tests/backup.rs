//! The way out of an engine and back in: consistent points, rebuilt replicas, replayed log.

use super::*;
use crate::{CheckpointBlock, EngineError, ReplayBatch, ReplayItem, RestoredPoint, TabletCheckpoint};
use std::collections::BTreeSet;
use strandline_format::entry;
use strandline_format::palf::GroupWalker;
use strandline_types::{DataKind, JobId, PalfBase};

const RESTORED: TenantId = TenantId(1003);
const JOB: JobId = JobId(7);

async fn point(cluster: &Cluster, name: &str) -> TabletCheckpoint {
    let dir = cluster.root.path().join(name);
    cluster.leader(TENANT, LS).await.checkpoint(&dir).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consistent_point_holds_exactly_the_log_below_its_base() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..20 {
        write(&leader, &format!("k{i}"), "v").await;
    }
    let at = leader.status();
    let point = point(&cluster, "p1").await;
    assert_eq!((point.base.lsn, point.scn), (at.end_lsn, at.max_scn));
    assert_eq!(leader.machine.log().base_at(point.base.lsn).unwrap(), Some(point.base));
    let kinds: BTreeSet<_> = point.blocks.iter().map(|b| (b.tablet, b.kind)).collect();
    assert!(
        kinds.contains(&(TabletId::INNER, DataKind::Sys)) && kinds.contains(&(TABLET, DataKind::Minor)),
        "{kinds:?}"
    );
    for block in &point.blocks {
        assert_eq!(std::fs::metadata(point.dir.join(&block.file_name)).unwrap().len(), block.bytes);
    }
    let names: Vec<_> = point.engine_files.iter().map(|(name, _)| name.split('-').next().unwrap()).collect();
    assert_eq!(names, ["CURRENT", "MANIFEST", "OPTIONS"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_keeps_its_identity_from_point_to_point_and_the_bottom_level_is_major() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..20 {
        write(&leader, &format!("k{i}"), "v").await;
    }
    leader.machine.store().compact_all();
    let first = point(&cluster, "p1").await;
    write(&leader, "new", "v").await;
    let second = point(&cluster, "p2").await;
    let user = |p: &TabletCheckpoint| -> Vec<CheckpointBlock> {
        p.blocks.iter().filter(|b| b.tablet == TABLET).cloned().collect()
    };
    let (before, after) = (user(&first), user(&second));
    assert_eq!(before.len(), 1);
    assert_eq!((before[0].kind, before[0].level > 0), (DataKind::Major, true));
    assert_eq!(after.len(), 2, "one new minor block");
    assert!(after.contains(&before[0]), "the old one is the same");
    assert_eq!(after.iter().find(|b| b.kind == DataKind::Minor).unwrap().level, 0);
    let ids: BTreeSet<_> = second.blocks.iter().map(|b| b.unique_id).collect();
    assert_eq!(ids.len(), second.blocks.len());
}

/// Copies a point into the restore directory of a worker, as the backup plane does.
pub(super) async fn lay_down(worker: &Worker, point: &TabletCheckpoint) {
    let dir = worker.engine.prepare_restored(RESTORED, LS, JOB).await.unwrap();
    for block in &point.blocks {
        std::fs::copy(point.dir.join(&block.file_name), dir.join(&block.file_name)).unwrap();
    }
    for (name, bytes) in &point.engine_files {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

pub(super) fn restored_point(point: &TabletCheckpoint) -> RestoredPoint {
    RestoredPoint { job: JOB, base: point.base, scn: point.scn }
}

/// Source log from `base` as replay batches of a few groups each.
pub(super) fn batches(log: &[u8], base: PalfBase) -> Vec<ReplayBatch> {
    let mut walker = GroupWalker::new(log, base.lsn, Some(base));
    let mut out: Vec<ReplayBatch> = Vec::new();
    let mut start = base.lsn;
    while let Some(group) = walker.next_group().unwrap() {
        let items = group.entries().map(|e| {
            let (kind, body) = entry::split(e.body).unwrap();
            ReplayItem { scn: e.scn, kind: kind.number(), body: ::bytes::Bytes::copy_from_slice(body) }
        });
        out.push(ReplayBatch { start, end: group.end, scn: group.header.max_scn, items: items.collect() });
        start = group.end;
    }
    out
}

async fn restored_cluster() -> (Cluster, TabletCheckpoint, Vec<ReplayBatch>) {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    for i in 0..20 {
        write(&leader, &format!("k{i}"), "backup").await;
    }
    let point = point(&cluster, "p1").await;
    for i in 10..30 {
        write(&leader, &format!("k{i}"), "log").await;
    }
    let log = log_of(&leader, point.base.lsn).await;
    let waiting = RestoreStart { job: JOB, base: point.base, start: false };
    cluster.order(RESTORED, LS, Some(waiting)).await;
    assert!(cluster.replicas(RESTORED, LS).is_empty(), "nothing starts before its data is there");
    for worker in cluster.workers.values() {
        lay_down(worker, &point).await;
        assert_eq!(worker.engine.restored(RESTORED, LS).await.unwrap(), None);
        for _ in 0..2 {
            worker.engine.finish_restored(RESTORED, LS, restored_point(&point)).await.unwrap();
        }
        assert_eq!(worker.engine.restored(RESTORED, LS).await.unwrap(), Some(restored_point(&point)));
    }
    cluster.order(RESTORED, LS, Some(waiting)).await;
    assert!(cluster.replicas(RESTORED, LS).is_empty(), "nor before the scheduler says so");
    cluster.order(RESTORED, LS, Some(RestoreStart { start: true, ..waiting })).await;
    let batches = batches(&log, point.base);
    (cluster, point, batches)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_rebuilt_from_a_point_replays_log_and_opens() {
    let (mut cluster, point, batches) = restored_cluster().await;
    let leader = cluster.leader(RESTORED, LS).await;
    assert_eq!(leader.replayed().unwrap().lsn, point.base.lsn);
    assert_eq!(leader.log_start(), Lsn::ZERO, "its log begins anew");
    assert!(matches!(leader.get(TABLET, b"k1").await, Err(EngineError::NotOpen { .. })));
    let mut pending = Vec::new();
    for batch in batches.iter().cloned() {
        pending.push(leader.append_replayed(batch).await.unwrap());
    }
    futures::future::try_join_all(pending).await.unwrap();
    let end = batches.last().unwrap();
    assert_eq!(leader.replayed().unwrap(), crate::Replayed { lsn: end.end, scn: end.scn });
    assert!(leader.status().max_scn >= end.scn);
    for replica in cluster.replicas(RESTORED, LS) {
        replica.set_access(Access::Open);
    }
    for i in 0..30 {
        let expected = if i < 10 { "backup" } else { "log" };
        assert_eq!(read(&leader, &format!("k{i}")).await.as_deref(), Some(expected), "k{i}");
    }
    write(&leader, "k0", "new life").await;
    assert!(leader.append_replayed(end.clone()).await.is_err(), "replay is over");
    cluster.settled(RESTORED, LS).await;
    let id = cluster.id_of(&leader);
    drop(leader);
    cluster.stop(id).await;
    cluster.restart(id).await;
    cluster.settled(RESTORED, LS).await;
    let leader = cluster.leader(RESTORED, LS).await;
    assert_eq!(read(&leader, "k0").await.as_deref(), Some("new life"));
    for replica in cluster.replicas(RESTORED, LS) {
        assert!(log_of(&replica, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_read_while_it_follows_and_written_only_once_it_is_activated() {
    let (cluster, point, batches) = restored_cluster().await;
    let leader = cluster.leader(RESTORED, LS).await;
    for replica in cluster.replicas(RESTORED, LS) {
        replica.set_access(Access::ReadOnly);
    }
    for (n, batch) in batches.iter().enumerate() {
        leader.append_replayed(batch.clone()).await.unwrap().await.unwrap();
        assert_eq!(read(&leader, "k1").await.as_deref(), Some("backup"), "after batch {n}");
        let refused = leader.write(vec![put("k1", "mine")], CausalityToken::default()).await.unwrap_err();
        assert_eq!(refused.class(), strandline_types::ErrorClass::Invalid);
        assert!(strandline_types::Failure::from(refused).todo.contains("ACTIVATE"));
        let end = leader.status().end_lsn;
        leader.keep_alive_to(Scn(batch.scn.0 + 1_000_000)).await.unwrap();
        assert_eq!(leader.status().end_lsn, end, "a standby has the SCNs of its source and no others");
    }
    let replayed = leader.replayed().unwrap();
    assert!(replayed.scn > point.scn);
    for replica in cluster.replicas(RESTORED, LS) {
        replica.set_access(Access::Open);
    }
    assert!(write(&leader, "k1", "new life").await > replayed.scn);
    assert!(leader.append_replayed(batches[0].clone()).await.is_err(), "it follows no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_log_is_applied_at_most_once_and_never_over_a_hole() {
    let (cluster, _, batches) = restored_cluster().await;
    let leader = cluster.leader(RESTORED, LS).await;
    let append = async |batch: &ReplayBatch| leader.append_replayed(batch.clone()).await.unwrap().await;
    append(&batches[0]).await.unwrap();
    let hole = append(&batches[2]).await.unwrap_err();
    assert!(hole.to_string().contains("goes on at"), "{hole}");
    append(&batches[1]).await.unwrap();
    let at = leader.replayed().unwrap();
    append(&batches[0]).await.unwrap();
    append(&batches[1]).await.unwrap();
    assert_eq!(leader.replayed().unwrap(), at, "what is applied is passed over");
    append(&batches[2]).await.unwrap();
    assert_eq!(leader.replayed().unwrap().lsn, batches[2].end);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_restore_whose_replica_was_never_ordered_go_once_nobody_wants_them() {
    let cluster = Cluster::with_stream(1).await;
    let engine = &cluster.workers[&NodeId(1)].engine;
    let dir = engine.prepare_restored(RESTORED, LS, JOB).await.unwrap();
    std::fs::write(dir.join("000001.sst"), b"half").unwrap();
    engine.remove_strays(|tenant, ls| (tenant, ls) == (RESTORED, LS)).await.unwrap();
    assert!(dir.exists(), "a task still works on it");
    engine.remove_strays(|_, _| false).await.unwrap();
    assert!(!cluster.workers[&NodeId(1)].dir.join(format!("data/t{RESTORED}")).exists());
    assert!(engine.replica(TENANT, LS).is_some_and(|r| r.status().is_leader), "what is hosted stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_no_store_are_not_taken_for_a_replica() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    write(&leader, "k", "v").await;
    let point = point(&cluster, "p1").await;
    let worker = &cluster.workers[&NodeId(1)];
    let finish = async |p: RestoredPoint| worker.engine.finish_restored(RESTORED, LS, p).await;
    assert!(finish(restored_point(&point)).await.is_err(), "nothing was laid down");
    lay_down(worker, &point).await;
    let mut other = restored_point(&point);
    other.base.lsn = other.base.lsn.advance(1);
    assert!(finish(other).await.is_err(), "another point");
    let dir = worker.engine.prepare_restored(RESTORED, LS, JOB).await.unwrap();
    let victim = point.blocks.iter().find(|b| b.tablet == TABLET).unwrap();
    std::fs::remove_file(dir.join(&victim.file_name)).unwrap();
    assert!(finish(restored_point(&point)).await.is_err(), "a block is missing");
    lay_down(worker, &point).await;
    finish(restored_point(&point)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_replica_that_comes_late_takes_its_base_from_the_leader() {
    let cluster = Cluster::with_stream(3).await;
    let source = cluster.leader(TENANT, LS).await;
    write(&source, "k", "backup").await;
    let point = point(&cluster, "p1").await;
    for worker in cluster.workers.values() {
        lay_down(worker, &point).await;
        worker.engine.finish_restored(RESTORED, LS, restored_point(&point)).await.unwrap();
    }
    let start = Some(RestoreStart { job: JOB, base: point.base, start: true });
    let order = async |n: u64| {
        let id = NodeId(n);
        cluster.workers[&id].engine.ensure_replica(cluster.spec(RESTORED, LS, id, start)).await.unwrap();
    };
    order(1).await;
    order(2).await;
    let leader = cluster.leader(RESTORED, LS).await;
    cluster.replicas(RESTORED, LS).iter().for_each(|r| r.set_access(Access::Open));
    write(&leader, "k2", "new").await;
    order(3).await;
    cluster.settled(RESTORED, LS).await;
    let late = cluster.workers[&NodeId(3)].engine.replica(RESTORED, LS).unwrap();
    for key in ["k", "k2"] {
        assert!(late.machine.store().get(TABLET, key.as_bytes()).unwrap().0.is_some(), "{key}");
    }
    assert!(log_of(&late, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
    assert_eq!(late.replayed(), leader.replayed());
}
