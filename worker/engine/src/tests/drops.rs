//! Tablets of dropped tables: refused to clients, gone from every replica at the same place of the log, whatever happens
//! on the way.

use super::backup::{batches, lay_down, restored_point};
use super::*;
use crate::{EngineError, TabletCheckpoint};
use strandline_types::ErrorClass;

const KEPT: TabletId = TabletId(200_002);
const NEVER_WRITTEN: TabletId = TabletId(200_003);
/// Below it every tablet was given out.
const NEXT: u64 = 200_004;
const NEW: TabletId = TabletId(NEXT);
const RESTORED: TenantId = TenantId(1003);

/// From here on only `KEPT` is left.
fn list(version: u64) -> v1::TabletList {
    v1::TabletList { version, next_tablet_id: NEXT, tablet_ids: vec![KEPT.0] }
}

fn put_into(tablet: TabletId, key: &str, value: &str) -> KvWrite {
    KvWrite { tablet, ..put(key, value) }
}

async fn fill(leader: &Arc<Replica>) {
    for n in 0..50 {
        let key = format!("k{n}");
        let both = vec![put(&key, "dropped"), put_into(KEPT, &key, "kept")];
        leader.write(both, CausalityToken::default()).await.unwrap();
    }
}

async fn drop_tablet(cluster: &Cluster, tenant: TenantId) -> Scn {
    let leader = cluster.leader(tenant, LS).await;
    leader.set_tablets(&list(5), Scn::MIN).await.unwrap();
    cluster.settled(tenant, LS).await;
    leader.status().max_scn
}

/// Tablets that a replica has files or column families of.
fn held(replica: &Arc<Replica>) -> Vec<TabletId> {
    [TABLET, KEPT, NEVER_WRITTEN, NEW].into_iter().filter(|t| replica.machine.store().has_tablet(*t)).collect()
}

async fn point(cluster: &Cluster, name: &str) -> TabletCheckpoint {
    let dir = cluster.root.path().join(name);
    cluster.leader(TENANT, LS).await.checkpoint(&dir).await.unwrap()
}

