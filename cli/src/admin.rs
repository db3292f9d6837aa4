//! The admin client: one statement to whichever scheduler answers first in the given order.
//!
//! Any scheduler node takes a request and the leader serves it. A statement is sent again only when it cannot have been
//! run: the node was not reached, or it said that there is no leader now. A reply that was lost on the way is an error
//! for everything but reads, because the statement may have been run.

use crate::Outcome;
use std::time::{Duration, Instant};
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_scheduler::OUTCOME_UNKNOWN_CODE;
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use strandline_types::{ErrorClass, Failure};
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A client of the schedulers.
pub struct Admin {
    nodes: Vec<Node>,
    tenant: String,
    /// Session statements so far, as the server wants them back.
    session: Vec<String>,
    patience: Duration,
    call_timeout: Duration,
}

struct Node {
    address: String,
    endpoint: Endpoint,
    client: Option<AdminClient<Channel>>,
}

/// Why an attempt gave no answer.
enum Attempt {
    /// Not run: another attempt is safe.
    NotRun(Failure),
    /// Perhaps run.
    Unknown(Failure),
    /// Refused.
    Refused(Failure),
}

impl Admin {
    /// A client of `endpoints` (host:port); it connects when it is used.
    pub fn new(endpoints: &[String]) -> Outcome<Self> {
        let nodes = endpoints.iter().map(|address| Node::new(address)).collect::<Outcome<_>>()?;
        Ok(Self {
            nodes,
            tenant: String::new(),
            session: Vec::new(),
            patience: Duration::from_secs(15),
            call_timeout: Duration::from_secs(30),
        })
    }

    /// The same client in a session of `tenant`: statements without a TENANT clause are about it.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        tenant.clone_into(&mut self.tenant);
        self
    }

    /// The same client with another deadline over all attempts.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The same client with another deadline per attempt.
    #[must_use]
    pub fn with_call_timeout(mut self, call_timeout: Duration) -> Self {
        self.call_timeout = call_timeout;
        self
    }

    /// Runs one statement.
    pub async fn sql(&mut self, statement: &str) -> Outcome<v1::SqlReply> {
        let request = v1::SqlRequest {
            statement: statement.to_owned(),
            forwarded: false,
            tenant: self.tenant.clone(),
            session: self.session.clone(),
        };
        let mut reply = self.call(&request, is_read(statement)).await?;
        self.session = std::mem::take(&mut reply.session);
        Ok(reply)
    }

    /// Runs one query and gives its rows.
    pub async fn query(&mut self, statement: &str) -> Outcome<Rows> {
        self.sql(statement).await.map(Rows::new)
    }

    /// Where everything is: servers, the leading scheduler, and (with a tenant) its log streams.
    pub async fn topology(&mut self, tenant: &str) -> Outcome<v1::TopologyReply> {
        self.call(&v1::TopologyRequest { tenant: tenant.to_owned() }, true).await
    }

    async fn call<R: Ask>(&mut self, request: &R, repeatable: bool) -> Outcome<R::Reply> {
        let deadline = Instant::now() + self.patience;
        loop {
            let trouble = match self.round(request, repeatable).await {
                Ok(reply) => return Ok(reply),
                Err(Attempt::Refused(failure)) => return Err(failure),
                Err(Attempt::Unknown(failure)) if !repeatable => return Err(failure),
                Err(Attempt::NotRun(failure) | Attempt::Unknown(failure)) => failure,
            };
            if Instant::now() >= deadline {
                return Err(trouble);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// One round over the nodes; the node that answered is tried first the next time.
    async fn round<R: Ask>(&mut self, request: &R, repeatable: bool) -> Result<R::Reply, Attempt> {
        let nobody = Failure::new(ErrorClass::Invalid, "no endpoint is given", "--endpoint", "");
        let mut last = Attempt::Refused(nobody);
        for i in 0..self.nodes.len() {
            match self.nodes[i].ask(request, self.call_timeout).await {
                Ok(reply) => {
                    self.nodes.swap(0, i);
                    return Ok(reply);
                }
                Err(Attempt::NotRun(failure)) => last = Attempt::NotRun(failure),
                Err(Attempt::Unknown(failure)) if repeatable => last = Attempt::NotRun(failure),
                Err(end) => return Err(end),
            }
        }
        Err(last)
    }
}

impl Node {
    fn new(address: &str) -> Outcome<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|e| Failure::new(ErrorClass::Invalid, format!("not an address: {e}"), address, "write HOST:PORT"))?
            .connect_timeout(CONNECT_TIMEOUT);
        Ok(Self { address: address.to_owned(), endpoint, client: None })
    }

    async fn ask<R: Ask>(&mut self, request: &R, timeout: Duration) -> Result<R::Reply, Attempt> {
        if self.client.is_none() {
            let channel = self.endpoint.connect().await.map_err(|e| Attempt::NotRun(self.silent(&format!("{e:?}"))))?;
            self.client = Some(AdminClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX));
        }
        let Some(client) = &mut self.client else { return Err(Attempt::NotRun(self.silent("not connected"))) };
        let mut wire = tonic::Request::new(request.clone());
        wire.set_timeout(timeout);
        let mut reply = match tokio::time::timeout(timeout, R::send(client, wire)).await {
            Ok(Ok(reply)) => reply.into_inner(),
            Ok(Err(status)) => {
                self.client = None;
                return Err(Attempt::Unknown(self.silent(&format!("{}: {}", status.code(), status.message()))));
            }
            Err(_) => {
                self.client = None;
                return Err(Attempt::Unknown(self.silent(&format!("no answer within {timeout:?}"))));
            }
        };
        match R::failure(&mut reply).map(Failure::from) {
            None => Ok(reply),
            Some(failure) if failure.code == OUTCOME_UNKNOWN_CODE => Err(Attempt::Unknown(failure)),
            Some(failure) if failure.class.is_retryable() => Err(Attempt::NotRun(failure)),
            Some(failure) => Err(Attempt::Refused(failure)),
        }
    }

    fn silent(&self, why: &str) -> Failure {
        let todo =
            "check that the cluster runs and that the address is a scheduler's; look whether the statement was run";
        Failure::new(ErrorClass::Transient, format!("the scheduler did not answer ({why})"), self.address.clone(), todo)
    }
}

