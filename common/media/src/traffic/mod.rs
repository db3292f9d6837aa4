//! Traffic of one process with one destination: limits, the request-rate governor, counters.
//!
//! Everything in the process that opens the same destination shares one [`Traffic`], whatever keys it has: a limit
//! holds for all of them together. Metrics: `strandline_media_requests_total{dest,kind}`,
//! `strandline_media_throttled_total{dest}`, `strandline_media_rate_limit{dest}`.

mod governor;
mod status;

use crate::{Destination, Options, kind};
use governor::{Governor, Pacer};
use object_store::client::HttpClient;
use parking_lot::{Mutex, MutexGuard};
use status::Ledger;
pub use status::{DestStatus, Requests};
pub(crate) use status::{Kind, Prices};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};
use tokio::runtime;

/// Destinations remembered; beyond it, those that nothing has open are forgotten with their counters.
const REMEMBERED_MAX: usize = 256;
/// A store may ask for a longer pause; it gets this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

static OPEN: LazyLock<Mutex<BTreeMap<String, Arc<Traffic>>>> = LazyLock::new(Mutex::default);

/// The traffic with one destination.
#[derive(Debug)]
pub(crate) struct Traffic {
    dest: String,
    prices: Prices,
    began: Instant,
    books: Mutex<Books>,
    /// Connections, and the runtime that drives them.
    client: Mutex<Option<(runtime::Id, HttpClient)>>,
}

#[derive(Debug)]
struct Books {
    max_iops: Option<u64>,
    max_bandwidth_bytes: Option<u64>,
    requests: Pacer,
    bytes: Pacer,
    governor: Governor,
    ledger: Ledger,
    bytes_sent: u64,
    bytes_received: u64,
    throttled: u64,
}

impl Traffic {
    /// The traffic of a destination in this process. The limits are those of the latest opening.
    pub(crate) fn of(dest: &Destination) -> Arc<Self> {
        let name = dest.name();
        let mut open = OPEN.lock();
        if open.len() >= REMEMBERED_MAX && !open.contains_key(&name) {
            open.retain(|_, traffic| Arc::strong_count(traffic) > 1);
        }
        let traffic =
            open.entry(name.clone()).or_insert_with(|| Arc::new(Self::new(name, kind::of(dest.scheme).prices)));
        traffic.limit(&dest.options);
        Arc::clone(traffic)
    }

    fn new(dest: String, prices: Prices) -> Self {
        let books = Books {
            max_iops: None,
            max_bandwidth_bytes: None,
            requests: Pacer::default(),
            bytes: Pacer::default(),
            governor: Governor::default(),
            ledger: Ledger::default(),
            bytes_sent: 0,
            bytes_received: 0,
            throttled: 0,
        };
        Self { dest, prices, began: Instant::now(), books: Mutex::new(books), client: Mutex::default() }
    }

    /// The connections to the destination, shared by everything on the same runtime: media are opened often.
    pub(crate) fn client<E>(&self, connect: impl Fn() -> Result<HttpClient, E>) -> Result<HttpClient, E> {
        let Ok(here) = runtime::Handle::try_current().map(|h| h.id()) else { return connect() };
        let mut known = self.client.lock();
        if let Some((runtime, client)) = &*known
            && *runtime == here
        {
            return Ok(client.clone());
        }
        let client = connect()?;
        *known = Some((here, client.clone()));
        Ok(client)
    }

    fn limit(&self, options: &Options) {
        let mut books = self.books();
        books.max_iops = options.max_iops;
        books.max_bandwidth_bytes = options.max_bandwidth_bytes;
    }

    /// Waits until a request with so many bytes may go out.
    pub(crate) async fn admit(&self, kind: Kind, bytes_out: u64) {
        let wait = {
            let mut books = self.books();
            let now = self.now();
            let mut wait = books.governor.pause(now).max(books.book_bytes(now, bytes_out));
            let limits = [books.max_iops.map(|n| n as f64), books.governor.rate(now)];
            if let Some(rate) = limits.into_iter().flatten().reduce(f64::min) {
                wait = wait.max(books.requests.book(now, 1.0, rate));
            }
            books.governor.sent(now + wait);
            books.ledger.add(now / 60_000_000_000, kind);
            books.bytes_sent += bytes_out;
            wait
        };
        metrics::counter!("strandline_media_requests_total", "dest" => self.dest.clone(), "kind" => kind.name())
            .increment(1);
        if wait > 0 {
            tokio::time::sleep(Duration::from_nanos(wait)).await;
        }
    }

    /// Counts what came back; the next requests wait for it.
    pub(crate) fn received(&self, bytes: u64) {
        let mut books = self.books();
        books.bytes_received += bytes;
        books.book_bytes(self.now(), bytes);
    }

