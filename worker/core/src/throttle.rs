//! How fast background work may go: a token bucket, and a pace that yields to the clients.
//!
//! Pure: `now` and what was seen are arguments. Two rules: a limit that somebody set is never passed; without clients
//! nothing waits. With clients the pace is learnt: stretches of copying and quiet ones alternate, so that whatever else
//! changes on the machine falls on both, and how much longer the clients' work takes while something is copied is what
//! the copying costs them. The rate rises while that is next to nothing and falls before it is a tenth. There is always
//! a floor, so that a backup ends.

pub use strandline_engine_api::ClientWork;

/// Bytes per second of the floor.
pub const FLOOR_BYTES_PER_S: u64 = 8 << 20;
/// The pace never counts beyond this: it is as good as unlimited.
pub const CEILING_BYTES_PER_S: u64 = 4 << 30;
/// One look at the clients' work.
pub const WINDOW_MS: u64 = 100;

/// Where a pace begins when clients are at work.
const START_BYTES_PER_S: u64 = 16 << 20;
/// How much it rises at least after a good stretch.
const STEP_BYTES_PER_S: u64 = 4 << 20;
/// Without a flush for this long there are no clients.
const IDLE_MS: u64 = 1000;
/// Length of a stretch of copying while clients are at work, and of the quiet one after it.
const BUSY_MS: u64 = 900;
const QUIET_MS: u64 = 300;
/// Fewer flushes in a stretch than this say nothing: a keep-alive is no client.
const FLUSHES_MIN: u64 = 5;

/// A bucket of bytes that fills at a steady rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    rate: u64,
    burst: u64,
    /// When everything that was taken is paid for, in nanoseconds.
    paid_at: u64,
}

impl TokenBucket {
    /// A full bucket of `burst_bytes` that fills at `bytes_per_s`; 0 = no limit.
    #[must_use]
    pub const fn new(bytes_per_s: u64, burst_bytes: u64) -> Self {
        Self { rate: bytes_per_s, burst: burst_bytes, paid_at: 0 }
    }

    /// Another rate from now on.
    pub const fn set_rate(&mut self, bytes_per_s: u64) {
        self.rate = bytes_per_s;
    }

    /// Takes `bytes` and says how many nanoseconds from `now_ns` on to wait before they are used. More than a burst is
    /// allowed at once; the next caller waits for it.
    pub fn take(&mut self, now_ns: u64, bytes: u64) -> u64 {
        if self.rate == 0 {
            return 0;
        }
        let cost = |bytes: u64| (u128::from(bytes) * 1_000_000_000 / u128::from(self.rate)) as u64;
        let start = self.paid_at.max(now_ns.saturating_sub(cost(self.burst)));
        self.paid_at = start.saturating_add(cost(bytes));
        start.saturating_sub(now_ns)
    }
}

/// Flushes and their time, older ones counting for less.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    flushes: u64,
    us: u64,
}

impl Seen {
    const fn between(before: ClientWork, now: ClientWork) -> Self {
        let flushes = now.flushes.saturating_sub(before.flushes);
        Self { flushes, us: now.flush_us.saturating_sub(before.flush_us) }
    }

    const fn add(&mut self, new: Self) {
        self.flushes = self.flushes / 2 + new.flushes;
        self.us = self.us / 2 + new.us;
    }

    /// Nanoseconds of one flush.
    const fn mean_ns(self) -> u64 {
        self.us.saturating_mul(1000) / if self.flushes == 0 { 1 } else { self.flushes }
    }
}

/// A stretch of copying, or a quiet one.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    is_quiet: bool,
    since_ms: u64,
    before: ClientWork,
    /// Bytes that went.
    spent: u64,
}

/// The pace of background work.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: u64,
    stretch: Option<Stretch>,
    looked_ms: u64,
    /// The clients' work in quiet stretches.
    calm: Option<Seen>,
    /// The clients' work while something was copied.
    busy: Seen,
}

impl Default for Pace {
    fn default() -> Self {
        Self { rate: CEILING_BYTES_PER_S, stretch: None, looked_ms: 0, calm: None, busy: Seen::default() }
    }
}

