//! Clients of a few registers: everybody reads and writes all of them, every written value is another one, and every
//! operation is noted with its begin and its end, for [`crate::linear`].
//!
//! Some clients are impatient: they give an operation up after a moment and go on, while it may still be done.

use super::{Outcome, Patience};
use crate::linear::{Kind, Operation, Violation, check};
use crate::sim::Rng;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use strandline_engine::{EngineError, KvClient};
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A little air for the servers.
const PAUSE: Duration = Duration::from_millis(4);
/// After so long an impatient client gives up.
const IMPATIENT_AFTER: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(90);

/// What the clients have seen so far.
#[derive(Debug, Default)]
struct Noted {
    /// The one clock of all operations.
    moment: AtomicU64,
    stop: AtomicBool,
    acked: AtomicU64,
}

/// Running clients.
#[derive(Debug)]
pub struct Registers {
    noted: Arc<Noted>,
    table: String,
    client: KvClient,
    count: u64,
    tasks: JoinSet<Vec<(u64, Operation)>>,
}

/// Every operation on every register.
#[derive(Debug)]
pub struct Histories(BTreeMap<u64, Vec<Operation>>);

impl Registers {
    /// Starts one client for each of `clients` on `count` registers of a table; a third of them are impatient.
    #[must_use]
    pub fn start(clients: Vec<KvClient>, table: &str, count: u64, seed: u64) -> Option<Self> {
        let client = clients.first()?.clone();
        let noted = Arc::new(Noted::default());
        let mut tasks = JoinSet::new();
        for (number, client) in (1..).zip(clients) {
            let (noted, table) = (Arc::clone(&noted), table.to_owned());
            let limit = if number % 3 == 0 { IMPATIENT_AFTER } else { Duration::MAX };
            let rng = Rng::new(seed ^ (number << 32));
            tasks.spawn(Client { number, client, table, noted, limit, rng }.run(count));
        }
        Some(Self { noted, table: table.to_owned(), client, count, tasks })
    }

    /// Waits until so many more operations have an answer.
    ///
    /// # Errors
    /// They have none.
    pub async fn go_on(&self, operations: u64) -> Outcome<()> {
        let acked = || self.noted.acked.load(Ordering::Acquire);
        let wanted = acked() + operations;
        let patience = Patience::new(format!("{operations} more answers"), PATIENCE);
        while acked() < wanted {
            patience.once_more(&format!("{} of {wanted}", acked())).await?;
        }
        Ok(())
    }

    /// Stops the clients, reads every register once more, and gives what happened.
    ///
    /// # Errors
    /// A register cannot be read although nothing disturbs it any more.
    pub async fn finish(mut self) -> Outcome<Histories> {
        self.noted.stop.store(true, Ordering::Release);
        let mut histories: BTreeMap<u64, Vec<Operation>> = BTreeMap::new();
        while let Some(ended) = self.tasks.join_next().await {
            let died = |e| Failure::new(ErrorClass::Invalid, format!("a client died: {e}"), "client", "");
            for (register, operation) in ended.map_err(died)? {
                histories.entry(register).or_default().push(operation);
            }
        }
        for register in 0..self.count {
            let begin = self.noted.now();
            let value = self.client.get(&self.table, &key(register)).await?;
            let kind = Kind::Read(value.as_ref().map(number_of));
            histories.entry(register).or_default().push(Operation { begin, end: Some(self.noted.now()), kind });
        }
        Ok(Histories(histories))
    }
}

impl Noted {
    fn now(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::AcqRel) + 1
    }
}

impl Histories {
    /// Checks the history of every register.
    ///
    /// # Errors
    /// The first register that is not linearizable, and why.
    pub fn check(&self) -> Result<(), (u64, Violation)> {
        self.0.iter().try_for_each(|(register, history)| check(history).map_err(|broken| (*register, broken)))
    }

    /// Counts, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let count = |wanted: &dyn Fn(&Operation) -> bool| self.0.values().flatten().filter(|o| wanted(o)).count();
        format!(
            "{} writes acknowledged, {} unknown, {} refused, {} reads",
            count(&|o| matches!(o.kind, Kind::Write(_)) && o.end.is_some()),
            count(&|o| matches!(o.kind, Kind::Write(_)) && o.end.is_none()),
            count(&|o| matches!(o.kind, Kind::Refused(_))),
            count(&|o| matches!(o.kind, Kind::Read(_))),
        )
    }

    /// The operations on a register, in the order of their begins.
    #[must_use]
    pub fn of(&self, register: u64) -> Vec<Operation> {
        let mut history = self.0.get(&register).cloned().unwrap_or_default();
        history.sort_by_key(|operation| operation.begin);
        history
    }
}

struct Client {
    number: u64,
    client: KvClient,
    table: String,
    noted: Arc<Noted>,
    limit: Duration,
    rng: Rng,
}

impl Client {
    async fn run(mut self, registers: u64) -> Vec<(u64, Operation)> {
        let mut all = Vec::new();
        for n in 1.. {
            if self.noted.stop.load(Ordering::Acquire) {
                break;
            }
            let register = self.rng.between(0, registers);
            let operation = if self.rng.chance(500) {
                Some(self.write(register, (self.number << 32) | n).await)
            } else {
                self.read(register).await
            };
            all.extend(operation.map(|operation| (register, operation)));
            tokio::time::sleep(PAUSE).await;
        }
        all
    }

    async fn write(&self, register: u64, value: u64) -> Operation {
        let begin = self.noted.now();
        let put = self.client.put(&self.table, key(register), Bytes::copy_from_slice(&value.to_be_bytes()));
        let (end, kind) = match timeout(self.limit, put).await.map(|done| done.map_err(is_unknown)) {
            Ok(Ok(_)) => {
                self.noted.acked.fetch_add(1, Ordering::AcqRel);
                (Some(self.noted.now()), Kind::Write(value))
            }
            Ok(Err(false)) => (Some(self.noted.now()), Kind::Refused(value)),
            Ok(Err(true)) | Err(_) => (None, Kind::Write(value)),
        };
        Operation { begin, end, kind }
    }

    async fn read(&self, register: u64) -> Option<Operation> {
        let begin = self.noted.now();
        let seen = timeout(self.limit, self.client.get(&self.table, &key(register))).await.ok()?.ok()?;
        self.noted.acked.fetch_add(1, Ordering::AcqRel);
        Some(Operation { begin, end: Some(self.noted.now()), kind: Kind::Read(seen.as_ref().map(number_of)) })
    }
}

fn is_unknown(error: EngineError) -> bool {
    Failure::from(error).code == CODE_OUTCOME_UNKNOWN
}

fn key(register: u64) -> Bytes {
    Bytes::from(format!("register-{register}"))
}

/// No other client writes here: other bytes are as bad as a value that was never written, and are found as one.
fn number_of(value: &Bytes) -> u64 {
    value.as_ref().try_into().map_or(u64::MAX, u64::from_be_bytes)
}
