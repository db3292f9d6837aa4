//! Small writes to every log stream, one after the other, through everything that happens to the servers: they measure
//! how long a log stream could not be written, and their values show after the restore that nothing acknowledged is lost.
//!
//! Each stream has one key whose value counts up; the next number is written only after the one before was acknowledged.

use super::lag::Outstanding;
use crate::Outcome;
use crate::kv::files::Record;
use crate::kv::table::Table;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure, LsId, Scn};
use tokio::task::JoinSet;

/// Pause between two writes to one stream.
const PAUSE: Duration = Duration::from_millis(10);
/// Acknowledgements after an event that mean that a stream works again.
const ACKS_AFTER: usize = 10;
/// A stream that does not come back within this is a failure of the demo.
const PATIENCE: Duration = Duration::from_secs(60);

/// One acknowledged write.
#[derive(Clone, Copy, Debug)]
struct Ack {
    value: u64,
    scn: Scn,
    sent: Instant,
    at: Instant,
}

/// Every stream's key and its acknowledgements.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    streams: Streams,
}

type Streams = BTreeMap<LsId, (Vec<u8>, Vec<Ack>)>;

/// Running probes.
#[derive(Debug)]
pub struct Probe {
    table: Arc<Table>,
    journal: Arc<Mutex<Journal>>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<Outcome<()>>,
}

impl Probe {
    /// Starts one probe for every log stream that `table` has a tablet on.
    pub fn start(table: Arc<Table>, outstanding: &Arc<Outstanding>) -> Outcome<Self> {
        let journal = Arc::new(Mutex::new(Journal { streams: keys(&table)? }));
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for (ls, (key, _)) in journal.lock().streams.clone() {
            tasks.spawn(write_on(
                Arc::clone(&table),
                Arc::clone(&journal),
                Arc::clone(outstanding),
                Arc::clone(&stop),
                (ls, key),
            ));
        }
        Ok(Self { table, journal, stop, tasks })
    }

