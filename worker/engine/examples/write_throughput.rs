//! How fast three replicas in one process take writes: `cargo run --example write_throughput -- [MiB] [value bytes]
//! [streams] [writers per stream] [batch KiB]`. Prints MB/s of keys and values, acknowledged.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_engine::{
    Engine, EngineConfig, KvService, KvWrite, Node, NodeConfig, Replica, ReplicaSpec, SystemClock,
};
use strandline_types::{CausalityToken, LsId, NodeId, TabletId, TenantId};
use tokio_stream::wrappers::TcpListenerStream;

const TENANT: TenantId = TenantId(1002);

fn argument(n: usize, default: usize) -> usize {
    std::env::args().nth(n).map_or(default, |a| a.parse().unwrap())
}

async fn worker(id: u64, dir: &std::path::Path, listener: tokio::net::TcpListener) -> Arc<Engine> {
    let node = Node::open(NodeConfig::new(id, dir.join("raft"))).unwrap();
    let config = EngineConfig::new(NodeId(id), dir.join("data"), Arc::new(SystemClock));
    let engine = Engine::open(config, node.clone()).await.unwrap();
    let router = tonic::transport::Server::builder()
        .add_service(node.service())
        .add_service(KvService::new(engine.clone()).into_server());
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    engine
}

async fn leader(engines: &[Arc<Engine>], ls: LsId) -> Arc<Replica> {
    loop {
        let replicas = engines.iter().filter_map(|e| e.replica(TENANT, ls));
        for replica in replicas.filter(|r| r.status().is_leader) {
            if replica.get(TabletId::FIRST_USER, b"k").await.is_ok() {
                return replica;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::main]
async fn main() {
    let (mib, value_bytes, streams) = (argument(1, 256), argument(2, 1000), argument(3, 2));
    let (writers, batch_bytes) = (argument(4, 4), argument(5, 512) << 10);
    let root = tempfile::tempdir().unwrap();
    let (mut members, mut listeners) = (BTreeMap::new(), Vec::new());
    for id in 1..=3 {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        members.insert(NodeId(id), listener.local_addr().unwrap().to_string());
        listeners.push((id, listener));
    }
    let mut engines = Vec::new();
    for (id, listener) in listeners {
        engines.push(worker(id, &root.path().join(id.to_string()), listener).await);
    }
    let mut leaders = Vec::new();
    for n in 0..streams as u64 {
        let ls = LsId(LsId::FIRST_USER.0 + n);
        for (id, engine) in (1..=3).map(NodeId).zip(&engines) {
            let spec = ReplicaSpec {
                tenant: TENANT,
                ls,
                members: members.clone(),
                bootstrap: id.0 == 1 + n % 3,
                restore: None,
            };
            engine.ensure_replica(spec).await.unwrap();
        }
        leaders.push(leader(&engines, ls).await);
    }
    let pairs = batch_bytes / (value_bytes + 16);
    let batches = (mib << 20) / (streams * writers) / (pairs * (value_bytes + 16)).max(1);
    let started = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (n, replica) in leaders.iter().enumerate() {
        for w in 0..writers {
            let replica = replica.clone();
            tasks.spawn(async move {
                for b in 0..batches {
                    let write = |p: usize| {
                        let at = ((n * writers + w) * batches + b) * pairs + p;
                        let key = format!("{:016x}", (at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                        let mut value = vec![0; value_bytes];
                        value.iter_mut().enumerate().for_each(|(i, v)| *v = (at.wrapping_mul(31) >> (i % 17)) as u8);
                        let tablet = TabletId(TabletId::FIRST_USER.0 + (at % 4) as u64);
                        KvWrite { tablet, key: Bytes::from(key), value: Some(Bytes::from(value)) }
                    };
                    let writes = (0..pairs).map(write).collect();
                    replica.write(writes, CausalityToken::default()).await.unwrap();
                }
            });
        }
    }
    while tasks.join_next().await.is_some() {}
    let seconds = started.elapsed().as_secs_f64();
    let written = (streams * writers * batches * pairs * (value_bytes + 16)) as f64 / 1e6;
    println!("{written:.0} MB in {seconds:.2} s: {:.1} MB/s acknowledged on 3 replicas", written / seconds);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap());
    for engine in engines {
        engine.shutdown().await;
    }
}
