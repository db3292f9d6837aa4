//! Passes statements on to the leader. One channel per node, kept; a channel that fails is thrown away.

use super::{Answer, no_leader};
use crate::node::OUTCOME_UNKNOWN_CODE;
use crate::session::Session;
use crate::sql::select::Rows;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_proto::v1::cell;
use strandline_scheduler_core::views::Value;
use strandline_types::{ErrorClass, Failure, limits};
use tonic::transport::{Channel, Endpoint};

/// A statement may read a whole catalogue on the leader.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(2);
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
            session: session.said().to_vec(),
        };
        let mut client = self.client(address)?;
        let mut reply = client.sql(request).await.map_err(|e| self.lost(address, &e))?.into_inner();
        session.replace_said(std::mem::take(&mut reply.session));
        Ok(answer(reply))
    }

    /// Asks the node at `address` for the topology.
    pub async fn topology(&self, address: &str, tenant: &str) -> Result<v1::TopologyReply, Failure> {
        let mut request = tonic::Request::new(v1::TopologyRequest { tenant: tenant.to_owned() });
        request.metadata_mut().insert(FORWARDED, tonic::metadata::MetadataValue::from_static("1"));
        let mut client = self.client(address)?;
        Ok(client.topology(request).await.map_err(|e| self.lost(address, &e))?.into_inner())
    }

    fn client(&self, address: &str) -> Result<AdminClient<Channel>, Failure> {
        let mut channels = self.channels.lock().unwrap_or_else(PoisonError::into_inner);
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
        self.channels.lock().unwrap_or_else(PoisonError::into_inner).remove(address);
        if was_never_sent(status) {
            return no_leader("the leading scheduler node cannot be reached");
        }
        let what = format!("the leading scheduler node did not answer: {}", status.message());
        let todo = "a statement that changes something may have been done: look into the views before you repeat it";
        Failure::new(ErrorClass::Transient, what, address, todo).with_code(OUTCOME_UNKNOWN_CODE)
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
    v1::SqlReply { session: session.said().to_vec(), ..reply }
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
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn a_statement_that_never_left_may_be_repeated_and_one_whose_answer_is_lost_may_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mute = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
        });
        let forward = Forward::default();
        let lost = forward.sql(&address, "DROP TENANT t1", &mut Session::default()).await.unwrap_err();
        assert_eq!(lost.code, OUTCOME_UNKNOWN_CODE, "{lost}");
        mute.await.unwrap();
        let unsent = forward.sql(&address, "DROP TENANT t1", &mut Session::default()).await.unwrap_err();
        assert_eq!(unsent.code, NOT_MASTER_CODE, "{unsent}");
    }
}
