//! The links between workers: every worker is reached through a proxy of this test, which can cut one worker off from
//! the others and from no client, in both directions or in one, and lose answers to callers that are no workers.
//!
//! A cut is what a network does: nothing is refused, bytes stand still, and go on when the cut is repaired. A lost answer is
//! a connection that ends after the request has gone through. Whose connection it is says the system (`/proc`): clients
//! and schedulers talk to the cut-off worker as before, and its way to a medium never led through here.

use super::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Which way is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Nothing reaches the victim, and nothing comes from it.
    #[default]
    Both,
    /// Nothing from other workers reaches the victim.
    In,
    /// Nothing that the victim sends reaches other workers.
    Out,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Towards {
    Worker,
    Caller,
}

/// Who is cut off.
#[derive(Clone, Debug, Default)]
struct Cut {
    victim: Option<u64>,
    way: Way,
    /// Of a thousand portions of bytes to a caller that is no worker, so many are lost with their connection.
    lost_per_mille: u64,
    /// Processes of the workers.
    pids: BTreeMap<u64, u32>,
    /// Ports of their connections.
    ports: BTreeMap<u64, BTreeSet<u16>>,
}

/// The proxies before all workers of a cluster; dropping it closes them.
#[derive(Debug)]
pub struct Links {
    cut: Arc<watch::Sender<Cut>>,
    lost: Arc<AtomicU64>,
    _proxies: JoinSet<()>,
}

impl Links {
    /// Puts a proxy before every worker of `places`, which then advertise the proxies.
    ///
    /// # Errors
    /// The loopback has no free port.
    pub async fn before(places: &mut Places) -> Outcome<Self> {
        let cut = Arc::new(watch::Sender::new(Cut::default()));
        let lost = Arc::new(AtomicU64::new(0));
        let mut proxies = JoinSet::new();
        for (to, place) in (FIRST_WORKER..).zip(&mut places.workers) {
            let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|e| no_port(&e))?;
            place.advertise = Some(listener.local_addr().map_err(|e| no_port(&e))?.to_string());
            proxies.spawn(serve(listener, to, place.grpc.clone(), Arc::clone(&cut), Arc::clone(&lost)));
        }
        Ok(Self { cut, lost, _proxies: proxies })
    }

    /// Cuts `victim` off from all other workers.
    pub fn cut_off(&self, cluster: &Cluster, victim: u64) {
        self.cut_one_way(cluster, victim, Way::Both);
    }

    /// The same in one direction.
    pub fn cut_one_way(&self, cluster: &Cluster, victim: u64, way: Way) {
        self.cut.send_replace(Cut { victim: Some(victim), way, ..Cut::default() }.looked(pids(cluster)));
    }

    /// From now on answers get lost: so many of a thousand portions of bytes to callers that are no workers.
    pub fn lose_answers(&self, cluster: &Cluster, per_mille: u64) {
        self.cut.send_replace(Cut { lost_per_mille: per_mille, ..Cut::default() }.looked(pids(cluster)));
    }

    /// Answers that were lost so far.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// Everybody reaches everybody again.
    pub fn repair(&self) {
        self.cut.send_replace(Cut::default());
    }
}

impl Cut {
    /// With the connections that the workers have now.
    fn looked(mut self, pids: BTreeMap<u64, u32>) -> Self {
        self.ports = pids.iter().map(|(id, pid)| (*id, ports_of(*pid))).collect();
        self.pids = pids;
        self
    }

    fn is_active(&self) -> bool {
        self.victim.is_some() || self.lost_per_mille > 0
    }

    /// The worker that holds the other end of a line.
    fn caller(&self, line: Line) -> Option<u64> {
        self.ports.iter().find(|(_, ports)| ports.contains(&line.from_port)).map(|(worker, _)| *worker)
    }

    fn severs(&self, line: Line, towards: Towards) -> bool {
        let (Some(victim), Some(caller)) = (self.victim, self.caller(line)) else { return false };
        if (caller == victim) == (line.to == victim) {
            return false;
        }
        let receiver = if towards == Towards::Worker { line.to } else { caller };
        match self.way {
            Way::Both => true,
            Way::In => receiver == victim,
            Way::Out => receiver != victim,
        }
    }

    /// Whether a portion of bytes to the caller of this line is lost.
    fn loses(&self, line: Line, towards: Towards) -> bool {
        self.lost_per_mille > 0
            && towards == Towards::Caller
            && self.caller(line).is_none()
            && rand::random_range(0..1000) < self.lost_per_mille
    }
}