impl Pace {
    /// Bytes per second for now; 0 = pause until the next look.
    #[must_use]
    pub fn rate(&self) -> u64 {
        if self.stretch.is_some_and(|s| s.is_quiet) { 0 } else { self.rate }
    }

    /// True when it is time for [`Self::look`].
    #[must_use]
    pub const fn is_due(&self, now_ms: u64) -> bool {
        self.stretch.is_none() || now_ms.saturating_sub(self.looked_ms) >= WINDOW_MS
    }

    /// So many bytes are let go.
    pub const fn spend(&mut self, bytes: u64) {
        if let Some(stretch) = &mut self.stretch {
            stretch.spent = stretch.spent.saturating_add(bytes);
        }
    }

    /// Looks at the clients' work and sets the pace.
    pub fn look(&mut self, now_ms: u64, work: ClientWork) {
        self.looked_ms = now_ms;
        if work.idle_ms >= IDLE_MS {
            // There are no clients. What was learnt of earlier clients says nothing about later ones.
            *self = Self { looked_ms: now_ms, ..Self::default() };
        }
        let Some(stretch) = self.stretch else { return self.begin(false, now_ms, work) };
        let (seen, age_ms) = (Seen::between(stretch.before, work), now_ms.saturating_sub(stretch.since_ms));
        let tells = seen.flushes >= FLUSHES_MIN;
        if stretch.is_quiet {
            // Work that is slow gets more time to show itself.
            if age_ms >= if tells { QUIET_MS } else { 2 * QUIET_MS } {
                self.end_quiet(seen, tells);
                self.begin(false, now_ms, work);
            }
        } else if age_ms >= if self.calm.is_some() { BUSY_MS } else { WINDOW_MS } {
            if tells && self.calm.is_some() {
                self.busy.add(seen);
                self.judge(stretch.spent.saturating_mul(1000) / age_ms.max(1));
            }
            // Clients that write now and then are not in a hurry: a pause needs enough of them.
            if tells || age_ms >= BUSY_MS {
                self.begin(tells, now_ms, work);
            }
        }
    }

    const fn begin(&mut self, is_quiet: bool, since_ms: u64, before: ClientWork) {
        self.stretch = Some(Stretch { is_quiet, since_ms, before, spent: 0 });
    }

    fn end_quiet(&mut self, seen: Seen, tells: bool) {
        match &mut self.calm {
            Some(calm) if tells => calm.add(seen),
            None if tells => (self.calm, self.rate) = (Some(seen), START_BYTES_PER_S),
            _ => {}
        }
    }

