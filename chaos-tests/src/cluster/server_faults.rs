//! The faults: `kill -9` and `SIGSTOP` of the server that leads, chosen by what the cluster says at that moment.
//!
//! A process is addressed by its own id only, and is started again on its old disk, as a supervisor would do.

use super::{Outcome, Patience};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::time::Duration;
use strandline_cli::cluster::Cluster;
use strandline_types::{ErrorClass, Failure};

const PATIENCE: Duration = Duration::from_secs(30);

/// The worker that leads most log streams of `tenant`.
///
/// # Errors
/// For too long none has a leader.
pub async fn leading_worker(cluster: &Cluster, tenant: &str) -> Outcome<u64> {
    let patience = Patience::new("a log stream has a leader", PATIENCE);
    loop {
        let mut led: BTreeMap<u64, usize> = BTreeMap::new();
        for ls in cluster.admin()?.topology(tenant).await?.log_streams.iter().filter(|ls| ls.leader != 0) {
            *led.entry(ls.leader).or_default() += 1;
        }
        match led.into_iter().max_by_key(|(_, count)| *count) {
            Some((worker, _)) => return Ok(worker),
            None => patience.once_more(tenant).await?,
        }
    }
}

/// Waits until `worker` leads no log stream of `tenant`.
///
/// # Errors
/// It still does.
pub async fn until_led_by_others(cluster: &Cluster, tenant: &str, worker: u64) -> Outcome<()> {
    let patience = Patience::new(format!("others lead what worker {worker} led"), PATIENCE);
    loop {
        let streams = cluster.admin()?.topology(tenant).await?.log_streams;
        if streams.iter().all(|ls| ls.leader != 0 && ls.leader != worker) {
            return Ok(());
        }
        patience.once_more(&format!("{streams:?}")).await?;
    }
}

/// `kill -9` of the leading worker; it stays down until `restart_killed`.
///
/// # Errors
/// There is no leader.
pub async fn kill_leading_worker(cluster: &mut Cluster, tenant: &str) -> Outcome<u64> {
    let victim = leading_worker(cluster, tenant).await?;
    cluster.kill_worker(victim);
    Ok(victim)
}

/// `kill -9` of the leading scheduler; it stays down until `restart_killed`.
///
/// # Errors
/// There is no leader.
pub async fn kill_leading_scheduler(cluster: &mut Cluster) -> Outcome<u64> {
    let patience = Patience::new("a scheduler leads", PATIENCE);
    loop {
        let victim = cluster.admin()?.topology("").await?.leader_scheduler;
        if victim != 0 {
            cluster.kill_scheduler(victim);
            return Ok(victim);
        }
        patience.once_more("no leader").await?;
    }
}

/// A process that stands still until this is dropped.
#[derive(Debug)]
pub struct Paused {
    pid: Pid,
}

/// `SIGSTOP` of a worker.
///
/// # Errors
/// It does not run.
pub fn pause_worker(cluster: &Cluster, worker: u64) -> Outcome<Paused> {
    let name = format!("worker {worker}");
    match cluster.worker_pid(worker) {
        Some(id) => pause(id, &name),
        None => Err(Failure::new(ErrorClass::NotFound, "it does not run", name, "")),
    }
}

/// `SIGSTOP` of a process that this test started.
///
/// # Errors
/// It does not run.
pub fn pause(id: u32, name: &str) -> Outcome<Paused> {
    let gone = |why: &str| Failure::new(ErrorClass::NotFound, why.to_owned(), name.to_owned(), "");
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw).ok_or_else(|| gone("it does not run"))?;
    kill_process(pid, Signal::STOP).map_err(|e| gone(&e.to_string()))?;
    Ok(Paused { pid })
}

impl Drop for Paused {
    fn drop(&mut self) {
        // Fails only when the process is gone.
        let _ = kill_process(self.pid, Signal::CONT);
    }
}
