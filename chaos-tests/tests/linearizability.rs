//! Whatever happens to the servers, clients see registers: an acknowledged write is there, once, from its answer on until
//! another one replaces it.
//!
//! Servers are killed, paused, cut off in one direction and in both, their clocks are moved, and answers get lost on the
//! way to clients that send again; some clients give up and go on. `STRANDLINE_LINEARIZABILITY_SECONDS` says for how long
//! (nightly: 1800), `STRANDLINE_SEED` which order of faults.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{ClockStep, EventLog, Links, Outcome, Registers, Site, Way, jobs, server_faults};
use strandline_chaos::settings::number;
use strandline_chaos::sim::Rng;
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;

const TENANT: &str = "registers";
const TABLE: &str = "r";
const CLIENTS: usize = 9;
const REGISTERS: u64 = 4;
const SECONDS: u64 = 75;
/// Answers between two faults.
const ANSWERS_BETWEEN: u64 = 40;

/// What is done to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    KillLeader,
    KillAny,
    KillAllWorkers,
    PauseLeader,
    PauseFollowers,
    Cut(u8),
    LoseAnswers,
    MoveClock,
    KillScheduler,
}

const FAULTS: [Fault; 11] = [
    Fault::KillLeader,
    Fault::KillAny,
    Fault::KillAllWorkers,
    Fault::PauseLeader,
    Fault::PauseFollowers,
    Fault::Cut(0),
    Fault::Cut(1),
    Fault::Cut(2),
    Fault::LoseAnswers,
    Fault::MoveClock,
    Fault::KillScheduler,
];

struct Bed {
    site: Site,
    clocks: ClockStep,
    cluster: Cluster,
    links: Links,
    rng: Rng,
    events: EventLog,
}

impl Bed {
    async fn new(id: u64, seed: u64) -> Outcome<Self> {
        let (site, events) = (Site::new()?, EventLog::begin());
        let clocks = ClockStep::new(&site)?;
        let (cluster, links) = site.linked_with(clocks.program(), id, "servers", 3, 3).await?;
        jobs::make_tenant(&cluster, TENANT, 2, TABLE).await?;
        events.record(&format!("3 schedulers and 3 workers run; seed {seed}"));
        Ok(Self { site, clocks, cluster, links, rng: Rng::new(seed), events })
    }