    /// A tenth is what clients may feel at most. The rate rises only where it was used.
    fn judge(&mut self, used: u64) {
        let calm_ns = self.calm.unwrap_or_default().mean_ns().max(1);
        let cost_permille = self.busy.mean_ns().saturating_mul(1000) / calm_ns;
        let is_used = used >= self.rate / 2;
        let rate = match cost_permille.saturating_sub(1000) {
            0..=15 if is_used => self.rate + (self.rate / 2).max(STEP_BYTES_PER_S),
            16..=30 if is_used => self.rate + (self.rate / 4).min(STEP_BYTES_PER_S),
            0..=50 => self.rate,
            51..=100 => self.rate / 5 * 4,
            _ => self.rate / 2,
        };
        self.rate = rate.clamp(FLOOR_BYTES_PER_S, CEILING_BYTES_PER_S);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const MIB: u64 = 1 << 20;

    #[test]
    fn a_bucket_never_gives_more_than_its_rate_and_one_burst() {
        let mut bucket = TokenBucket::new(10 * MIB, MIB);
        let (mut now, mut given) = (5_000 * MS, 0);
        let end = now + 2_000 * MS;
        while now < end {
            now += bucket.take(now, MIB / 2);
            given += MIB / 2;
        }
        assert!((20 * MIB..=22 * MIB).contains(&given), "{given}");
        assert_eq!(TokenBucket::new(0, 0).take(7, u64::MAX), 0, "no limit");
    }

    #[test]
    fn a_bucket_that_nobody_used_saves_up_one_burst_and_no_more() {
        let mut bucket = TokenBucket::new(MIB, 2 * MIB);
        let now = 3_600_000 * MS;
        assert_eq!((bucket.take(now, MIB), bucket.take(now, MIB)), (0, 0));
        assert_eq!(bucket.take(now, MIB), 0, "the burst is spent exactly now");
        assert_eq!(bucket.take(now, MIB) / MS, 1000);
    }

    /// Clients whose work takes as long as `latency_us` says for a rate of background work.
    fn run(pace: &mut Pace, seconds: u64, from_ms: u64, mut latency_us: impl FnMut(u64) -> u64) -> Vec<u64> {
        let mut work = ClientWork { flushes: 1000, flush_us: 1_000_000, idle_ms: 0 };
        let mut rates = Vec::new();
        for step in 0..seconds * 1000 / WINDOW_MS {
            let latency = latency_us(pace.rate());
            let flushes = 100_000 / latency.max(1);
            work.flushes += flushes;
            work.flush_us += flushes * latency;
            pace.spend(pace.rate() / 1000 * WINDOW_MS);
            pace.look(from_ms + step * WINDOW_MS, work);
            rates.push(pace.rate());
        }
        rates
    }

    #[test]
    fn without_clients_nothing_waits() {
        let mut pace = Pace::default();
        assert_eq!(pace.rate(), CEILING_BYTES_PER_S);
        pace.look(5, ClientWork { flushes: 3, flush_us: 900, idle_ms: 4000 });
        assert_eq!(pace.rate(), CEILING_BYTES_PER_S);
    }

    #[test]
    fn with_clients_the_pace_finds_the_rate_that_they_do_not_feel() {
        let mut pace = Pace::default();
        // Undisturbed until 100 MiB/s, then every further MiB/s costs a hundredth.
        let latency = |rate: u64| 500 + (rate.saturating_sub(100 * MIB) / MIB) * 5;
        let rates = run(&mut pace, 60, 0, latency);
        let late: Vec<u64> = rates[300..].iter().copied().filter(|r| *r > 0).collect();
        let mean = late.iter().sum::<u64>() / late.len() as u64 / MIB;
        assert!((60..140).contains(&mean), "{mean} MiB/s");
        let quiet = rates[300..].iter().filter(|r| **r == 0).count();
        assert!((30..100).contains(&quiet), "{quiet} of 300 looks were quiet");
    }

    #[test]
    fn what_clients_lose_stays_below_a_tenth_even_where_every_byte_costs_them_something() {
        // Each 10 MiB/s makes their work a hundredth longer, and it wavers by a fifth from look to look.
        let mut pace = Pace::default();
        let (mut calls, mut lost) = (0u64, Vec::new());
        let latency = |rate: u64| {
            calls += 1;
            let wave = [400, 500, 600, 550, 450][calls as usize % 5];
            lost.push(rate / MIB);
            wave + wave * (rate / MIB) / 1000
        };
        run(&mut pace, 120, 0, latency);
        let late = &lost[300..];
        let mean = late.iter().sum::<u64>() / late.len() as u64;
        assert!((10..100).contains(&mean), "{mean} MiB/s cost as many permille");
    }

    #[test]
    fn clients_that_always_feel_it_leave_the_floor() {
        let mut pace = Pace::default();
        let rates = run(&mut pace, 20, 0, |rate| if rate > 0 { 5000 } else { 500 });
        assert!(rates[100..].iter().all(|r| *r <= FLOOR_BYTES_PER_S + STEP_BYTES_PER_S), "{rates:?}");
        assert!(rates[100..].iter().any(|r| *r > 0), "a backup ends");
    }

    #[test]
    fn a_keep_alive_now_and_then_slows_nothing_down() {
        let mut pace = Pace::default();
        for step in 0..100 {
            pace.look(step * WINDOW_MS, ClientWork { flushes: step / 10, flush_us: step * 800, idle_ms: 50 });
            assert_eq!(pace.rate(), CEILING_BYTES_PER_S);
        }
    }

    #[test]
    fn when_the_clients_go_the_pace_is_free_again() {
        let mut pace = Pace::default();
        run(&mut pace, 10, 0, |_| 500);
        pace.look(11_000, ClientWork { flushes: 1 << 40, flush_us: 1 << 40, idle_ms: 1500 });
        assert_eq!(pace.rate(), CEILING_BYTES_PER_S);
    }
}
