//! The archivers of the workers: begun and ended by orders, driven one operation at a time.
//!
//! An archiver is begun only under orders that answer a report in which its worker reported that it leads the stream in
//! this term: older orders may come from before the scheduler knew of the leader, and the round may be over since.

use super::running_archiver::{Op, Running, goal};
use super::worker_key::WorkerKey;
use super::world::{Event, World};
use crate::invariants::Broken;
use bytes::Bytes;
use strandline_format::paths::archive::ArchivePath;
use strandline_scheduler_core::RoundOrder;
use strandline_types::{DestId, ErrorClass, Failure, LsId, Lsn, NodeId, PieceId, PieceKey, RoundId, Scn};
use strandline_worker_core::archiver::{Action, Archiver, FoundFile, LogView};

impl World {
    /// Archivers become what the orders say.
    pub(super) fn reconcile(&mut self, id: NodeId, rounds: &[RoundOrder]) {
        let streams = &self.streams;
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let claims = worker.claims.clone();
        let leads = |ls: LsId| streams.get(&ls).and_then(|s| s.replicas.get(&id)?.leads);
        let ordered = |key: &WorkerKey| rounds.iter().find(|r| r.round_id == key.0 && leads(key.1).is_some());
        worker.archivers.retain(|key, running| {
            ordered(key).is_some_and(|order| running.is_good_for(leads(key.1), goal(order.work)))
        });
        let mut fresh = Vec::new();
        for order in rounds {
            for &(ls, term) in claims.iter().filter(|(ls, term)| leads(*ls) == Some(*term)) {
                let goal = goal(order.work);
                match worker.archivers.get_mut(&(order.round_id, ls)) {
                    Some(running) => {
                        running.goal = goal;
                        running.archiver.set_order(goal, order.lag_target_ms);
                        let resume = order.log_streams.iter().find(|l| l.ls_id == ls);
                        running.archiver.pieces_known(resume.map_or(order.clock.base_piece, |l| l.piece_id));
                    }
                    None => fresh.push((ls, term, goal, order.clone())),
                }
            }
        }
        for (ls, term, goal, order) in fresh {
            let number = self.number();
            self.note(format!(
                "worker {id} archives log stream {ls} in round {} in term {term}: {goal:?}",
                order.round_id
            ));
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.archivers.insert((order.round_id, ls), Running::new(number, ls, term, goal, &order));
            }
        }
    }

    pub(super) fn poke_all(&mut self, id: NodeId) {
        let keys: Vec<WorkerKey> =
            self.workers.get(&id).map(|w| w.archivers.keys().copied().collect()).unwrap_or_default();
        for key in keys {
            self.after(0, Event::Poke(id, key));
        }
    }

    /// An archiver says what to do next, unless it is at something.
    pub(super) fn poke(&mut self, id: NodeId, key: WorkerKey) -> Result<(), Broken> {
        let Some(worker) = self.workers.get_mut(&id).filter(|w| w.is_up) else { return Ok(()) };
        let now_ms = worker.clock_ms(self.now_ms);
        let replica = self.streams.get(&key.1).and_then(|s| s.replicas.get(&id)).copied().unwrap_or_default();
        let Some(running) = worker.archivers.get_mut(&key).filter(|r| r.op.is_none()) else { return Ok(()) };
        if replica.leads != Some(running.term) {
            return Ok(());
        }
        let action = running.archiver.next(now_ms, LogView { start: replica.start, end: replica.end });
        if let Some((failure, _)) = running.archiver.trouble().filter(|(f, _)| f.class == ErrorClass::Fenced) {
            return Err(format!("worker {id}, log stream {}: {failure}", key.1));
        }
        let (number, dest, skew_ms) = (running.number, running.dest, worker.skew_ms);
        match action {
            Action::Done => {}
            Action::Wait { until_ms: None } => {}
            Action::Wait { until_ms: Some(until) } => {
                let at = (until + skew_ms).max(self.now_ms + 1);
                self.queue.at(at, Event::Poke(id, key));
            }
            action => {
                let op = self.number();
                if let Some(running) = self.workers.get_mut(&id).and_then(|w| w.archivers.get_mut(&key)) {
                    running.op = Some(op);
                }
                self.ops.insert(op, Op { worker: id, key, number, dest, action });
                let latency = self.latency();
                self.after(latency, Event::Effect(op));
            }
        }
        Ok(())
    }

    /// Storage is fast, and sometimes not.
    fn latency(&mut self) -> u64 {
        if self.rng.chance(20) { self.rng.between(50, 2500) } else { self.rng.between(1, 20) }
    }

    /// An operation takes effect, whatever became of its archiver; that one hears of it if it is still there.
    pub(super) fn effect(&mut self, id: u64) -> Result<(), Broken> {
        let Some(op) = self.ops.remove(&id) else { return Ok(()) };
        let outcome = self.perform(&op);
        let now_ms = self.now_ms;
        let Some(worker) = self.workers.get_mut(&op.worker).filter(|w| w.is_up) else { return Ok(()) };
        let clock_ms = worker.clock_ms(now_ms);
        let is_same = |r: &&mut Running| r.number == op.number && r.op == Some(id);
        let Some(running) = worker.archivers.get_mut(&op.key).filter(is_same) else { return Ok(()) };
        running.op = None;
        match outcome {
            Ok(answer) => answer(&mut running.archiver, clock_ms),
            Err(failure) => running.archiver.on_failed(clock_ms, failure, None),
        }
        self.poke(op.worker, op.key)
    }

    fn perform(&mut self, op: &Op) -> Result<Answer, Failure> {
        let (round, ls) = op.key;
        let piece_key = |piece_id| PieceKey { dest_id: op.dest, round_id: round, piece_id };
        let log = |piece, file_id| ArchivePath::<Scn>::Log { key: piece_key(piece), ls, file_id }.path();
        match &op.action {
            Action::List { from } => {
                let found = self.list(op.dest, round, ls, *from)?;
                Ok(Box::new(move |a, now| a.on_listed(now, found)))
            }
            Action::ReadFile { piece, file_id, range } => {
                let bytes = Bytes::from(self.medium.read(&mut self.rng, &log(*piece, *file_id), *range)?);
                Ok(Box::new(move |a, now| a.on_file(now, bytes)))
            }
            Action::ReadLog { from, max_bytes } => Ok(self.read_log(op, *from, *max_bytes)),
            Action::Append(cut) => {
                let path = log(cut.file.piece, cut.file.file_id());
                self.medium.append(&mut self.rng, &path, cut.at, &cut.bytes)?;
                Ok(Box::new(|a, _| a.on_appended()))
            }
            // One object per log file: nothing is left to do at its end.
            Action::Seal { through } => {
                let through = *through;
                Ok(Box::new(move |a, _| a.on_sealed(through)))
            }
            Action::Wait { .. } | Action::Done => Ok(Box::new(|_, _| {})),
        }
    }

    fn list(&mut self, dest: DestId, round: RoundId, ls: LsId, from: PieceId) -> Result<Vec<FoundFile>, Failure> {
        let all = self.medium.list(&mut self.rng, &format!("piece_d{dest}r{round}p"))?;
        let found = all.into_iter().filter_map(|(path, bytes)| match ArchivePath::parse(&path)? {
            ArchivePath::Log { key, ls: of, file_id } if of == ls && key.piece_id >= from => {
                Some(FoundFile { piece: key.piece_id, file_id, bytes, is_sealed: false })
            }
            _ => None,
        });
        Ok(found.collect())
    }

    fn read_log(&self, op: &Op, from: Lsn, max_bytes: usize) -> Answer {
        let Some(stream) = self.streams.get(&op.key.1) else { return Box::new(|_, _| {}) };
        let replica = stream.replicas.get(&op.worker).copied().unwrap_or_default();
        if from < replica.start {
            return Box::new(move |a, now| a.on_recycled(now, from, replica.start, None));
        }
        let bytes = Bytes::copy_from_slice(stream.read(from, replica.end, max_bytes));
        Box::new(move |a, now| a.on_log(now, from, bytes))
    }
}

/// How an archiver hears of what it asked for.
type Answer = Box<dyn FnOnce(&mut Archiver, u64)>;
