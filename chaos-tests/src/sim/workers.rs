//! The worker side: heartbeats, orders and replicas.

use super::running_archiver::{archive_report, archive_waiting};
use super::running_task::task_reports;
use super::stream::Stream;
use super::worker::{Reply, Worker};
use super::world::{Event, World};
use crate::invariants::Broken;
use std::collections::BTreeMap;
use strandline_format::entry::{EntryKind, join, payload};
use strandline_format::pb;
use strandline_scheduler_core::state::{Dictionary, Table, Tablet};
use strandline_scheduler_core::{ReplicaOrder, ReplicaReport, WorkerReport};
use strandline_types::{Lsn, NodeId, Scn};

/// After this a worker does not wait for an answer any more.
const ANSWER_TIMEOUT_MS: u64 = 500;

impl World {
    /// A worker looks at its replicas and reports.
    pub(super) fn beat(&mut self, id: NodeId) {
        let now_ms = self.now_ms;
        let Some(worker) = self.workers.get_mut(&id).filter(|w| w.is_up) else { return };
        if worker.can_talk() {
            self.streams.values_mut().for_each(|s| s.catch_up(id));
        }
        self.poke_all(id);
        self.end_tasks(id);
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.asked_ms.is_some_and(|asked| now_ms < asked + ANSWER_TIMEOUT_MS) {
            return;
        }
        if worker.asked_ms.take().is_some() {
            // No answer: another node is asked.
            worker.guess = (worker.guess + 1) % 3;
        }
        let report = self.report_of(id);
        let led = report.replicas.iter().filter(|r| r.is_leader).map(|r| (r.ls_id, r.term)).collect();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.seq += 1;
        (worker.asked_ms, worker.claims) = (Some(now_ms), led);
        let (seq, boot, node, can_talk) = (worker.seq, worker.boot, worker.guess, worker.can_talk());
        let copies = if self.rng.chance(self.faults.duplicates) { 2 } else { 1 };
        for _ in 0..copies {
            if can_talk && !self.rng.chance(self.faults.drops) {
                let delay = self.delay();
                let report = Box::new(report.clone());
                self.after(delay, Event::Report { node, boot, seq, report });
            }
        }
    }

    pub(super) fn delay(&mut self) -> u64 {
        let slow = if self.rng.chance(self.faults.slow) { 600 } else { 5 };
        self.rng.between(1, slow)
    }

    fn report_of(&self, id: NodeId) -> WorkerReport {
        let worker = &self.workers[&id];
        let hosted = worker.orders.iter().flat_map(|o| &o.replicas);
        let replicas = hosted.filter_map(|order| replica_report(self.streams.get(&order.ls_id)?, order, id));
        let archive = worker.archivers.iter().filter_map(|(key, running)| archive_report(*key, running));
        let waiting = worker.archivers.iter().filter_map(|(key, running)| archive_waiting(*key, running));
        WorkerReport {
            worker_id: id,
            address: format!("worker-{id}:1"),
            boot_id: worker.boot,
            clock_ms: worker.clock_ms(self.now_ms),
            replicas: replicas.collect(),
            archive: archive.collect(),
            archive_waiting: waiting.collect(),
            tasks: task_reports(&worker.tasks),
            replica_troubles: BTreeMap::new(),
            free_bytes: None,
        }
    }

    pub(super) fn send_to_worker(&mut self, worker: NodeId, boot: u64, seq: u64, reply: Reply) {
        if !self.rng.chance(self.faults.drops) {
            let delay = self.delay();
            self.after(delay, Event::Answer { worker, boot, seq, reply });
        }
    }

    /// An answer arrives: to the report that waits for one, and of no older scheduler term.
    pub(super) fn obey(&mut self, id: NodeId, boot: u64, seq: u64, reply: Reply) -> Result<(), Broken> {
        let is_asking = |w: &&mut Worker| w.can_talk() && w.boot == boot && w.seq == seq && w.asked_ms.is_some();
        let Some(worker) = self.workers.get_mut(&id).filter(is_asking) else { return Ok(()) };
        worker.asked_ms = None;
        let (term, orders) = match reply {
            Reply::NotLeader(hint) => {
                worker.guess = hint;
                return Ok(());
            }
            Reply::Orders(term, orders) => (term, *orders),
        };
        if term < worker.term {
            return Ok(());
        }
        worker.term = term;
        worker.orders = Some(orders.clone());
        for order in &orders.replicas {
            self.host(id, order)?;
        }
        self.reconcile(id, &orders.rounds);
        self.take_tasks(id, &orders.tasks);
        self.poke_all(id);
        Ok(())
    }

