//! What a destination costs: requests by kind, and a day's worth of them in money.
//!
//! Pure: time is an argument. Prices are list prices of 2025 in US dollars for requests alone (no storage, no transfer
//! out of the region), as the vendors publish them; they are an estimate for a status line and never a bill.

/// Minutes that the estimate looks back.
const MINUTES: usize = 60;
const DAY_MINUTES: f64 = 1440.0;

/// Dollars per 1000 requests; deletions are free everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prices {
    /// Writing and listing.
    pub(crate) writes: f64,
    pub(crate) reads: f64,
}

impl Prices {
    pub(crate) const NONE: Self = Self { writes: 0.0, reads: 0.0 };
}

/// Kind of a request, as vendors bill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Read,
    List,
    Delete,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Read => "read",
            Self::List => "list",
            Self::Delete => "delete",
        }
    }
}

/// Requests of one process to one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Puts, parts, appends, copies.
    pub writes: u64,
    /// Gets and heads.
    pub reads: u64,
    /// Listings.
    pub lists: u64,
    /// Deletions.
    pub deletes: u64,
}

impl Requests {
    fn add(&mut self, kind: Kind) {
        *match kind {
            Kind::Write => &mut self.writes,
            Kind::Read => &mut self.reads,
            Kind::List => &mut self.lists,
            Kind::Delete => &mut self.deletes,
        } += 1;
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.writes + self.reads + self.lists + self.deletes
    }
}

/// What one process knows about its traffic with one destination.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DestStatus {
    /// The destination's name.
    pub dest: String,
    /// Since it was first opened in this process.
    pub requests: Requests,
    /// Bodies that were sent.
    pub bytes_sent: u64,
    /// Bodies that were received.
    pub bytes_received: u64,
    /// Answers that asked to slow down.
    pub throttled: u64,
    /// Requests per second that the governor allows; `None` = no limit.
    pub rate_limit: Option<f64>,
    /// The store asked to be left alone for so long.
    pub paused_ms: u64,
    /// What a day like the last hour would bring.
    pub requests_per_day: u64,
    /// The list price of such a day's requests.
    pub cost_per_day_usd: f64,
}

/// Requests by minute, the last hour.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) total: Requests,
    minutes: Vec<(u64, Requests)>,
}

impl Ledger {
    /// Counts a request in a minute since the destination was opened.
    pub(crate) fn add(&mut self, minute: u64, kind: Kind) {
        self.total.add(kind);
        match self.minutes.last_mut() {
            Some((at, requests)) if *at == minute => requests.add(kind),
            _ => {
                if self.minutes.len() == MINUTES {
                    self.minutes.remove(0);
                }
                let mut requests = Requests::default();
                requests.add(kind);
                self.minutes.push((minute, requests));
            }
        }
    }

    /// Requests per day and their price; `minute` is the present one.
    pub(crate) fn per_day(&self, minute: u64, prices: Prices) -> (u64, f64) {
        let first = (minute + 1).saturating_sub(MINUTES as u64);
        let span = (minute + 1).min(MINUTES as u64) as f64;
        let mut seen = Requests::default();
        for (_, r) in self.minutes.iter().filter(|(at, _)| *at >= first) {
            seen.writes += r.writes;
            seen.reads += r.reads;
            seen.lists += r.lists;
            seen.deletes += r.deletes;
        }
        let days = DAY_MINUTES / span;
        let cost = ((seen.writes + seen.lists) as f64 * prices.writes + seen.reads as f64 * prices.reads) / 1000.0;
        ((seen.total() as f64 * days) as u64, cost * days)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_reckoned_from_the_last_hour() {
        let mut ledger = Ledger::default();
        for minute in 0..200 {
            let rate = if minute < 140 { 600 } else { 60 };
            for _ in 0..rate {
                ledger.add(minute, Kind::Write);
            }
        }
        let prices = Prices { writes: 0.005, reads: 0.0004 };
        let (requests, cost) = ledger.per_day(199, prices);
        assert_eq!(requests, 86_400, "60 a minute is one a second");
        assert!((cost - 0.432).abs() < 1e-6, "{cost}");
        assert_eq!(ledger.per_day(199, Prices::NONE).1, 0.0);
        assert_eq!(ledger.per_day(1000, prices), (0, 0.0), "an idle hour costs nothing");
        assert_eq!(ledger.total.writes, 140 * 600 + 60 * 60);
    }
}
