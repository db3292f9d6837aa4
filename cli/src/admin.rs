//! The admin client: one statement to whichever scheduler answers first in the given order.
//!
//! Any scheduler node takes a request and the leader serves it. A statement goes only to a node that has answered a cheap
//! question a moment ago: a node that is dead or stands still is found out before anything depends on it, and the others
//! are asked meanwhile. A statement is sent again only when it cannot have been run: the node answered that there is no leader
//! now. A reply that was lost on the way is an error for everything but reads, because the statement may have been run;
//! that error has a code of its own.

use crate::Outcome;
use std::time::{Duration, Instant};
use strandline_engine::{ANSWER_WITHIN, first_answer};
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_scheduler::FORWARDED;
use strandline_types::limits::GRPC_MESSAGE_BYTES_MAX;
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);
/// A node that stands still keeps its connections open: only these tell, within their sum.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(3);
const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// A statement that is worked on may take this long: more than a node waits for the leader.
const CALL_TIMEOUT: Duration = Duration::from_secs(130);

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
    client: AdminClient<Channel>,
    /// When it answered last.
    heard: Option<Instant>,
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
            call_timeout: CALL_TIMEOUT,
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

    /// What is beyond its bounds is refused before anything is sent.
    async fn call<R: Ask>(&mut self, request: &R, repeatable: bool) -> Outcome<R::Reply> {
        request.check()?;
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
        let no_endpoint = Failure::new(ErrorClass::Invalid, "no endpoint is given", "--endpoint", "");
        let mut last = Attempt::Refused(no_endpoint);
        let mut asked = 0;
        while asked < self.nodes.len() {
            // A server that answers comes first among those that were not asked yet.
            match self.find(asked).await {
                Ok(at) => self.nodes[asked..].swap(0, at),
                Err(Some(failure)) => return Err(Attempt::NotRun(failure)),
                Err(None) => break,
            }
            match self.nodes[asked].ask(request, self.call_timeout).await {
                Ok(reply) => {
                    self.nodes.swap(0, asked);
                    return Ok(reply);
                }
                Err(Attempt::NotRun(failure)) => last = Attempt::NotRun(failure),
                Err(Attempt::Unknown(failure)) if repeatable => last = Attempt::NotRun(failure),
                Err(end) => return Err(end),
            }
            asked += 1;
        }
        Err(last)
    }

    /// A node from `from` on that is there now; its place counts from `from`.
    async fn find(&mut self, from: usize) -> Result<usize, Option<Failure>> {
        let nodes = &self.nodes[from..];
        if nodes.first().is_some_and(Node::was_heard) {
            return Ok(0);
        }
        let silent = |n: usize| nodes[n].unreachable("no answer in time");
        let (at, ()) = first_answer(nodes.len(), |n| nodes[n].probe(), silent).await?;
        self.nodes[from + at].heard = Some(Instant::now());
        Ok(at)
    }
}

impl Node {
    fn new(address: &str) -> Outcome<Self> {
        let channel = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|e| Failure::new(ErrorClass::Invalid, format!("not an address: {e}"), address, "write HOST:PORT"))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .connect_lazy();
        let client = AdminClient::new(channel).max_decoding_message_size(GRPC_MESSAGE_BYTES_MAX);
        Ok(Self { address: address.to_owned(), client, heard: None })
    }

    fn was_heard(&self) -> bool {
        self.heard.is_some_and(|at| at.elapsed() < ANSWER_WITHIN)
    }

    /// Asks the node for what it knows itself: it does not ask the leader for that.
    async fn probe(&self) -> Result<(), Failure> {
        let mut question = tonic::Request::new(v1::TopologyRequest::default());
        question.metadata_mut().insert(FORWARDED, MetadataValue::from_static("1"));
        match self.client.clone().topology(question).await {
            Ok(_) => Ok(()),
            Err(status) => Err(self.unreachable(&message(&status))),
        }
    }

    async fn ask<R: Ask>(&mut self, request: &R, timeout: Duration) -> Result<R::Reply, Attempt> {
        let mut sent = tonic::Request::new(request.clone());
        sent.set_timeout(timeout);
        let mut reply = match tokio::time::timeout(timeout, R::send(&mut self.client, sent)).await {
            Ok(Ok(reply)) => reply.into_inner(),
            Ok(Err(status)) => {
                self.heard = None;
                return Err(Attempt::Unknown(self.lost(&message(&status))));
            }
            Err(_) => {
                self.heard = None;
                return Err(Attempt::Unknown(self.lost(&format!("no answer within {timeout:?}"))));
            }
        };
        self.heard = Some(Instant::now());
        match R::failure(&mut reply).map(Failure::from) {
            None => Ok(reply),
            Some(failure) if failure.code == CODE_OUTCOME_UNKNOWN => Err(Attempt::Unknown(failure)),
            Some(failure) if failure.class.is_retryable() => Err(Attempt::NotRun(failure)),
            Some(failure) => Err(Attempt::Refused(failure)),
        }
    }

    /// Nothing was sent but a question.
    fn unreachable(&self, why: &str) -> Failure {
        let todo = "check that the cluster runs and that the address is a scheduler's; nothing was sent to it";
        let what = format!("the scheduler did not answer ({why})");
        Failure::new(ErrorClass::Transient, what, self.address.clone(), todo)
    }

    /// The statement was sent.
    fn lost(&self, why: &str) -> Failure {
        let what = format!("the answer was lost ({why}): the statement was perhaps run");
        let todo = "look into the views whether it was, before you repeat it";
        Failure::new(ErrorClass::Transient, what, self.address.clone(), todo).with_code(CODE_OUTCOME_UNKNOWN)
    }
}

fn message(status: &tonic::Status) -> String {
    let cause = std::error::Error::source(status).map(|e| format!(": {e}")).unwrap_or_default();
    format!("{}: {}{cause}", status.code(), status.message())
}

/// One kind of question to a scheduler: how it is sent, and where its reply carries a failure.
trait Ask: Clone + Bounded {
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