fn pids(cluster: &Cluster) -> BTreeMap<u64, u32> {
    cluster.worker_ids().filter_map(|id| Some((id, cluster.worker_pid(id)?))).collect()
}

async fn serve(listener: TcpListener, to: u64, address: String, cut: Arc<watch::Sender<Cut>>, lost: Arc<AtomicU64>) {
    let mut lines = JoinSet::new();
    while let Ok((client, from)) = listener.accept().await {
        // A new connection is one that the cut does not know yet.
        cut.send_if_modified(|cut| {
            if !cut.is_active() {
                return false;
            }
            let looked = std::mem::take(cut);
            let pids = looked.pids.clone();
            *cut = looked.looked(pids);
            true
        });
        let line = Line { to, from_port: from.port() };
        lines.spawn(carry(client, address.clone(), line, cut.subscribe(), Arc::clone(&lost)));
        while lines.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, address: String, line: Line, cut: watch::Receiver<Cut>, lost: Arc<AtomicU64>) {
    // Without a worker behind the proxy the connection ends, as it would without the proxy.
    let Ok(worker) = TcpStream::connect(&address).await else { return };
    let _ = (client.set_nodelay(true), worker.set_nodelay(true));
    let ((from_client, to_client), (from_worker, to_worker)) = (client.into_split(), worker.into_split());
    let up = pump(from_client, to_worker, line, Towards::Worker, cut.clone());
    let down = pump(from_worker, to_client, line, Towards::Caller, cut);
    tokio::pin!(up, down);
    let (is_lost, was_up) = tokio::select! {
        end = &mut up => (end, true),
        end = &mut down => (end, false),
    };
    if is_lost {
        lost.fetch_add(1, Ordering::AcqRel);
    } else if was_up {
        down.await;
    } else {
        up.await;
    }
}

/// Carries bytes one way; while the line is cut they wait here. True when some were lost: the line ends then.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    line: Line,
    towards: Towards,
    mut cut: watch::Receiver<Cut>,
) -> bool {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if cut.wait_for(|cut| !cut.severs(line, towards)).await.is_err() || read == 0 {
            break;
        }
        if cut.borrow().loses(line, towards) {
            return true;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    // The other end may be gone already.
    let _ = to.shutdown().await;
    false
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

fn no_port(e: &std::io::Error) -> Failure {
    Failure::new(ErrorClass::Exhausted, format!("cannot listen: {e}"), "127.0.0.1", "free some ports")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_cut_severs_a_worker_from_the_others_and_from_nobody_else() {
        let ports = BTreeMap::from([(101, BTreeSet::from([1001])), (102, BTreeSet::from([1002]))]);
        use Towards::{Caller, Worker};
        let cut = |way| Cut { victim: Some(101), way, ports: ports.clone(), ..Cut::default() };
        let severed =
            |way, to, from_port| [Worker, Caller].map(|towards| cut(way).severs(Line { to, from_port }, towards));
        assert_eq!([severed(Way::Both, 102, 1001), severed(Way::Both, 101, 1002)], [[true, true], [true, true]]);
        assert_eq!(severed(Way::In, 101, 1002), [true, false], "what others send does not arrive");
        assert_eq!(severed(Way::In, 102, 1001), [false, true], "nor what they answer");
        assert_eq!(severed(Way::Out, 102, 1001), [true, false]);
        assert_eq!(severed(Way::Out, 101, 1002), [false, true]);
        for way in [Way::Both, Way::In, Way::Out] {
            assert_eq!(severed(way, 101, 5000), [false, false], "a client of the victim");
            assert_eq!([severed(way, 102, 5000), severed(way, 102, 1002)], [[false; 2]; 2]);
        }
        assert!(!Cut::default().severs(Line { to: 102, from_port: 1001 }, Worker));
    }

    #[test]
    fn answers_are_lost_to_clients_only() {
        let ports = BTreeMap::from([(101, BTreeSet::from([1001]))]);
        let cut = Cut { lost_per_mille: 1000, ports, ..Cut::default() };
        let loses = |from_port, towards| cut.loses(Line { to: 102, from_port }, towards);
        assert!(loses(5000, Towards::Caller));
        assert!(!loses(5000, Towards::Worker) && !loses(1001, Towards::Caller));
    }

    #[test]
    fn the_ports_of_a_process_are_those_of_its_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ports = ports_of(std::process::id());
        assert!(ports.contains(&client.local_addr().unwrap().port()), "{ports:?}");
    }
}
