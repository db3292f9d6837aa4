//! The Admin service: statements, and what a KV client needs to find log streams.

use crate::executor::Executor;
use crate::executor::forward::{FORWARDED, reply};
use crate::session::Session;
use std::sync::Arc;
use strandline_proto::bounds::{self, Bounded};
use strandline_proto::v1;
use strandline_proto::v1::admin_server::Admin;
use strandline_scheduler_core::state::{State, Tenant};
use strandline_types::{Failure, TenantId};
use tonic::{Request, Response, Status};

/// The service.
pub struct AdminService {
    executor: Arc<Executor>,
}

impl AdminService {
    /// Serves one node.
    pub fn new(executor: Arc<Executor>) -> Self {
        Self { executor }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn sql(&self, request: Request<v1::SqlRequest>) -> Result<Response<v1::SqlReply>, Status> {
        let request = request.into_inner();
        if let Err(failure) = request.check() {
            return Ok(Response::new(v1::SqlReply { failure: Some(failure.into()), ..v1::SqlReply::default() }));
        }
        let v1::SqlRequest { statement, forwarded, tenant, session } = request;
        let tenant = Some(tenant.as_str()).filter(|t| !t.is_empty() && !t.eq_ignore_ascii_case("sys"));
        let mut session = Session::new(tenant, session);
        let answer = if forwarded {
            self.executor.execute_forwarded(&statement, &mut session).await
        } else {
            self.executor.execute(&statement, &mut session).await
        };
        let reply = reply(answer, &session);
        if let Err(failure) = bounds::reply(&reply) {
            let (session, failure) = (reply.session, Some(failure.into()));
            return Ok(Response::new(v1::SqlReply { failure, session, ..v1::SqlReply::default() }));
        }
        Ok(Response::new(reply))
    }

    /// The leader's answer where it can be had; else this node's own State, which is a little behind at worst: a client
    /// that is sent to the wrong place is told so there.
    async fn topology(&self, request: Request<v1::TopologyRequest>) -> Result<Response<v1::TopologyReply>, Status> {
        let forwarded = request.metadata().contains_key(FORWARDED);
        if let Err(failure) = request.get_ref().check() {
            return Ok(Response::new(v1::TopologyReply { failure: Some(failure.into()), ..Default::default() }));
        }
        let tenant = request.into_inner().tenant;
        if !forwarded && let Some(reply) = self.executor.leaders_topology(&tenant).await {
            return Ok(Response::new(reply));
        }
        let node = self.executor.node();
        let leader = node.role().leader.unwrap_or(0);
        Ok(Response::new(node.read(|state| topology(state, &tenant, leader))))
    }
}

/// A tenant by its name, or by `#` and its id.
fn tenant_of<'a>(state: &'a State, tenant: &str) -> Result<&'a Tenant, Failure> {
    match tenant.strip_prefix('#').and_then(|id| id.parse().ok()) {
        Some(id) => state.tenant(TenantId(id)),
        None => state.tenant_by_name(tenant),
    }
}

/// The topology as a State knows it.
fn topology(state: &State, tenant: &str, leader: u64) -> v1::TopologyReply {
    let peer = |(id, address): (u64, &String)| v1::Peer { node_id: id, address: address.clone() };
    let mut reply = v1::TopologyReply {
        workers: state.workers.values().map(|w| peer((w.id.0, &w.address))).collect(),
        schedulers: state.schedulers.nodes.iter().map(|(id, address)| peer((id.0, address))).collect(),
        leader_scheduler: leader,
        ..v1::TopologyReply::default()
    };
    if tenant.is_empty() {
        return reply;
    }
    match tenant_of(state, tenant) {
        Ok(tenant) => {
            reply.tenant_id = tenant.id.0;
            reply.log_streams = tenant
                .log_streams
                .values()
                .map(|ls| v1::LsPlace {
                    ls_id: ls.id.0,
                    members: ls.members.iter().map(|n| n.0).collect(),
                    leader: ls.leader.map_or(0, |n| n.0),
                })
                .collect();
        }
        Err(failure) => reply.failure = Some(failure.into()),
    }
    reply
}
