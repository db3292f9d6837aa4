//! Passes statements on to the leader. One channel per node, kept; a channel that fails is thrown away.

use super::{Answer, no_leader};
use crate::session::Session;
use crate::sql::select::Rows;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;
use strandline_proto::bounds::Bounded;
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_proto::v1::cell;
use strandline_scheduler_core::views::Value;
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure, limits};
use tonic::transport::{Channel, Endpoint};

/// A statement may read a whole catalogue on the leader.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// A leader that has not answered a question by then is not sent a statement.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// A client that looks for places gets what this node knows when the leader has not answered by then.
const TOPOLOGY_WITHIN: Duration = Duration::from_secs(1);
/// Metadata key of a topology request that must not be passed on again.
pub const FORWARDED: &str = "strandline-forwarded";

/// Channels to the other nodes.
#[derive(Default)]
pub struct Forward {
    channels: Mutex<BTreeMap<String, Channel>>,
}

impl Forward {
    /// Runs a statement on the node at `address`. The outer error: no answer came back.
    pub async fn sql(
        &self,
        address: &str,
        statement: &str,
        session: &mut Session,
    ) -> Result<Result<Answer, Failure>, Failure> {
        let request = v1::SqlRequest {
            statement: statement.to_owned(),
            forwarded: true,
            tenant: session.tenant().unwrap_or_default().to_owned(),
            session: session.statements().to_vec(),
        };
        request.check()?;
        let mut client = self.client(address)?;
        self.prove(&mut client, address).await?;
        let mut reply = client.sql(request).await.map_err(|e| self.lost(address, &e))?.into_inner();
        session.replace_statements(std::mem::take(&mut reply.session));
        Ok(answer(reply))
    }

    /// Asks the node at `address` for the topology. A node that stands still is not waited for.
    pub async fn topology(&self, address: &str, tenant: &str) -> Result<v1::TopologyReply, Failure> {
        look(&mut self.client(address)?, tenant, TOPOLOGY_WITHIN).await
    }

    /// A statement goes only to a node that answers a question first: one that stands still would take it and say
    /// nothing, and it would stay unknown whether the statement was run.
    async fn prove(&self, client: &mut AdminClient<Channel>, address: &str) -> Result<(), Failure> {
        look(client, "", ANSWER_WITHIN).await.map(|_| ()).inspect_err(|_| {
            self.channels.lock().remove(address);
        })
    }

    fn client(&self, address: &str) -> Result<AdminClient<Channel>, Failure> {
        let mut channels = self.channels.lock();
        let channel = match channels.get(address) {
            Some(channel) => channel.clone(),
            None => {
                let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| {
                    let todo = "correct the address among the peers of the configuration";
                    Failure::new(ErrorClass::Invalid, format!("not an address: {e}"), address, todo)
                })?;
                let channel = endpoint
                    .timeout(STATEMENT_TIMEOUT)
                    .connect_timeout(CONNECT_TIMEOUT)
                    .tcp_nodelay(true)
                    .http2_keep_alive_interval(KEEP_ALIVE)
                    .keep_alive_timeout(KEEP_ALIVE)
                    .keep_alive_while_idle(true)
                    .connect_lazy();
                channels.insert(address.to_owned(), channel.clone());
                channel
            }
        };
        Ok(AdminClient::new(channel)
            .max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX))
    }

    fn lost(&self, address: &str, status: &tonic::Status) -> Failure {
        self.channels.lock().remove(address);
        if was_never_sent(status) {
            return no_leader("the leading scheduler node cannot be reached");
        }
        let what = format!("the leading scheduler node did not answer: {}", status.message());
        let todo = "a statement that changes something may have been done: look into the views before you repeat it";
        Failure::new(ErrorClass::Transient, what, address, todo).with_code(CODE_OUTCOME_UNKNOWN)
    }
}

/// What a node knows itself. Whatever goes wrong, nothing was done.
async fn look(client: &mut AdminClient<Channel>, tenant: &str, within: Duration) -> Result<v1::TopologyReply, Failure> {
    let mut request = tonic::Request::new(v1::TopologyRequest { tenant: tenant.to_owned() });
    request.metadata_mut().insert(FORWARDED, tonic::metadata::MetadataValue::from_static("1"));
    match tokio::time::timeout(within, client.topology(request)).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        _ => Err(no_leader("the leading scheduler node cannot be reached")),
    }
}