    async fn clients(&self) -> Outcome<Vec<KvClient>> {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(KvClient::connect(&self.cluster.endpoints(), TENANT).await?);
        }
        Ok(clients)
    }

    async fn hold(&mut self, from_ms: u64, to_ms: u64) {
        let ms = self.rng.between(from_ms, to_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    fn any_worker(&mut self) -> u64 {
        let all: Vec<u64> = self.cluster.worker_ids().collect();
        self.rng.pick(&all).unwrap()
    }

    async fn suffer(&mut self, fault: Fault) -> Outcome<()> {
        match fault {
            Fault::KillLeader => {
                server_faults::kill_leading_worker(&mut self.cluster, TENANT).await?;
                self.hold(200, 2_500).await;
                self.cluster.restart_killed()
            }
            Fault::KillAny => {
                let victim = self.any_worker();
                self.cluster.kill_worker(victim);
                self.hold(50, 1_500).await;
                self.cluster.restart_killed()
            }
            Fault::KillAllWorkers => {
                for worker in self.cluster.worker_ids().collect::<Vec<_>>() {
                    self.cluster.kill_worker(worker);
                }
                self.cluster.restart_killed()
            }
            Fault::PauseLeader => {
                let victim = server_faults::leading_worker(&self.cluster, TENANT).await?;
                let paused = server_faults::pause_worker(&self.cluster, victim)?;
                self.hold(300, 5_000).await;
                drop(paused);
                Ok(())
            }
            Fault::PauseFollowers => {
                let leader = server_faults::leading_worker(&self.cluster, TENANT).await?;
                let others = self.cluster.worker_ids().filter(|worker| *worker != leader);
                let paused = others
                    .map(|worker| server_faults::pause_worker(&self.cluster, worker))
                    .collect::<Outcome<Vec<_>>>()?;
                self.hold(500, 3_500).await;
                drop(paused);
                Ok(())
            }
            Fault::Cut(way) => {
                let victim = server_faults::leading_worker(&self.cluster, TENANT).await?;
                let way = [Way::Both, Way::In, Way::Out][usize::from(way)];
                self.links.cut_one_way(&self.cluster, victim, way);
                self.hold(500, 4_000).await;
                self.links.repair();
                Ok(())
            }
            Fault::LoseAnswers => {
                let per_mille = self.rng.between(20, 300);
                self.links.lose_answers(&self.cluster, per_mille);
                self.hold(1_000, 4_000).await;
                self.links.repair();
                Ok(())
            }
            Fault::MoveClock => {
                let victim = self.any_worker();
                let Some(pid) = self.cluster.worker_pid(victim) else { return Ok(()) };
                let off_ms = self.rng.between(0, 16_000) as i64 - 8_000;
                self.clocks.set(pid, off_ms)?;
                self.hold(500, 3_000).await;
                self.clocks.set(pid, 0)
            }
            Fault::KillScheduler => {
                server_faults::kill_leading_scheduler(&mut self.cluster).await?;
                self.hold(200, 1_500).await;
                self.cluster.restart_killed()
            }
        }
    }

    /// Faults one after the other for so long; gives how often each fell.
    async fn storm(&mut self, registers: &Registers, seconds: u64) -> Outcome<BTreeMap<Fault, u64>> {
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut fallen = BTreeMap::new();
        let mut order: Vec<Fault> = Vec::new();
        while Instant::now() < end {
            let fault = match order.pop() {
                Some(fault) => fault,
                None => {
                    // Every sort once, in another order each time.
                    order = FAULTS.to_vec();
                    for n in (1..order.len()).rev() {
                        order.swap(n, self.rng.between(0, n as u64 + 1) as usize);
                    }
                    continue;
                }
            };
            self.suffer(fault).await?;
            registers.go_on(ANSWERS_BETWEEN).await?;
            *fallen.entry(fault).or_default() += 1;
        }
        Ok(fallen)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_are_linearizable_whatever_happens_to_the_servers() {
    let ran = async {
        let seed = number("STRANDLINE_SEED").unwrap_or(1);
        let mut bed = Bed::new(41, seed).await?;
        let registers = Registers::start(bed.clients().await?, TABLE, REGISTERS, seed).expect("there are clients");
        let fallen = bed.storm(&registers, number("STRANDLINE_LINEARIZABILITY_SECONDS").unwrap_or(SECONDS)).await?;
        let histories = registers.finish().await?;
        let faults: u64 = fallen.values().sum();
        bed.events.record(&format!(
            "{faults} faults {fallen:?}, {} answers lost; {}",
            bed.links.lost(),
            histories.told()
        ));
        if let Err((register, broken)) = histories.check() {
            panic!("register {register}: {broken}\n{:#?}", histories.of(register));
        }
        bed.cluster.destroy()?;
        bed.site.done();
        Outcome::Ok(())
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
}

/// The defect that identities repair is found by this very search, and soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_whose_writes_have_no_identity_are_caught() {
    let ran = async {
        let mut bed = Bed::new(42, 1).await?;
        let clients = bed.clients().await?.into_iter().map(KvClient::without_identities).collect();
        let registers = Registers::start(clients, TABLE, REGISTERS, 1).expect("there are clients");
        for _ in 0..3 {
            bed.suffer(Fault::LoseAnswers).await?;
        }
        let histories = registers.finish().await?;
        bed.events.record(&format!("{} answers lost; {}", bed.links.lost(), histories.told()));
        let (register, broken) = histories.check().expect_err("a write that was done twice is seen");
        bed.events.record(&format!("register {register}: {broken}"));
        bed.cluster.destroy()?;
        bed.site.done();
        Outcome::Ok(())
    };
    ran.await.unwrap_or_else(|failure| panic!("{failure}"));
}
