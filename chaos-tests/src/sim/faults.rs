//! What goes wrong, and when it is well again.

use super::fault_state::{NetworkFaults, Repair};
use super::medium::MediumFaults;
use super::settings::TENANT;
use super::worker::Worker;
use super::world::{Event, World};
use crate::invariants::Broken;
use strandline_types::{DestId, LsId, NodeId};

impl World {
    /// One thing goes wrong.
    pub(super) fn fault(&mut self) -> Result<(), Broken> {
        if self.is_calm {
            return Ok(());
        }
        let next = self.rng.between(100, 2500);
        self.after(next, Event::Fault);
        let ids: Vec<NodeId> = self.workers.keys().copied().collect();
        let streams: Vec<LsId> = self.streams.keys().copied().collect();
        let lasts = self.rng.between(200, 7000);
        match self.rng.between(0, 10) {
            0 => self.kill(&ids, lasts),
            1 => self.cut(&ids, lasts),
            2 | 3 => {
                let ls = self.rng.pick(&streams);
                return ls.map_or(Ok(()), |ls| self.elect(ls));
            }
            4 => self.medium_down(lasts / 2),
            5 => self.medium_faults(),
            6 => self.network_faults(),
            7 => self.destination_away(2 * lasts),
            _ => return self.depose(lasts),
        }
        Ok(())
    }

    fn kill(&mut self, ids: &[NodeId], lasts: u64) {
        let Some(id) = self.rng.pick(ids) else { return };
        let up = self.workers.values().filter(|w| w.can_talk()).count();
        let Some(worker) = self.workers.get_mut(&id).filter(|w| w.is_up && up > 2) else { return };
        worker.is_up = false;
        self.note(format!("worker {id} dies"));
        self.after(lasts, Event::Repair(Repair::Boot(id)));
        self.replace_leader(id);
    }

    fn cut(&mut self, ids: &[NodeId], lasts: u64) {
        let Some(id) = self.rng.pick(ids) else { return };
        let up = self.workers.values().filter(|w| w.can_talk()).count();
        let Some(worker) = self.workers.get_mut(&id).filter(|w| !w.is_cut && up > 2) else { return };
        worker.is_cut = true;
        self.note(format!("worker {id} is cut off"));
        self.after(lasts, Event::Repair(Repair::Join(id)));
        self.replace_leader(id);
    }

    /// Streams that a worker leads elect another leader after a while. It does not know.
    fn replace_leader(&mut self, id: NodeId) {
        let led: Vec<LsId> = self.streams.values().filter(|s| s.leader == Some(id)).map(|s| s.id).collect();
        for ls in led {
            let timeout = self.rng.between(300, 1200);
            self.after(timeout, Event::Elect(ls));
        }
    }

