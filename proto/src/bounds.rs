//! What a request may hold: the bounds of `strandline_types::limits`, applied to the messages.
//!
//! The sender checks a request before it sends, the receiver before it reads it; both by
//! this one rule, so that a refusal has the same words on both sides and nothing too large is ever on its way. [`TABLE`]
//! names every request of every service; a test reads the `.proto` files and finds one that is missing there.

use crate::v1;
use crate::v1::snapshot_frame::Part;
use prost::Message;
use strandline_types::{ErrorClass, Failure, limits};

/// One line of the table of requests.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Service and call.
    pub call: &'static str,
    /// Its message.
    pub message: &'static str,
    /// The most that it takes on the wire. The decode limit of every service is above it.
    pub bytes_max: usize,
    /// Who checks it before it is sent, and who when it arrives.
    pub checked_by: (&'static str, &'static str),
}

const fn request(
    call: &'static str,
    message: &'static str,
    bytes_max: usize,
    sender: &'static str,
    receiver: &'static str,
) -> Request {
    Request { call, message, bytes_max: bytes_max + limits::MESSAGE_FRAMING_BYTES_MAX, checked_by: (sender, receiver) }
}

/// Length of the id of a session.
const SESSION_BYTES: usize = 16;
const SQL: usize = 2 * limits::SQL_BYTES_MAX + limits::NAME_BYTES_MAX;

/// Every request that goes over the wire.
pub const TABLE: &[Request] = &[
    request("Kv.Write", "WriteRequest", limits::KV_BATCH_BYTES_MAX, "engine client", "engine service, replica"),
    request("Kv.Get", "GetRequest", limits::KV_KEY_BYTES_MAX, "engine client", "engine service, replica"),
    request("Kv.Scan", "ScanRequest", 2 * limits::KV_RANGE_BYTES_MAX, "engine client", "engine service"),
    request("Kv.GetDictionary", "DictionaryRequest", 0, "a number", "a number"),
    request("Admin.Sql", "SqlRequest", SQL, "admin client, forwarding node", "admin service, parser"),
    request("Admin.Topology", "TopologyRequest", limits::NAME_BYTES_MAX, "admin and engine client", "admin service"),
    request("Cluster.Heartbeat", "WorkerReport", limits::WORKER_REPORT_BYTES_MAX, "worker", "cluster service"),
    request("OrderChanges.Watch", "WatchOrders", 0, "nothing in it", "nothing in it"),
    request("Probe.CheckDest", "DestCheckSpec", 3 * limits::DEST_BYTES_MAX, "dest check", "worker's probe service"),
    request("RaftTransport.Call", "RaftCall", limits::RAFT_CALL_BYTES_MAX, "consensus network", "consensus service"),
    request(
        "RaftTransport.InstallSnapshot",
        "SnapshotFrame",
        limits::SNAPSHOT_FRAME_BYTES,
        "snapshot sender",
        "consensus service",
    ),
];

const _: () = {
    let mut i = 0;
    while i < TABLE.len() {
        assert!(TABLE[i].bytes_max <= limits::GRPC_MESSAGE_BYTES_MAX);
        i += 1;
    }
};

/// A request whose bounds can be checked.
pub trait Bounded {
    /// Checks every bound.
    ///
    /// # Errors
    /// What is too long or too many, and what to do.
    fn check(&self) -> Result<(), Failure>;
}

impl Bounded for v1::WriteRequest {
    fn check(&self) -> Result<(), Failure> {
        if self.writes.is_empty() {
            return Err(invalid("a batch without writes", "batch", "write something"));
        }
        for write in &self.writes {
            key(&write.key)?;
            value(&write.value)?;
        }
        self.identity.as_ref().map_or(Ok(()), identity)?;
        batch(batch_bytes(&self.writes))
    }
}

impl Bounded for v1::GetRequest {
    fn check(&self) -> Result<(), Failure> {
        key(&self.key)
    }
}

impl Bounded for v1::ScanRequest {
    fn check(&self) -> Result<(), Failure> {
        for end in [&self.start_key, &self.end_key] {
            at_most(
                end.len(),
                limits::KV_RANGE_BYTES_MAX,
                "an end of a key range",
                "key",
                "keys have 1 to 4096 bytes",
            )?;
        }
        Ok(())
    }
}

impl Bounded for v1::DictionaryRequest {
    fn check(&self) -> Result<(), Failure> {
        Ok(())
    }
}

impl Bounded for v1::SqlRequest {
    fn check(&self) -> Result<(), Failure> {
        statement(&self.statement)?;
        tenant(&self.tenant)?;
        let bytes = self.session.iter().map(String::len).sum();
        let todo = "open a new session";
        at_most(bytes, limits::SQL_BYTES_MAX, "the settings of a session", "session", todo)?;
        if self.session.len() > limits::SESSION_STATEMENTS_MAX {
            let what = format!("the session holds {} settings", self.session.len());
            return Err(Failure::new(ErrorClass::Exhausted, what, "session", todo));
        }
        Ok(())
    }
}

impl Bounded for v1::TopologyRequest {
    fn check(&self) -> Result<(), Failure> {
        tenant(&self.tenant)
    }
}

