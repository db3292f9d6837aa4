//! Where the log streams of the tenant live, as the schedulers say; refreshed when what is known does not do.

use super::channels::connect;
use super::first::first_answer;
use crate::{EngineError, Result};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use strandline_types::{ErrorClass, Failure, LsId, TenantId};
use tokio::time::{Instant, sleep};

/// How long a new tenant may take to get its places.
const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Places of one tenant.
#[derive(Debug)]
pub(super) struct Topology {
    schedulers: Vec<String>,
    name: String,
    tenant: TenantId,
    places: RwLock<Arc<Places>>,
}

#[derive(Debug, Default)]
struct Places {
    workers: BTreeMap<u64, String>,
    log_streams: BTreeMap<LsId, v1::LsPlace>,
}

impl Places {
    fn of(reply: v1::TopologyReply) -> Self {
        Self {
            workers: reply.workers.into_iter().map(|p| (p.node_id, p.address)).collect(),
            log_streams: reply.log_streams.into_iter().map(|p| (LsId(p.ls_id), p)).collect(),
        }
    }
}

impl Topology {
    pub(super) async fn connect(schedulers: &[String], tenant: &str) -> Result<Self> {
        let deadline = Instant::now() + CONNECT_DEADLINE;
        let reply = loop {
            let last = match ask(schedulers, tenant).await {
                Ok(reply) if !reply.log_streams.is_empty() => break reply,
                Ok(_) => not_placed(tenant),
                Err(e) if e.class().is_retryable() => e,
                Err(e) => return Err(e),
            };
            if Instant::now() + ASK_AGAIN >= deadline {
                return Err(last);
            }
            sleep(ASK_AGAIN).await;
        };
        let mut topology = Self::fixed(reply);
        topology.schedulers = schedulers.to_vec();
        topology.name = tenant.to_owned();
        Ok(topology)
    }

    pub(super) fn fixed(reply: v1::TopologyReply) -> Self {
        let tenant = TenantId(reply.tenant_id);
        let places = RwLock::new(Arc::new(Places::of(reply)));
        Self { schedulers: Vec::new(), name: String::new(), tenant, places }
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Addresses of a log stream's members, the leader first if it is known.
    pub(super) fn members(&self, ls: LsId) -> Vec<String> {
        let places = self.places.read().clone();
        let Some(place) = places.log_streams.get(&ls) else { return Vec::new() };
        let mut nodes = place.members.clone();
        nodes.sort_by_key(|n| *n != place.leader);
        nodes.iter().filter_map(|n| places.workers.get(n).cloned()).collect()
    }

    /// Asks the schedulers again. What is known stays when nobody answers.
    pub(super) async fn refresh(&self) {
        if self.schedulers.is_empty() {
            return;
        }
        match ask(&self.schedulers, &self.name).await {
            Ok(reply) if reply.tenant_id == self.tenant.0 => {
                *self.places.write() = Arc::new(Places::of(reply));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the topology was not refreshed"),
        }
    }
}

fn not_placed(tenant: &str) -> EngineError {
    EngineError::Transient { what: "the tenant has no log streams yet".to_owned(), object: format!("tenant {tenant}") }
}

/// The answer of the first scheduler that has one. The outer error passes by itself.
async fn ask(schedulers: &[String], tenant: &str) -> Result<v1::TopologyReply> {
    let silent = |n: usize| unreachable(&schedulers[n], "it did not answer in time");
    let answer = first_answer(schedulers.len(), |n| ask_one(&schedulers[n], tenant), silent).await;
    match answer {
        Ok((_, reply)) => reply,
        Err(Some(error)) => Err(error),
        Err(None) => {
            let what = format!("tenant {tenant}");
            let todo = "name at least one scheduler address";
            Err(Failure::new(ErrorClass::Invalid, "no scheduler is known", what, todo).into())
        }
    }
}

/// What one scheduler says: its answer or its refusal, or that another one may know better.
async fn ask_one(address: &str, tenant: &str) -> Result<Result<v1::TopologyReply>> {
    let channel = match connect(address) {
        Ok(channel) => channel,
        Err(e) => return Ok(Err(e)),
    };
    let request = v1::TopologyRequest { tenant: tenant.to_owned() };
    if let Err(failure) = request.check() {
        return Ok(Err(failure.into()));
    }
    let reply = AdminClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX).topology(request).await;
    let reply = reply.map_err(|status| unreachable(address, status.message()))?.into_inner();
    match reply.failure.clone().map(Failure::from) {
        None => Ok(Ok(reply)),
        Some(f) if f.class.is_retryable() => Err(f.into()),
        Some(f) => Ok(Err(f.into())),
    }
}

fn unreachable(address: &str, why: &str) -> EngineError {
    EngineError::Transient { what: format!("a scheduler is not reachable: {why}"), object: address.to_owned() }
}
