//! Damaged replicas: what is told of them, and how one is begun anew from the others.
//!
//! Whether the others can give a replica back is the scheduler's to decide: nothing here moves a file without its order.
//! Order rules: the guard of the group forgets, durably, that the replica had caught up before its files move; so it
//! neither votes nor leads on less than it had acknowledged. The damaged files are kept until the new ones are whole.

use super::{Engine, Hosted, HostedState, Key, RESTART_AFTER};
use crate::error::{EngineError, Result};
use crate::spec::StoredSpec;
use crate::{ReplicaSpec, quarantine};
use std::io;
use strandline_consensus::{CaughtUp, Health};
use strandline_types::{ErrorClass, Failure, LsId, TenantId};
use tokio::time::Instant;

impl Hosted {
    /// What is damaged in its files, whether it runs or not.
    pub(super) fn damage(&self) -> Option<Failure> {
        let met = self.running.as_ref().and_then(|replica| replica.damage()).map(Failure::from);
        met.or_else(|| self.failure.clone().filter(|f| f.class == ErrorClass::Corrupt))
    }

    /// What has to be told of it: that it does not run, that it is damaged, or that it is being rebuilt.
    fn trouble(&self) -> Option<Failure> {
        match self.state() {
            HostedState::Waits => None,
            HostedState::Stopped(failure) => Some(failure),
            HostedState::Runs(health) => self.damage().or_else(|| self.rebuilding(&health)),
        }
    }

    fn rebuilding(&self, health: &Health) -> Option<Failure> {
        // One that is alone has no other to be rebuilt from: its log stream is lost, and that is told elsewhere.
        let loss = health.loss.as_ref().filter(|_| self.spec.members.len() > 1)?;
        let what = format!("it takes everything from its leader and does not vote before it has: {loss}");
        let object = format!("log stream {}/{}", self.spec.tenant, self.spec.ls);
        Some(Failure::new(ErrorClass::Transient, what, object, "it ends by itself while the others have a majority"))
    }

    fn is_whole(&self) -> bool {
        let is_whole = |h: &Health| h.is_full_member && h.caught_up == CaughtUp::Done;
        matches!(self.state(), HostedState::Runs(health) if is_whole(&health)) && self.damage().is_none()
    }
}

impl Engine {
    /// Every replica of which something has to be told, and what, in order.
    #[must_use]
    pub fn troubles(&self) -> Vec<(Key, Failure)> {
        let hosted = self.read();
        hosted.iter().filter_map(|(key, hosted)| Some((*key, hosted.trouble()?))).collect()
    }

    /// How many replicas have files in which damage was met.
    #[must_use]
    pub fn damaged(&self) -> usize {
        self.read().values().filter(|hosted| hosted.damage().is_some()).count()
    }

    /// Puts the files of a replica aside if damage was met in them, and makes sure that it runs as `spec` says: it begins
    /// empty and takes everything from its leader. A sound one is as after [`Engine::ensure_replica`]; idempotent.
    pub async fn rebuild_replica(&self, spec: ReplicaSpec) -> Result<()> {
        let key = (spec.tenant, spec.ls);
        // A restored replica that has not begun has no leader to take anything from.
        if spec.members.len() > 1 && spec.restore.is_none() {
            self.put_aside(key, &spec).await?;
        }
        self.ensure_replica(spec).await
    }

    async fn put_aside(&self, key: Key, spec: &ReplicaSpec) -> Result<()> {
        let changing = self.changing(key);
        let _changing = changing.lock().await;
        let may_try = |h: &&Hosted| h.moved.is_none_or(|at| at.elapsed() >= RESTART_AFTER);
        let damage = self.read().get(&key).filter(may_try).and_then(Hosted::damage);
        let Some(damage) = damage else { return Ok(()) };
        self.stop_one(key).await;
        if let Some(hosted) = self.write().get_mut(&key).filter(|h| h.released.strong_count() > 0) {
            hosted.moved = Some(Instant::now());
            hosted.failure = Some(damage);
            let what = "it is damaged, and a backup that reads it still has its files open";
            let object = format!("log stream {}/{}", key.0, key.1);
            let todo = "it is rebuilt when that ends";
            return Err(Failure::new(ErrorClass::Transient, what, object, todo).into());
        }
        tracing::error!(tenant = %key.0, ls = %key.1, %damage, "a damaged replica is put aside and rebuilt from the others");
        let (data, node, why) =
            (self.dir.clone(), self.context.node.clone(), format!("{} ({})", damage.what, damage.object));
        let (dir, spec) = (self.replica_dir(key), spec.clone());
        let moved = tokio::task::spawn_blocking(move || {
            // What clients may do is all that the orders do not say at once.
            let before = StoredSpec::load(&dir).ok().flatten();
            let group = format!("{}/{}", key.0, key.1);
            // One that is damaged again before it has caught up holds less than what was put aside before.
            let is_fragment = node.is_lost(&group)?;
            node.replica_is_lost(&group, &why)?;
            quarantine::put_aside(&data, key.0, key.1, is_fragment)?;
            let fresh = StoredSpec::new(spec);
            let fresh = StoredSpec { access: before.map_or(fresh.access, |b| b.access), ..fresh };
            fresh.store(&dir).map_err(|error| io::Error::other(Failure::from(error)))
        });
        let moved = moved.await.map_err(io::Error::other).and_then(|r| r);
        if let Some(hosted) = self.write().get_mut(&key) {
            // The damage is that of files that are gone, or still there.
            // A disk that damages whatever is written gets a pause between two tries.
            (hosted.tried, hosted.failure) = (None, moved.is_err().then_some(damage));
            hosted.moved = Some(Instant::now());
        }
        moved.map_err(|e| EngineError::io("putting a damaged replica aside", self.replica_dir(key).root(), e))
    }

    /// Deletes the damaged files of replicas that are whole again, or that are neither hosted nor wanted.
    pub async fn tidy_quarantine(&self, is_wanted: impl Fn(TenantId, LsId) -> bool) -> Result<()> {
        let io = |e| EngineError::io("tidying up damaged replicas", &self.dir, e);
        for key in quarantine::kept(&self.dir).map_err(io)? {
            let changing = self.changing(key);
            let _changing = changing.lock().await;
            let is_needed = match self.read().get(&key) {
                Some(hosted) => !hosted.is_whole(),
                None => is_wanted(key.0, key.1),
            };
            if !is_needed {
                tracing::info!(tenant = %key.0, ls = %key.1, "the damaged files of a replica are not needed any more");
                let data = self.dir.clone();
                let removed = tokio::task::spawn_blocking(move || quarantine::remove(&data, key.0, key.1)).await;
                removed.map_err(io::Error::other).and_then(|r| r).map_err(io)?;
            }
        }
        Ok(())
    }
}