/// One kind of question to a scheduler: how it is sent, and where its reply carries a failure.
trait Ask: Clone {
    type Reply;
    async fn send(
        client: &mut AdminClient<Channel>,
        request: tonic::Request<Self>,
    ) -> Result<tonic::Response<Self::Reply>, tonic::Status>;
    fn failure(reply: &mut Self::Reply) -> Option<v1::Failure>;
}

impl Ask for v1::SqlRequest {
    type Reply = v1::SqlReply;
    async fn send(
        client: &mut AdminClient<Channel>,
        request: tonic::Request<Self>,
    ) -> Result<tonic::Response<Self::Reply>, tonic::Status> {
        client.sql(request).await
    }
    fn failure(reply: &mut Self::Reply) -> Option<v1::Failure> {
        reply.failure.take()
    }
}

impl Ask for v1::TopologyRequest {
    type Reply = v1::TopologyReply;
    async fn send(
        client: &mut AdminClient<Channel>,
        request: tonic::Request<Self>,
    ) -> Result<tonic::Response<Self::Reply>, tonic::Status> {
        client.topology(request).await
    }
    fn failure(reply: &mut Self::Reply) -> Option<v1::Failure> {
        reply.failure.take()
    }
}

/// True for statements that change nothing.
fn is_read(statement: &str) -> bool {
    let word = statement.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    ["select", "show", "with"].iter().any(|w| word.eq_ignore_ascii_case(w))
}

/// Rows of a reply by column name.
pub struct Rows {
    columns: Vec<String>,
    rows: Vec<v1::Row>,
}

impl Rows {
    /// Takes a reply apart.
    pub fn new(reply: v1::SqlReply) -> Self {
        Self { columns: reply.columns, rows: reply.rows }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Cell of row `row` as text; empty for NULL and for a column that is not there.
    pub fn text(&self, row: usize, column: &str) -> String {
        use v1::cell::Value;
        let Some(at) = self.columns.iter().position(|c| c.eq_ignore_ascii_case(column)) else {
            return String::new();
        };
        match self.rows.get(row).and_then(|r| r.cells.get(at)).and_then(|c| c.value.as_ref()) {
            None => String::new(),
            Some(Value::Integer(n)) => n.to_string(),
            Some(Value::Text(t)) => t.clone(),
            Some(Value::Unsigned(n)) => n.to_string(),
            Some(Value::Real(r)) => r.to_string(),
        }
    }

    /// Cell of row `row` as a number; 0 when it is none.
    pub fn number(&self, row: usize, column: &str) -> u64 {
        self.text(row, column).parse().unwrap_or(0)
    }
}