    /// Hosts a replica; the leader of a stream does what the order says of keep-alives and the dictionary.
    fn host(&mut self, id: NodeId, order: &ReplicaOrder) -> Result<(), Broken> {
        if !self.streams.contains_key(&order.ls_id) {
            let begin = self.first_lsn();
            self.streams.insert(order.ls_id, Stream::new(order.ls_id, order.members.clone(), begin));
        }
        let Some(stream) = self.streams.get_mut(&order.ls_id) else { return Ok(()) };
        if order.bootstrap && stream.leader.is_none() {
            stream.elect(id);
        }
        if let Some(replica) = stream.replicas.get_mut(&id) {
            // Whole blocks only, and never more than there is.
            let upto = Lsn(order.recycle_lsn.0.min(replica.end.0)).block_start();
            replica.start = replica.start.max(upto);
        }
        if stream.leader != Some(id) {
            return Ok(());
        }
        if let Some(dictionary) = &order.dictionary {
            let is_news = stream.dictionary_version < dictionary.version;
            stream.dictionary_version = stream.dictionary_version.max(dictionary.version);
            if is_news {
                let change = logged(dictionary);
                let scn = stream.append(stream.max_scn().next(), true, &join(EntryKind::Dictionary, &payload(&change)));
                self.committed(order.ls_id, scn)?;
            }
        }
        self.host_tablets(order)?;
        let Some(stream) = self.streams.get_mut(&order.ls_id) else { return Ok(()) };
        if stream.max_scn() < order.keep_alive_scn {
            let scn = stream.append(order.keep_alive_scn, true, &join(EntryKind::KeepAlive, b""));
            return self.committed(order.ls_id, scn);
        }
        Ok(())
    }

    /// The leader logs which tablets are left.
    fn host_tablets(&mut self, order: &ReplicaOrder) -> Result<(), Broken> {
        let Some(stream) = self.streams.get_mut(&order.ls_id) else { return Ok(()) };
        let Some(list) = order.tablets.as_ref().filter(|l| l.version > stream.tablets_version) else { return Ok(()) };
        stream.tablets_version = list.version;
        let tablet_ids = list.tablets.iter().map(|t| t.0).collect();
        let change = pb::TabletList { version: list.version, next_tablet_id: list.next_tablet.0, tablet_ids };
        let scn = stream.max_scn().max(list.after_scn).next();
        let scn = stream.append(scn, true, &join(EntryKind::Tablets, &payload(&change)));
        self.committed(order.ls_id, scn)
    }
}

fn logged(dictionary: &Dictionary) -> pb::Dictionary {
    let tablet = |t: &Tablet| pb::DictionaryTablet { tablet_id: t.id.0, ls_id: t.ls_id.0 };
    let table = |t: &Table| pb::DictionaryTable {
        table_id: t.id.0,
        name: t.name.clone(),
        tablets: t.tablets.iter().map(tablet).collect(),
    };
    pb::Dictionary {
        version: dictionary.version,
        tables: dictionary.tables.iter().map(table).collect(),
        next_tablet_id: dictionary.next_tablet.0,
        ..pb::Dictionary::default()
    }
}

fn replica_report(stream: &Stream, order: &ReplicaOrder, worker: NodeId) -> Option<ReplicaReport> {
    let replica = stream.replicas.get(&worker)?;
    Some(ReplicaReport {
        tenant_id: order.tenant_id,
        ls_id: order.ls_id,
        is_leader: replica.leads.is_some(),
        term: replica.leads.unwrap_or(stream.term),
        leader: stream.leader,
        end_lsn: replica.end,
        max_scn: replica.max_scn,
        log_start_lsn: strandline_types::Lsn::ZERO,
        dictionary_version: stream.dictionary_version,
        tablets_version: stream.tablets_version,
        restored_dictionary: None,
        replayed_scn: Scn::MIN,
        standing: Default::default(),
    })
}