/// True when not even a connection was made.
fn was_never_sent(status: &tonic::Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An answer from the wire.
pub fn answer(reply: v1::SqlReply) -> Result<Answer, Failure> {
    if let Some(failure) = reply.failure {
        return Err(failure.into());
    }
    if reply.columns.is_empty() {
        return Ok(Answer::Done(reply.info));
    }
    let rows = reply.rows.into_iter().map(|r| r.cells.into_iter().map(from_cell).collect()).collect();
    Ok(Answer::Rows(Rows { columns: reply.columns, rows }))
}

/// An answer to the wire.
pub fn reply(answer: Result<Answer, Failure>, session: &Session) -> v1::SqlReply {
    let reply = match answer {
        Ok(Answer::Done(info)) => v1::SqlReply { info, ..v1::SqlReply::default() },
        Ok(Answer::Rows(rows)) => v1::SqlReply {
            columns: rows.columns,
            rows: rows.rows.into_iter().map(|r| v1::Row { cells: r.into_iter().map(to_cell).collect() }).collect(),
            ..v1::SqlReply::default()
        },
        Err(failure) => v1::SqlReply { failure: Some(failure.into()), ..v1::SqlReply::default() },
    };
    v1::SqlReply { session: session.statements().to_vec(), ..reply }
}

fn from_cell(cell: v1::Cell) -> Value {
    match cell.value {
        None => Value::Null,
        Some(cell::Value::Integer(n)) => Value::Int(n),
        Some(cell::Value::Unsigned(n)) => Value::Uint(n),
        Some(cell::Value::Real(r)) => Value::Real(r),
        Some(cell::Value::Text(t)) => Value::Text(t),
    }
}

fn to_cell(value: Value) -> v1::Cell {
    v1::Cell {
        value: match value {
            Value::Null => None,
            Value::Int(n) => Some(cell::Value::Integer(n)),
            Value::Uint(n) => Some(cell::Value::Unsigned(n)),
            Value::Real(r) => Some(cell::Value::Real(r)),
            Value::Text(t) => Some(cell::Value::Text(t)),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::super::NOT_MASTER_CODE;
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use strandline_proto::v1::admin_server::{Admin, AdminServer};
    use tokio::net::TcpListener;
    use tonic::transport::Server;
    use tonic::transport::server::TcpIncoming;
    use tonic::{Request, Response, Status};

    const STATEMENT: &str = "DROP TENANT t1";

    /// Answers questions, takes statements and breaks off.
    struct Broken {
        taken: Arc<AtomicUsize>,
    }

    #[tonic::async_trait]
    impl Admin for Broken {
        async fn sql(&self, _: Request<v1::SqlRequest>) -> Result<Response<v1::SqlReply>, Status> {
            self.taken.fetch_add(1, Ordering::SeqCst);
            Err(Status::unavailable("broken off"))
        }

        async fn topology(&self, _: Request<v1::TopologyRequest>) -> Result<Response<v1::TopologyReply>, Status> {
            Ok(Response::new(v1::TopologyReply::default()))
        }
    }

    async fn send(forward: &Forward, address: &str) -> Failure {
        forward.sql(address, STATEMENT, &mut Session::default()).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_statement_whose_answer_is_lost_may_not_be_repeated() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, taken) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
        let service = AdminServer::new(Broken { taken: Arc::clone(&taken) });
        let serving = Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(serving);
        let lost = send(&Forward::default(), &address).await;
        assert_eq!((lost.code, taken.load(Ordering::SeqCst)), (CODE_OUTCOME_UNKNOWN, 1), "{lost}");
        server.abort();
    }

    /// A node that stands still takes connections and bytes; it is never sent a statement.
    #[tokio::test]
    async fn a_statement_is_not_sent_to_a_node_that_does_not_answer() {
        let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = frozen.local_addr().unwrap().to_string();
        let unsent = send(&Forward::default(), &address).await;
        assert_eq!(unsent.code, NOT_MASTER_CODE, "{unsent}");
        let (stream, _) = frozen.accept().await.unwrap();
        let mut bytes = vec![0; 1 << 16];
        let n = stream.try_read(&mut bytes).unwrap_or(0);
        assert!(!bytes[..n].windows(STATEMENT.len()).any(|w| w == STATEMENT.as_bytes()));
        drop(frozen);
        let unsent = send(&Forward::default(), &address).await;
        assert_eq!(unsent.code, NOT_MASTER_CODE, "{unsent}");
    }
}