    /// A member that can talk to a majority becomes leader.
    pub(super) fn elect(&mut self, ls: LsId) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(&ls) else { return Ok(()) };
        let can_talk = |m: &&NodeId| self.workers.get(m).is_some_and(Worker::can_talk);
        let electors: Vec<NodeId> = stream.members.iter().filter(can_talk).copied().collect();
        let Some(chosen) = self.rng.pick(&electors).filter(|_| electors.len() * 2 > stream.members.len()) else {
            self.after(500, Event::Elect(ls));
            return Ok(());
        };
        // The old leader learns of it when it can: until then it believes.
        stream.elect(chosen);
        let term = stream.term;
        self.note(format!("log stream {ls}: worker {chosen} leads in term {term}"));
        Ok(())
    }

    fn medium_down(&mut self, lasts: u64) {
        self.medium.faults.is_down = true;
        self.note("the medium is away");
        self.after(lasts, Event::Repair(Repair::Medium));
    }

    /// One of several archive destinations does not answer; the others do not notice.
    fn destination_away(&mut self, lasts: u64) {
        let tenant = self.group.state().tenants.get(&TENANT);
        let dests: Vec<DestId> = tenant.into_iter().flat_map(|t| t.archive.dests.values().map(|d| d.dest_id)).collect();
        let Some(dest) = self.rng.pick(&dests) else { return };
        self.medium.faults.away = Some(dest);
        self.note(format!("destination {dest} is away"));
        self.after(lasts, Event::Repair(Repair::Destination));
    }

    fn medium_faults(&mut self) {
        let MediumFaults { is_down, away, .. } = self.medium.faults;
        let mut some = |max| self.rng.between(0, max);
        self.medium.faults = MediumFaults { is_down, away, fails: some(80), loses_reply: some(80), tears: some(80) };
    }

    fn network_faults(&mut self) {
        let mut some = |max| self.rng.between(0, max);
        self.faults = NetworkFaults { drops: some(300), duplicates: some(300), slow: some(300) };
    }

    /// The scheduler's leader dies, or is replaced and does not know for a while.
    fn depose(&mut self, lasts: u64) -> Result<(), Broken> {
        let old = self.group.leader;
        let others: Vec<usize> = (0..3).filter(|n| *n != old && self.group.nodes[*n].is_up).collect();
        if others.len() < 2 {
            return Ok(());
        }
        let Some(new) = self.rng.pick(&others) else { return Ok(()) };
        if self.rng.chance(500) {
            self.group.nodes[old].is_up = false;
            self.group.nodes[old].leads = None;
            self.note(format!("scheduler {old} dies"));
            self.after(lasts, Event::Repair(Repair::Scheduler(old)));
        } else {
            self.note(format!("scheduler {old} is replaced and does not know"));
            self.after(lasts, Event::Repair(Repair::Resign(old)));
        }
        self.note(format!("scheduler {new} leads"));
        self.group.elect(new, self.now_ms)
    }

    pub(super) fn repair(&mut self, repair: Repair) -> Result<(), Broken> {
        match repair {
            Repair::Boot(id) => {
                if let Some(worker) = self.workers.get_mut(&id).filter(|w| !w.is_up) {
                    worker.restart();
                    // It has lost what it believed.
                    for replica in self.streams.values_mut().filter_map(|s| s.replicas.get_mut(&id)) {
                        replica.leads = None;
                    }
                    self.note(format!("worker {id} is back"));
                }
            }
            Repair::Join(id) => {
                if let Some(worker) = self.workers.get_mut(&id) {
                    worker.is_cut = false;
                }
            }
            Repair::Medium => self.medium.faults.is_down = false,
            Repair::Destination => self.medium.faults.away = None,
            Repair::Scheduler(node) => {
                if !self.group.nodes[node].is_up {
                    let from_snapshot = self.rng.chance(500);
                    self.group.restart(node, from_snapshot)?;
                }
            }
            Repair::Resign(node) => {
                let term = self.group.term;
                let node = &mut self.group.nodes[node];
                node.leads = node.leads.filter(|t| *t == term);
                if node.leads.is_none() {
                    node.busy.clear();
                }
            }
        }
        Ok(())
    }

    /// Everything is well again, for good.
    pub(super) fn heal(&mut self) -> Result<(), Broken> {
        self.is_calm = true;
        self.faults = NetworkFaults::default();
        self.medium.faults = MediumFaults::default();
        let ids: Vec<NodeId> = self.workers.keys().copied().collect();
        for id in ids {
            self.repair(Repair::Boot(id))?;
            self.repair(Repair::Join(id))?;
        }
        for node in 0..3 {
            self.repair(Repair::Scheduler(node))?;
            self.repair(Repair::Resign(node))?;
        }
        // Streams whose leader died and was not replaced yet.
        let stale: Vec<LsId> = self.streams.values().filter(|s| !has_believer(s)).map(|s| s.id).collect();
        for ls in stale {
            self.elect(ls)?;
        }
        self.note("all is well");
        Ok(())
    }
}

fn has_believer(stream: &super::stream::Stream) -> bool {
    stream.leader.and_then(|l| stream.replicas.get(&l)).is_some_and(|r| r.leads == Some(stream.term))
}
