//! The replicas of this engine as the scheduler's orders create, run and remove them.

use super::BuiltInEngine;
use super::convert::caught_up;
use crate::Replica;
use async_trait::async_trait;
use std::sync::Arc;
use strandline_consensus::Health;
use strandline_engine_api::{
    self as api, ClientAccess, HostedState, IsWanted, Membership, ReplicaHealth, ReplicaHost, ReplicaSpec,
    ReplicaStatus, SourceError,
};
use strandline_types::dictionary::{Dictionary, TabletList};
use strandline_types::{Failure, LsId, Lsn, NodeId, Scn, TenantId};

#[async_trait]
impl ReplicaHost for BuiltInEngine {
    fn hosted(&self) -> Vec<(TenantId, LsId)> {
        self.0.hosted().into_iter().map(|spec| (spec.tenant, spec.ls)).collect()
    }

    fn states(&self) -> Vec<((TenantId, LsId), HostedState)> {
        self.0.states().into_iter().map(|(key, state)| (key, hosted_state(state))).collect()
    }

    fn troubles(&self) -> Vec<((TenantId, LsId), Failure)> {
        self.0.troubles()
    }

    fn damaged(&self) -> usize {
        self.0.damaged()
    }

    fn replicas(&self) -> Vec<Arc<dyn api::Replica>> {
        self.0.replicas().into_iter().map(|replica| replica as Arc<dyn api::Replica>).collect()
    }

    fn replica(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn api::Replica>> {
        Some(self.0.replica(tenant, ls)?)
    }

    async fn ensure(&self, spec: ReplicaSpec) -> Result<(), SourceError> {
        Ok(self.0.ensure_replica(spec.into()).await?)
    }

    async fn rebuild(&self, spec: ReplicaSpec) -> Result<(), SourceError> {
        Ok(self.0.rebuild_replica(spec.into()).await?)
    }

    async fn remove(&self, tenant: TenantId, ls: LsId) -> Result<(), SourceError> {
        Ok(self.0.remove_replica(tenant, ls).await?)
    }

    async fn remove_strays(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError> {
        Ok(self.0.remove_strays(is_wanted).await?)
    }

    async fn remove_damaged(&self, is_wanted: IsWanted<'_>) -> Result<(), SourceError> {
        Ok(self.0.tidy_quarantine(is_wanted).await?)
    }
}

fn hosted_state(state: crate::HostedState) -> HostedState {
    match state {
        crate::HostedState::Waits => HostedState::Waits,
        crate::HostedState::Stopped(why) => HostedState::Stopped(why),
        crate::HostedState::Runs(health) => HostedState::Runs(ReplicaHealth {
            is_full_member: health.is_full_member,
            caught_up: caught_up(health.caught_up),
        }),
    }
}

const fn membership(health: &Health) -> Membership {
    match health.silence {
        _ if health.is_full_member => Membership::Full,
        Some(_) => Membership::CatchingUp,
        None => Membership::Empty,
    }
}

#[async_trait]
impl api::Replica for Replica {
    fn status(&self) -> ReplicaStatus {
        let (status, health) = (Replica::status(self), self.health());
        let version = |number: u64| (number > 0).then_some(number);
        ReplicaStatus {
            tenant: self.tenant(),
            ls: self.ls(),
            is_stopped: health.stopped.is_some(),
            is_leader: status.is_leader,
            term: status.term,
            leader: status.leader,
            log_start: status.log_start,
            end_lsn: status.end_lsn,
            max_scn: status.max_scn,
            dictionary_version: version(status.dictionary_version),
            tablets_version: version(status.tablets_version),
            replayed: status.replayed.map(Into::into),
            access: status.access.into(),
            membership: membership(&health),
        }
    }

    fn dictionary(&self) -> Option<Dictionary> {
        Replica::dictionary(self).map(Into::into)
    }

    fn set_access(&self, access: ClientAccess) {
        self.set_access(access.into());
    }

    fn hold_back(&self, is_held_back: bool) {
        Replica::hold_back(self, is_held_back);
    }

    async fn hand_over(&self, to: NodeId) {
        Replica::hand_over(self, to).await;
    }

    fn keep_log(&self, needed_from: Lsn, bytes_max: Option<u64>) {
        self.recycle(needed_from);
        self.bound_log(needed_from, bytes_max);
    }

    async fn set_dictionary(&self, dictionary: Dictionary) -> Result<(), SourceError> {
        Ok(Replica::set_dictionary(self, &dictionary.into()).await?)
    }

    async fn set_tablets(&self, tablets: TabletList, after: Scn) -> Result<(), SourceError> {
        Ok(Replica::set_tablets(self, &tablets.into(), after).await?)
    }

    async fn keep_alive_to(&self, scn: Scn) -> Result<(), SourceError> {
        Ok(Replica::keep_alive_to(self, scn).await?)
    }
}
