//! `kill -9` of the server that hurts most, and how long it was felt. The victim is chosen by what the cluster says at
//! that moment; it is started again on its old disk afterwards, as a supervisor would do.

use super::probe::Probe;
use crate::Outcome;
use crate::cluster::Cluster;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

/// Writes go on for this long before the kill, so that it hits a busy server.
const BEFORE: Duration = Duration::from_millis(400);
/// A failover that takes longer is a failure of the demo.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Kills the worker that leads most log streams of `tenant`; gives the longest time that a stream took no writes.
pub async fn worker(cluster: &mut Cluster, tenant: &str, probe: &Probe) -> Outcome<Duration> {
    tokio::time::sleep(BEFORE).await;
    let topology = cluster.admin()?.topology(tenant).await?;
    let mut led: BTreeMap<u64, usize> = BTreeMap::new();
    for ls in topology.log_streams.iter().filter(|ls| ls.leader != 0) {
        *led.entry(ls.leader).or_default() += 1;
    }
    let victim = led.into_iter().max_by_key(|(_, count)| *count).map(|(node, _)| node).ok_or_else(|| {
        let todo = "look at CDB_OB_LS_LOCATIONS";
        Failure::new(ErrorClass::Transient, "no log stream has a leader", format!("tenant {tenant}"), todo)
    })?;
    let at = Instant::now();
    cluster.kill_worker(victim);
    eprintln!("demo: killed worker {victim}");
    let gap = probe.longest_gap_since(at).await?;
    cluster.restart_killed()?;
    Ok(gap)
}

/// Kills the leading scheduler; gives the time until another one serves a statement as leader.
pub async fn scheduler(cluster: &mut Cluster) -> Outcome<Duration> {
    tokio::time::sleep(BEFORE).await;
    let victim = cluster.admin()?.topology("").await?.leader_scheduler;
    let at = Instant::now();
    cluster.kill_scheduler(victim);
    eprintln!("demo: killed scheduler {victim}");
    let mut admin = cluster.admin()?.patient(Duration::ZERO).with_call_timeout(Duration::from_secs(1));
    loop {
        let served = admin.sql("SELECT * FROM CDB_OB_SERVERS").await.is_ok();
        if served && admin.topology("").await.is_ok_and(|t| t.leader_scheduler != victim && t.leader_scheduler != 0) {
            break;
        }
        if at.elapsed() > PATIENCE {
            let what = format!("no scheduler took over within {PATIENCE:?}");
            return Err(Failure::new(ErrorClass::Transient, what, format!("scheduler {victim}"), "read the logs"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let time = at.elapsed();
    cluster.restart_killed()?;
    Ok(time)
}
