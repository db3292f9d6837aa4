//! The wires between workers: every worker is reached through a door of this test, which can cut one worker off from
//! the others and from nobody else.
//!
//! A cut is what a network does: nothing is refused, bytes stand still, and go on when the cut is mended. Whose
//! connection it is says the system (`/proc`): clients and schedulers talk to the cut-off worker as before, and its way
//! to a medium never led through here.

use super::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use strandline_cli::cluster::Cluster;
use strandline_cli::cluster::config::FIRST_WORKER;
use strandline_cli::cluster::places::Places;
use strandline_types::{ErrorClass, Failure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

const BUFFER_BYTES: usize = 64 << 10;

/// One connection: the worker it goes to, and the port it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    to: u64,
    from_port: u16,
}

/// Who is cut off.
#[derive(Clone, Debug, Default)]
struct Cut {
    victim: Option<u64>,
    /// Processes of the workers.
    pids: BTreeMap<u64, u32>,
    /// Ports of their connections.
    ports: BTreeMap<u64, BTreeSet<u16>>,
}

/// The doors before all workers of a cluster; dropping it closes them.
#[derive(Debug)]
pub struct Wires {
    cut: Arc<watch::Sender<Cut>>,
    _doors: JoinSet<()>,
}

impl Wires {
    /// Puts a door before every worker of `places`, which then advertise the doors.
    ///
    /// # Errors
    /// The loopback has no free port.
    pub async fn before(places: &mut Places) -> Outcome<Self> {
        let cut = Arc::new(watch::Sender::new(Cut::default()));
        let mut doors = JoinSet::new();
        for (to, place) in (FIRST_WORKER..).zip(&mut places.workers) {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| no_door(&e))?;
            place.advertise = Some(listener.local_addr().map_err(|e| no_door(&e))?.to_string());
            doors.spawn(serve(listener, to, place.grpc.clone(), Arc::clone(&cut)));
        }
        Ok(Self { cut, _doors: doors })
    }

    /// Cuts `victim` off from all other workers.
    pub fn cut_off(&self, cluster: &Cluster, victim: u64) {
        let pids = cluster.worker_ids().filter_map(|id| Some((id, cluster.worker_pid(id)?))).collect();
        self.cut.send_replace(Cut::new(victim, pids));
    }

    /// Everybody reaches everybody again.
    pub fn mend(&self) {
        self.cut.send_replace(Cut::default());
    }
}

impl Cut {
    fn new(victim: u64, pids: BTreeMap<u64, u32>) -> Self {
        let ports = pids.iter().map(|(id, pid)| (*id, ports_of(*pid))).collect();
        Self { victim: Some(victim), pids, ports }
    }

    fn severs(&self, line: Line) -> bool {
        let is_from = |worker: &u64| self.ports.get(worker).is_some_and(|p| p.contains(&line.from_port));
        match self.victim {
            None => false,
            Some(victim) if victim == line.to => self.ports.keys().any(|w| *w != victim && is_from(w)),
            Some(victim) => is_from(&victim),
        }
    }
}

async fn serve(listener: TcpListener, to: u64, address: String, cut: Arc<watch::Sender<Cut>>) {
    let mut lines = JoinSet::new();
    while let Ok((client, from)) = listener.accept().await {
        // A new connection is one that the cut does not know yet.
        cut.send_if_modified(|cut| {
            let Some(victim) = cut.victim else { return false };
            *cut = Cut::new(victim, std::mem::take(&mut cut.pids));
            true
        });
        let line = Line { to, from_port: from.port() };
        lines.spawn(carry(client, address.clone(), line, cut.subscribe()));
        while lines.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, address: String, line: Line, cut: watch::Receiver<Cut>) {
    // Without a worker behind the door the connection ends, as it would without the door.
    let Ok(worker) = TcpStream::connect(&address).await else { return };
    let _ = (client.set_nodelay(true), worker.set_nodelay(true));
    let ((from_client, to_client), (from_worker, to_worker)) = (client.into_split(), worker.into_split());
    tokio::join!(pump(from_client, to_worker, line, cut.clone()), pump(from_worker, to_client, line, cut));
}

/// Carries bytes one way; while the line is cut they wait here.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: Line, mut cut: watch::Receiver<Cut>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if cut.wait_for(|cut| !cut.severs(line)).await.is_err() || read == 0 {
            break;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    // The other end may be gone already.
    let _ = to.shutdown().await;
}

/// Local ports of a process's connections.
fn ports_of(pid: u32) -> BTreeSet<u16> {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let sockets: BTreeSet<u64> = links.filter_map(|link| socket(&link)).collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table
        .lines()
        .filter_map(port_and_socket)
        .filter(|(_, inode)| sockets.contains(inode))
        .map(|(port, _)| port)
        .collect()
}

fn socket(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// A line of the system's table: `sl local_address rem_address st … inode`.
fn port_and_socket(line: &str) -> Option<(u16, u64)> {
    let mut fields = line.split_whitespace();
    let (_, port) = fields.nth(1)?.split_once(':')?;
    Some((u16::from_str_radix(port, 16).ok()?, fields.nth(7)?.parse().ok()?))
}

fn no_door(e: &std::io::Error) -> Failure {
    Failure::new(ErrorClass::Exhausted, format!("cannot listen: {e}"), "127.0.0.1", "free some ports")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cut_severs_a_worker_from_the_others_and_from_nobody_else() {
        let ports = BTreeMap::from([(101, BTreeSet::from([1001])), (102, BTreeSet::from([1002]))]);
        let cut = Cut { victim: Some(101), pids: BTreeMap::new(), ports };
        let severed = |to, from_port| cut.severs(Line { to, from_port });
        assert!(severed(102, 1001) && severed(101, 1002), "both ways");
        assert!(!severed(101, 5000), "a client of the victim");
        assert!(!severed(102, 5000) && !severed(102, 1002));
        assert!(!Cut::default().severs(Line { to: 102, from_port: 1001 }));
    }

    #[test]
    fn the_ports_of_a_process_are_those_of_its_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ports = ports_of(std::process::id());
        assert!(ports.contains(&client.local_addr().unwrap().port()), "{ports:?}");
    }
}