    /// The store answered "slow down".
    pub(crate) fn complained(&self, retry_after: Option<Duration>) {
        let pause = retry_after.map(|d| u64::try_from(d.min(RETRY_AFTER_MAX).as_nanos()).unwrap_or(u64::MAX));
        let rate = {
            let mut books = self.books();
            let now = self.now();
            books.throttled += 1;
            books.governor.complained(now, pause);
            books.governor.rate(now)
        };
        metrics::counter!("strandline_media_throttled_total", "dest" => self.dest.clone()).increment(1);
        metrics::gauge!("strandline_media_rate_limit", "dest" => self.dest.clone()).set(rate.unwrap_or(0.0));
    }

    /// See [`requests_of`].
    pub(crate) fn status(&self) -> DestStatus {
        let mut books = self.books();
        let now = self.now();
        let (requests_per_day, cost_per_day_usd) = books.ledger.per_day(now / 60_000_000_000, self.prices);
        let rate_limit = books.governor.rate(now);
        metrics::gauge!("strandline_media_rate_limit", "dest" => self.dest.clone()).set(rate_limit.unwrap_or(0.0));
        DestStatus {
            dest: self.dest.clone(),
            requests: books.ledger.total,
            bytes_sent: books.bytes_sent,
            bytes_received: books.bytes_received,
            throttled: books.throttled,
            rate_limit,
            paused_ms: books.governor.pause(now) / 1_000_000,
            requests_per_day,
            cost_per_day_usd,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock()
    }
}

impl Books {
    fn book_bytes(&mut self, now: u64, bytes: u64) -> u64 {
        match self.max_bandwidth_bytes {
            Some(limit) if bytes > 0 => self.bytes.book(now, bytes as f64, limit as f64),
            _ => 0,
        }
    }
}

/// What this process knows about its traffic with a destination: requests, throttling, a day's requests and their
/// price. All zero for one that was never opened here.
#[must_use]
pub fn requests_of(uri: &str) -> DestStatus {
    let (uri, _) = crate::split_secrets(uri);
    let name = Destination::parse(&uri).map_or(uri, |d| d.name());
    let open = OPEN.lock();
    open.get(&name).map_or_else(|| DestStatus { dest: name.clone(), ..DestStatus::default() }, |t| t.status())
}

/// Every destination that this process has opened.
#[must_use]
pub fn all_requests() -> Vec<DestStatus> {
    let open = OPEN.lock();
    open.values().map(|t| t.status()).collect()
}

/// Names and units of this crate's metrics, for `/metrics`; called once per process, any number of times.
pub fn describe_metrics() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("strandline_media_calls_total", "Calls on destinations, by operation and outcome");
    describe_counter!("strandline_media_bytes_total", Unit::Bytes, "Bytes of successful calls, by operation");
    describe_histogram!("strandline_media_seconds", Unit::Seconds, "Time of calls on destinations, by operation");
    describe_counter!("strandline_media_requests_total", "Requests to a destination, by kind as vendors bill them");
    describe_counter!("strandline_media_throttled_total", "Answers of a destination that asked to slow down");
    describe_gauge!(
        "strandline_media_rate_limit",
        "Requests per second that the governor allows to a destination; 0 = no limit"
    );
    describe_gauge!("strandline_media_requests_per_day", "Requests of a day like the last hour");
    describe_gauge!("strandline_media_cost_per_day_usd", "List price of a day of such requests in US dollars");
}

/// Sets the gauges that are reckoned, not counted; called at every scrape.
pub fn set_gauges() {
    for status in all_requests() {
        metrics::gauge!("strandline_media_requests_per_day", "dest" => status.dest.clone())
            .set(status.requests_per_day as f64);
        metrics::gauge!("strandline_media_cost_per_day_usd", "dest" => status.dest).set(status.cost_per_day_usd);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everything_that_opens_a_destination_shares_its_limit() {
        let dest = Destination::parse("mem://shared-limit?max_iops=200").unwrap();
        let (a, b) = (Traffic::of(&dest), Traffic::of(&dest));
        let began = Instant::now();
        for _ in 0..30 {
            tokio::join!(a.admit(Kind::Write, 10), b.admit(Kind::Read, 0));
        }
        // 60 requests, less what may go out before its time.
        assert!(began.elapsed() >= Duration::from_millis(190), "{:?}", began.elapsed());
        let status = requests_of("mem://shared-limit");
        assert_eq!((status.requests.writes, status.requests.reads, status.bytes_sent), (30, 30, 300));
        assert!(status.requests_per_day > 0);
    }
}
