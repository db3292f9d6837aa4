//! A disk without room stops every replica that has to write, and none of them for good.

use super::*;
use crate::HostedState;
use std::io::Write;
use std::process::Command;

const STREAMS: [LsId; 3] = [LsId(1001), LsId(1002), LsId(1003)];

/// A small file system in memory; dropping it unmounts it.
struct Tmpfs(PathBuf);

impl Tmpfs {
    /// `None`, with a printed reason, where mounting is not permitted.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=96m", "strandline-test"]).arg(at).output();
        if mounted.as_ref().is_ok_and(|out| out.status.success()) {
            return Some(Self(at.to_owned()));
        }
        println!("skipped: no tmpfs can be mounted here: {mounted:?}");
        None
    }

    fn fill(&self) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(self.0.join("filler")).unwrap();
        for bytes in [1 << 20, 4096, 1] {
            while file.write_all(&vec![7; bytes]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // A store that is being closed may still have its files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn all_run(engine: &Engine) -> bool {
    engine.states().iter().all(|(_, state)| matches!(state, HostedState::Runs(h) if h.stopped.is_none() && h.is_leader))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_comes_back_by_itself_once_a_full_disk_has_room() {
    let root = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&root.path().join("1")) else { return };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = BTreeMap::from([(NodeId(1), free.local_addr().unwrap().to_string())]);
    drop(free);
    let mut cluster = Cluster { workers: BTreeMap::new(), addresses, root };
    cluster.restart(NodeId(1)).await;
    let engine = cluster.workers[&NodeId(1)].engine.clone();
    // What the scheduler orders, over and over.
    let order = async || {
        for ls in STREAMS {
            // On a full disk it may fail: it is repeated.
            let _ = engine.ensure_replica(cluster.spec(TENANT, ls, NodeId(1), None)).await;
        }
    };
    order().await;
    until(async || all_run(&engine).then_some(())).await;
    let mut kept = Vec::new();
    for round in 0..2 {
        for ls in STREAMS {
            let leader = cluster.leader(TENANT, ls).await;
            write(&leader, &format!("before{round}"), "v").await;
        }
        kept.push(format!("before{round}"));
        disk.fill();
        until(async || {
            for ls in STREAMS {
                if let Some(replica) = engine.replica(TENANT, ls) {
                    let value = "x".repeat(9000);
                    let _ = replica.write(vec![put("lost", &value)], CausalityToken::default()).await;
                }
            }
            let states = engine.states();
            let stopped = states.iter().filter(|(_, s)| matches!(s, HostedState::Stopped(f) if !f.what.is_empty()));
            (stopped.count() == STREAMS.len()).then_some(())
        })
        .await;
        order().await;
        disk.free();
        until(async || {
            order().await;
            all_run(&engine).then_some(())
        })
        .await;
        for ls in STREAMS {
            let leader = cluster.leader(TENANT, ls).await;
            for key in &kept {
                assert_eq!(read(&leader, key).await.as_deref(), Some("v"), "{key} of {ls}");
            }
            write(&leader, "after", "v").await;
        }
    }
    drop(engine);
    cluster.stop(NodeId(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_replica_that_lost_its_disk_says_so_to_its_clients() {
    let mut cluster = Cluster::with_stream(1).await;
    write(&cluster.leader(TENANT, LS).await, "k", "v").await;
    let dir = cluster.stop(NodeId(1)).await;
    std::fs::remove_dir_all(&dir).unwrap();
    cluster.restart(NodeId(1)).await;
    // The scheduler knows that the group has begun: it must not begin again.
    let spec = ReplicaSpec { bootstrap: false, ..cluster.spec(TENANT, LS, NodeId(1), None) };
    cluster.workers[&NodeId(1)].engine.ensure_replica(spec).await.unwrap();
    let replica = cluster.workers[&NodeId(1)].engine.replica(TENANT, LS).unwrap();
    let refusals = [
        replica.get(TABLET, b"k").await.unwrap_err(),
        replica.write(vec![put("k", "w")], CausalityToken::default()).await.unwrap_err(),
    ];
    for refusal in refusals {
        let failure = strandline_types::Failure::from(refusal);
        assert!(!failure.class.is_retryable(), "nothing comes of waiting: {failure}");
        assert!(failure.what.contains("lost with the disk") && failure.todo.contains("RESTORE"), "{failure}");
    }
    drop(replica);
    cluster.stop(NodeId(1)).await;
}