fn has_blocks(point: &TabletCheckpoint, tablet: TabletId) -> bool {
    point.blocks.iter().any(|b| b.tablet == tablet)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_tablet_is_neither_written_nor_read_and_no_replica_keeps_it() {
    let cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    fill(&leader).await;
    drop_tablet(&cluster, TENANT).await;
    for replica in cluster.replicas(TENANT, LS) {
        assert_eq!(held(&replica), [KEPT]);
        assert_eq!(replica.status().tablets_version, 5);
    }
    for tablet in [TABLET, NEVER_WRITTEN] {
        let write = leader.write(vec![put_into(tablet, "k", "v")], CausalityToken::default()).await.unwrap_err();
        let read = leader.get(tablet, b"k1").await.unwrap_err();
        let scan = leader.scan(tablet, b"", b"", 0).await.unwrap_err();
        for refused in [write, read, scan] {
            assert!(matches!(refused, EngineError::Dropped { tablet: t } if t == tablet), "{refused}");
            let failure = strandline_types::Failure::from(refused);
            assert_eq!((failure.class, failure.code), (ErrorClass::NotFound, -4725));
            assert!(
                failure.todo.contains("RECOVER TABLE") && failure.object.contains(&tablet.to_string()),
                "{failure}"
            );
        }
    }
    let mixed = vec![put_into(KEPT, "k1", "new"), put("k1", "new")];
    assert!(leader.write(mixed, CausalityToken::default()).await.is_err(), "a batch is refused as a whole");
    assert_eq!(leader.get(KEPT, b"k1").await.unwrap().0.as_deref(), Some(&b"kept"[..]));
    leader.write(vec![put_into(NEW, "k", "a table made later")], CausalityToken::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_logged_once_after_the_dictionary_and_an_older_one_does_nothing() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    fill(&leader).await;
    let dictionary = Scn(leader.status().max_scn.0 + 500_000_000);
    leader.set_tablets(&list(5), dictionary).await.unwrap();
    assert!(leader.status().max_scn > dictionary, "a restore to the SCN before the dictionary has the rows");
    let end = leader.status().end_lsn;
    leader.set_tablets(&list(5), Scn::MIN).await.unwrap();
    leader
        .set_tablets(&v1::TabletList { version: 4, next_tablet_id: NEXT, tablet_ids: vec![] }, Scn::MIN)
        .await
        .unwrap();
    assert_eq!((leader.status().end_lsn, held(&leader)), (end, vec![KEPT]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_down_or_is_restarted_comes_to_the_same_tablets() {
    let mut cluster = Cluster::with_stream(3).await;
    let leader = cluster.leader(TENANT, LS).await;
    fill(&leader).await;
    cluster.settled(TENANT, LS).await;
    let leads = cluster.id_of(&leader);
    let down = cluster.workers.keys().copied().find(|id| *id != leads).unwrap();
    drop(leader);
    cluster.stop(down).await;
    drop_tablet(&cluster, TENANT).await;
    cluster.restart(down).await;
    cluster.settled(TENANT, LS).await;
    for id in (1..=3).map(NodeId) {
        assert_eq!(held(&cluster.workers[&id].engine.replica(TENANT, LS).unwrap()), [KEPT], "worker {id}");
        cluster.stop(id).await;
        cluster.restart(id).await;
    }
    cluster.settled(TENANT, LS).await;
    let leader = cluster.leader(TENANT, LS).await;
    let refused = leader.write(vec![put("k", "v")], CausalityToken::default()).await.unwrap_err();
    assert!(matches!(refused, EngineError::Dropped { .. }), "remembered over a restart: {refused}");
    for replica in cluster.replicas(TENANT, LS) {
        assert_eq!(held(&replica), [KEPT]);
        assert!(log_of(&replica, Lsn::ZERO).await == log_of(&leader, Lsn::ZERO).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_from_before_the_drop_keeps_its_files_and_one_after_it_has_none() {
    let cluster = Cluster::with_stream(1).await;
    fill(&cluster.leader(TENANT, LS).await).await;
    let before = point(&cluster, "before").await;
    drop_tablet(&cluster, TENANT).await;
    let after = point(&cluster, "after").await;
    assert!(has_blocks(&before, TABLET) && !has_blocks(&after, TABLET) && has_blocks(&after, KEPT));
    for block in &before.blocks {
        assert_eq!(std::fs::metadata(before.dir.join(&block.file_name)).unwrap().len(), block.bytes);
    }
    let db = cluster.workers[&NodeId(1)].dir.join("data");
    let live: u64 = walk(&db).iter().filter(|(name, _)| name.ends_with(".sst")).map(|(_, bytes)| bytes).sum();
    let kept: u64 = after.blocks.iter().map(|b| b.bytes).sum();
    assert_eq!(live, kept, "no bytes of the dropped tablet are left on this disk");
}

/// Files below a directory and their sizes.
fn walk(dir: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push((entry.path().display().to_string(), entry.metadata().unwrap().len()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_from_before_the_drop_has_the_rows_until_it_replays_the_drop() {
    let cluster = Cluster::with_stream(1).await;
    let leader = cluster.leader(TENANT, LS).await;
    fill(&leader).await;
    let base = point(&cluster, "base").await;
    leader.write(vec![put("late", "dropped")], CausalityToken::default()).await.unwrap();
    let dropped = drop_tablet(&cluster, TENANT).await;
    leader.write(vec![put_into(KEPT, "late", "kept")], CausalityToken::default()).await.unwrap();
    let log = batches(&log_of(&leader, base.base.lsn).await, base.base);
    let worker = &cluster.workers[&NodeId(1)];
    lay_down(worker, &base).await;
    worker.engine.finish_restored(RESTORED, LS, restored_point(&base)).await.unwrap();
    let start = RestoreStart { job: restored_point(&base).job, base: base.base, start: true };
    cluster.order(RESTORED, LS, Some(start)).await;
    let restored = cluster.leader(RESTORED, LS).await;
    let rows =
        |replica: &Arc<Replica>| replica.machine.store().scan(TABLET, b"", b"", 100, 1 << 20).unwrap().pairs.len();
    for batch in log.iter().filter(|b| b.scn < dropped).cloned() {
        restored.append_replayed(batch).await.unwrap().await.unwrap();
    }
    assert_eq!(rows(&restored), 51, "all rows up to the SCN before the drop");
    for batch in log.iter().filter(|b| b.scn >= dropped).cloned() {
        restored.append_replayed(batch).await.unwrap().await.unwrap();
    }
    assert_eq!(held(&restored), [KEPT]);
    assert_eq!(restored.status().tablets_version, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_knows_the_old_table_finds_the_new_one_of_the_same_name() {
    let cluster = Cluster::with_stream(1).await;
    cluster.order(TENANT, LsId::SYS, None).await;
    let sys = cluster.leader(TENANT, LsId::SYS).await;
    let leader = cluster.leader(TENANT, LS).await;
    let dictionary = |version, tables: &[(u64, u64)]| {
        let table = |(id, tablet): &(u64, u64)| v1::Table {
            table_id: *id,
            name: "t".to_owned(),
            tablets: vec![v1::Tablet { tablet_id: *tablet, ls_id: LS.0 }],
        };
        v1::Dictionary { version, scn: 0, tables: tables.iter().map(table).collect(), next_tablet_id: NEXT }
    };
    sys.set_dictionary(&dictionary(1, &[(500_001, TABLET.0)])).await.unwrap();
    let client = cluster.client(TENANT, &[LsId::SYS, LS]);
    client.put("t", "k".into(), "old".into()).await.unwrap();
    assert!(client.token().0.0 >= sys.dictionary().unwrap().scn, "what it writes comes after what it knows");
    sys.set_dictionary(&dictionary(2, &[])).await.unwrap();
    leader.set_tablets(&list(2), sys.status().max_scn).await.unwrap();
    let gone = client.get("t", b"k").await.unwrap_err();
    assert!(gone.to_string().contains("the tenant has no table"), "{gone}");
    let mut again = dictionary(3, &[(500_002, NEW.0)]);
    again.next_tablet_id = NEXT + 1;
    sys.set_dictionary(&again).await.unwrap();
    let other = cluster.client(TENANT, &[LsId::SYS, LS]);
    assert_eq!(other.get("t", b"k").await.unwrap(), None, "not one old row");
    client.put("t", "k".into(), "new".into()).await.unwrap();
    assert_eq!(client.scan("t", b"", b"", 0).await.unwrap(), [("k".into(), "new".into())]);
}
