//! The key-value service of a worker: routes a request to the replica that it hosts.
//!
//! Every answer is a reply message: a wrong server says `not_leader` and where to go, everything else that goes wrong
//! is a `Failure`. Bounds of the message are checked here, what depends on the data by the replica.

use crate::{Engine, EngineError, KvWrite, Replica, WriteIdentity};
use std::sync::Arc;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::kv_server::{Kv, KvServer};
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use strandline_types::{CausalityToken, LsId, Scn, TabletId, TenantId};
use tonic::{Request, Response, Status};

/// gRPC service `Kv` over the replicas of this worker.
#[derive(Clone, Debug)]
pub struct KvService {
    engine: Arc<Engine>,
}

impl KvService {
    /// The service of an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// As a tonic router takes it, with this project's message bounds.
    #[must_use]
    pub fn into_server(self) -> KvServer<Self> {
        KvServer::new(self)
            .max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(GRPC_MESSAGE_BYTES_MAX)
    }

    fn replica(&self, tenant: u64, ls: u64) -> Result<Arc<Replica>, EngineError> {
        let (tenant, ls) = (TenantId(tenant), LsId(ls));
        self.engine.replica(tenant, ls).ok_or(EngineError::NotHere { tenant, ls })
    }

    /// What a failed request answers: the way to the leader, or a failure.
    fn refusal(&self, error: EngineError) -> (Option<v1::NotLeader>, Option<v1::Failure>) {
        match error {
            EngineError::NotHere { .. } => (Some(v1::NotLeader::default()), None),
            EngineError::NotLeader { tenant, ls, leader } => {
                let address = leader.and_then(|l| self.engine.replica(tenant, ls)?.address_of(l));
                let leader_node = leader.map_or(0, |l| l.0);
                (Some(v1::NotLeader { leader_node, leader_address: address.unwrap_or_default() }), None)
            }
            other => (None, Some(strandline_types::Failure::from(other).into())),
        }
    }

    async fn try_write(&self, request: v1::WriteRequest) -> Result<Scn, EngineError> {
        request.check()?;
        let replica = self.replica(request.tenant_id, request.ls_id)?;
        let writes = request.writes.into_iter().map(|w| KvWrite {
            tablet: TabletId(w.tablet_id),
            key: w.key,
            value: (!w.delete).then_some(w.value),
        });
        let identity = request.identity.map(WriteIdentity::try_from).transpose()?;
        replica.write_once(writes.collect(), CausalityToken(Scn(request.causality_scn)), identity).await
    }

    async fn try_get(&self, r: v1::GetRequest) -> Result<v1::GetReply, EngineError> {
        r.check()?;
        let (value, scn) = self.replica(r.tenant_id, r.ls_id)?.get(TabletId(r.tablet_id), &r.key).await?;
        let found = value.is_some();
        Ok(v1::GetReply { found, value: value.unwrap_or_default(), scn: scn.0, not_leader: None, failure: None })
    }

    async fn try_scan(&self, r: v1::ScanRequest) -> Result<v1::ScanReply, EngineError> {
        r.check()?;
        let replica = self.replica(r.tenant_id, r.ls_id)?;
        let page = replica.scan(TabletId(r.tablet_id), &r.start_key, &r.end_key, r.limit as usize).await?;
        let pairs = page.pairs.into_iter().map(|(key, value)| v1::KeyValue { key, value }).collect();
        Ok(v1::ScanReply { pairs, more: page.more, scn: page.scn.0, not_leader: None, failure: None })
    }

    fn try_dictionary(&self, tenant: TenantId) -> Result<v1::Dictionary, EngineError> {
        // Before the first table of a tenant its log stream 1 holds no dictionary: there is nothing in it.
        let replica = self.replica(tenant.0, LsId::SYS.0)?;
        replica.check_not_lost()?;
        Ok(replica.dictionary().unwrap_or_default())
    }
}

#[tonic::async_trait]
impl Kv for KvService {
    async fn write(&self, request: Request<v1::WriteRequest>) -> Result<Response<v1::WriteReply>, Status> {
        let reply = match self.try_write(request.into_inner()).await {
            Ok(scn) => v1::WriteReply { scn: scn.0, not_leader: None, failure: None },
            Err(e) => {
                let (not_leader, failure) = self.refusal(e);
                v1::WriteReply { scn: 0, not_leader, failure }
            }
        };
        Ok(Response::new(reply))
    }

    async fn get(&self, request: Request<v1::GetRequest>) -> Result<Response<v1::GetReply>, Status> {
        let reply = self.try_get(request.into_inner()).await.unwrap_or_else(|e| {
            let (not_leader, failure) = self.refusal(e);
            v1::GetReply { not_leader, failure, ..v1::GetReply::default() }
        });
        Ok(Response::new(reply))
    }

    async fn scan(&self, request: Request<v1::ScanRequest>) -> Result<Response<v1::ScanReply>, Status> {
        let reply = self.try_scan(request.into_inner()).await.unwrap_or_else(|e| {
            let (not_leader, failure) = self.refusal(e);
            v1::ScanReply { not_leader, failure, ..v1::ScanReply::default() }
        });
        Ok(Response::new(reply))
    }

    async fn get_dictionary(
        &self,
        request: Request<v1::DictionaryRequest>,
    ) -> Result<Response<v1::DictionaryReply>, Status> {
        let reply = match self.try_dictionary(TenantId(request.into_inner().tenant_id)) {
            Ok(dictionary) => v1::DictionaryReply { dictionary: Some(dictionary), failure: None },
            Err(e) => {
                v1::DictionaryReply { dictionary: None, failure: Some(strandline_types::Failure::from(e).into()) }
            }
        };
        Ok(Response::new(reply))
    }
}