impl Bounded for v1::WorkerReport {
    fn check(&self) -> Result<(), Failure> {
        let object = format!("worker {}", self.worker_id);
        let todo = "this worker hosts more than one server can report: start more workers";
        at_most(self.encoded_len(), limits::WORKER_REPORT_BYTES_MAX, "a report", &object, todo)
    }
}

impl Bounded for v1::DestCheckSpec {
    fn check(&self) -> Result<(), Failure> {
        for text in [&self.dest_uri, &self.access, &self.key_source] {
            at_most(text.len(), limits::DEST_BYTES_MAX, "an address", "destination", "write a shorter one")?;
        }
        Ok(())
    }
}

impl Bounded for v1::RaftCall {
    fn check(&self) -> Result<(), Failure> {
        let todo = "report it: entries are bounded before they are proposed";
        at_most(self.payload.len(), limits::RAFT_CALL_BYTES_MAX, "a Raft message", &self.group, todo)
    }
}

impl Bounded for v1::SnapshotFrame {
    fn check(&self) -> Result<(), Failure> {
        let (bytes, max) = match &self.part {
            Some(Part::Data(data)) => (data.len(), limits::SNAPSHOT_FRAME_BYTES),
            _ => (self.encoded_len(), limits::MESSAGE_FRAMING_BYTES_MAX),
        };
        at_most(bytes, max, "a frame of a snapshot", "snapshot", "report it: frames are cut when they are sent")
    }
}

/// A session has an id, and a request is at most a window ahead of the oldest one that its client still waits for.
fn identity(identity: &v1::WriteIdentity) -> Result<(), Failure> {
    let v1::WriteIdentity { session, number, settled, .. } = identity;
    let ahead = number.checked_sub(*settled);
    if session.len() == SESSION_BYTES && *settled > 0 && ahead.is_some_and(|n| n < limits::WRITE_SESSION_WINDOW) {
        return Ok(());
    }
    let what = format!("request {number} of a session of {} bytes that waits from {settled} on", session.len());
    Err(invalid(
        what,
        "identity of a write",
        "number requests from 1, and send no more before the oldest has its answer",
    ))
}

/// A key.
///
/// # Errors
/// `Invalid` for one that is empty or too long.
pub fn key(key: &[u8]) -> Result<(), Failure> {
    if (1..=limits::KV_KEY_BYTES_MAX).contains(&key.len()) {
        return Ok(());
    }
    Err(invalid(format!("a key of {} bytes", key.len()), "key", "keys have 1 to 4096 bytes"))
}

/// A value.
///
/// # Errors
/// `Invalid` for one that is too long.
pub fn value(value: &[u8]) -> Result<(), Failure> {
    at_most(value.len(), limits::KV_VALUE_BYTES_MAX, "a value", "value", "values have at most 1 MiB: split it")
}

/// A batch as it lies in the log, which is how it lies in the request.
///
/// # Errors
/// `Invalid` for one that is too large.
pub fn batch(bytes: usize) -> Result<(), Failure> {
    if bytes <= limits::KV_BATCH_BYTES_MAX {
        return Ok(());
    }
    let what = format!("a batch of {bytes} bytes with its framing");
    Err(invalid(what, "batch", "a batch has at most 2 MiB: split it"))
}

/// The bytes of a batch, its framing included.
#[must_use]
pub fn batch_bytes(writes: &[v1::Write]) -> usize {
    prost::encoding::message::encoded_len_repeated(1, writes)
}

/// A statement.
///
/// # Errors
/// `Exhausted` for one that is too long; it shows its beginning only.
pub fn statement(statement: &str) -> Result<(), Failure> {
    if statement.len() <= limits::SQL_BYTES_MAX {
        return Ok(());
    }
    Err(Failure::new(
        ErrorClass::Exhausted,
        format!("a statement of {} bytes is too long", statement.len()),
        statement.chars().take(60).collect::<String>(),
        format!("the longest statement is {} bytes", limits::SQL_BYTES_MAX),
    ))
}

/// The rows of an answer.
///
/// # Errors
/// `Exhausted` for more than one message carries.
pub fn reply(reply: &v1::SqlReply) -> Result<(), Failure> {
    let bytes = reply.encoded_len();
    if bytes <= limits::SQL_REPLY_BYTES_MAX {
        return Ok(());
    }
    let what = format!("the answer has {} rows of {bytes} bytes, an answer has at most 12 MiB", reply.rows.len());
    Err(Failure::new(ErrorClass::Exhausted, what, "statement", "name fewer columns, or ask with WHERE or LIMIT"))
}

/// A name, or `#` and an id.
fn tenant(name: &str) -> Result<(), Failure> {
    at_most(name.len(), limits::NAME_BYTES_MAX, "a tenant's name", "tenant", "names have at most 64 bytes")
}

fn at_most(got: usize, max: usize, what: &str, object: &str, todo: &str) -> Result<(), Failure> {
    if got <= max {
        Ok(())
    } else {
        Err(invalid(format!("{what} of {got} bytes, at most {max} are taken"), object, todo))
    }
}

fn invalid(what: impl Into<String>, object: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, object, todo)
}

#[cfg(test)]
mod tests;