    /// Waits until every stream took writes that were sent after `event`, and gives the longest time that one of them
    /// took none.
    pub async fn longest_gap_since(&self, event: Instant) -> Outcome<Duration> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let gaps = self.journal.lock().gaps_since(event);
            match gaps {
                Ok(gap) => return Ok(gap),
                Err(ls) if Instant::now() >= deadline => {
                    let what = format!("the log stream takes no writes since {PATIENCE:?}");
                    return Err(Failure::new(ErrorClass::Transient, what, format!("log stream {ls}"), "read the logs"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    /// The highest SCN that its client has seen.
    pub fn scn(&self) -> Scn {
        self.table.token().0
    }

    /// Takes in an SCN that was seen elsewhere: every later write is after it.
    pub fn observe(&self, scn: Scn) {
        self.table.observe(scn);
    }

    /// Stops them and gives what they wrote.
    pub async fn finish(mut self) -> Outcome<Journal> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(done) = self.tasks.join_next().await {
            done.unwrap_or_else(|e| Err(crate::kv::task_died(&e)))?;
        }
        let journal = self.journal.lock().clone();
        Ok(journal)
    }
}

impl Journal {
    /// Compares the values that a tenant restored to `scn` holds with what was acknowledged; gives differences in words.
    pub async fn check(&self, restored: &Table, scn: Scn) -> Outcome<Vec<String>> {
        let mut differences = Vec::new();
        for (ls, (key, acks)) in &self.streams {
            let value = restored.get(key).await?;
            let value = value.as_deref().and_then(|v| v.try_into().ok()).map_or(0, u64::from_be_bytes);
            let (from, until) = bounds(acks, scn);
            if !(from..until).contains(&value) {
                differences.push(format!(
                    "log stream {ls}: probe {value}, acknowledged were {from} to {until} (not included)"
                ));
            }
        }
        Ok(differences)
    }

    fn gaps_since(&self, event: Instant) -> Result<Duration, LsId> {
        let mut longest = Duration::ZERO;
        for (ls, (_, acks)) in &self.streams {
            if acks.iter().rev().take_while(|a| a.sent > event).count() < ACKS_AFTER {
                return Err(*ls);
            }
            let pairs = acks.windows(2).filter(|pair| pair[1].at > event);
            longest = longest.max(pairs.map(|pair| pair[1].at - pair[0].at).max().unwrap_or_default());
        }
        Ok(longest)
    }
}

/// What a restore to `scn` may show: at least the last value that was acknowledged at or before it, and less than the
/// first one acknowledged after it. (A value in between was committed, but its acknowledgement was lost.)
fn bounds(acks: &[Ack], scn: Scn) -> (u64, u64) {
    let from = acks.iter().filter(|a| a.scn <= scn).map(|a| a.value).max().unwrap_or(0);
    let until = acks.iter().filter(|a| a.scn > scn).map(|a| a.value).min().unwrap_or(u64::MAX);
    (from, until)
}

/// A key of every log stream.
fn keys(table: &Table) -> Outcome<Streams> {
    let wanted: BTreeSet<LsId> = table.tablets().map(|(_, ls)| ls).collect();
    let mut found = BTreeMap::new();
    for n in 0..100_000u32 {
        let key = format!("probe-{n}").into_bytes();
        found.entry(table.ls_of(&key)).or_insert((key, Vec::new()));
        if found.len() == wanted.len() {
            return Ok(found);
        }
    }
    Err(Failure::new(ErrorClass::Invalid, "a log stream has no key", "probe table", "report it: keys are badly spread"))
}

async fn write_on(
    table: Arc<Table>,
    journal: Arc<Mutex<Journal>>,
    outstanding: Arc<Outstanding>,
    stop: Arc<AtomicBool>,
    (ls, key): (LsId, Vec<u8>),
) -> Outcome<()> {
    let mut value = 1u64;
    let mut since = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let sent = Instant::now();
        let record = Record { key: key.clone(), value: Some(value.to_be_bytes().to_vec().into()) };
        match table.write(vec![record]).await {
            Ok(scn) => {
                let at = Instant::now();
                outstanding.acknowledged(scn, at);
                if let Some((_, acks)) = journal.lock().streams.get_mut(&ls) {
                    acks.push(Ack { value, scn, sent, at });
                }
                value += 1;
                since = at;
            }
            Err(failure) if failure.class.is_retryable() && since.elapsed() < PATIENCE => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn journal(start: Instant, at_ms: &[u64]) -> Journal {
        let ack = |(i, &ms): (usize, &u64)| {
            let at = start + Duration::from_millis(ms);
            Ack { value: i as u64 + 1, scn: Scn(ms), sent: at, at }
        };
        Journal { streams: BTreeMap::from([(LsId(1001), (Vec::new(), at_ms.iter().enumerate().map(ack).collect()))]) }
    }

    #[test]
    fn the_gap_spans_the_event_and_counts_only_once_the_stream_works_again() {
        let start = Instant::now();
        let event = start + Duration::from_millis(25);
        let mut times: Vec<u64> = vec![10, 20, 920];
        assert!(journal(start, &times).gaps_since(event).is_err(), "one write is not enough");
        times.extend((0..ACKS_AFTER as u64).map(|n| 930 + n));
        assert_eq!(journal(start, &times).gaps_since(event).unwrap(), Duration::from_millis(900));
    }

    #[test]
    fn a_restored_value_lies_between_the_acknowledged_ones() {
        let start = Instant::now();
        let journal = journal(start, &[10, 20, 30]);
        let acks = &journal.streams[&LsId(1001)].1;
        assert_eq!(bounds(acks, Scn(5)), (0, 1));
        assert_eq!(bounds(acks, Scn(20)), (2, 3));
        assert_eq!(bounds(acks, Scn(99)), (3, u64::MAX));
    }
}
