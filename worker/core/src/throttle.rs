//! How fast background work may go: a token bucket, and a pace that yields to the clients.
//!
//! Pure: `now` and what was seen are arguments. Two rules: a limit that somebody set is never passed; without clients
//! nothing waits. With clients the pace is learnt: now and then nothing is copied for a moment, which shows how long
//! their work takes undisturbed, and from then on the rate rises while that does not get worse and falls when it does
//! (additive increase, multiplicative decrease). There is always a floor, so that a backup ends.

/// Bytes per second of the floor.
pub const FLOOR_BYTES_PER_S: u64 = 8 << 20;
/// The pace never counts beyond this: it is as good as unlimited.
pub const CEILING_BYTES_PER_S: u64 = 4 << 30;
/// One look at the clients' work.
pub const WINDOW_MS: u64 = 100;

/// Where a pace begins when clients are at work.
const START_BYTES_PER_S: u64 = 16 << 20;
/// How much it rises after a good look.
const STEP_BYTES_PER_S: u64 = 4 << 20;
/// Without a flush for this long there are no clients.
const IDLE_MS: u64 = 1000;
/// A quiet look is taken this often while clients are at work.
const QUIET_EVERY_MS: u64 = 4000;
/// Fewer flushes than this say nothing: a keep-alive is no client.
const FLUSHES_MIN: u64 = 2;

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
    /// allowed at once; whoever comes next pays for it.
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

/// What the clients' work looked like, in counters that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientWork {
    /// Times that a log was made durable.
    pub flushes: u64,
    /// Microseconds that this took.
    pub flush_us: u64,
    /// Milliseconds since the last one.
    pub idle_ms: u64,
}

/// The pace of background work.
#[derive(Clone, Debug)]
pub struct Pace {
    rate: u64,
    /// How long the clients' work takes undisturbed, in microseconds.
    calm_us: Option<u64>,
    /// What was seen, and when.
    seen: Option<(u64, ClientWork)>,
    looked_ms: u64,
    /// Nothing is copied since then.
    quiet_since: Option<u64>,
    /// When the last quiet look ended.
    calm_ms: Option<u64>,
}

impl Default for Pace {
    fn default() -> Self {
        let (rate, looked_ms) = (CEILING_BYTES_PER_S, 0);
        Self { rate, calm_us: None, seen: None, looked_ms, quiet_since: None, calm_ms: None }
    }
}

impl Pace {
    /// Bytes per second for now; 0 = pause until the next look.
    #[must_use]
    pub const fn rate(&self) -> u64 {
        if self.quiet_since.is_some() { 0 } else { self.rate }
    }

    /// True when it is time for [`Self::look`].
    #[must_use]
    pub const fn is_due(&self, now_ms: u64) -> bool {
        self.seen.is_none() || now_ms.saturating_sub(self.looked_ms) >= WINDOW_MS
    }

    /// Looks at the clients' work and sets the pace.
    pub fn look(&mut self, now_ms: u64, work: ClientWork) {
        self.looked_ms = now_ms;
        if work.idle_ms >= IDLE_MS {
            // Nobody is there. What was learnt of earlier clients says nothing about later ones.
            *self = Self { seen: Some((now_ms, work)), looked_ms: now_ms, ..Self::default() };
            return;
        }
        let mean = self.seen.and_then(|(_, before)| {
            let flushes = work.flushes.saturating_sub(before.flushes);
            (flushes >= FLUSHES_MIN).then(|| work.flush_us.saturating_sub(before.flush_us) / flushes)
        });
        // Work that is slow gets more than one window to show itself.
        if mean.is_some() || self.seen.is_none_or(|(since, _)| now_ms.saturating_sub(since) >= IDLE_MS) {
            self.seen = Some((now_ms, work));
        }
        let quiet_is_due = self.calm_ms.is_none_or(|at| now_ms.saturating_sub(at) >= QUIET_EVERY_MS);
        match (self.quiet_since, self.calm_us, mean) {
            (Some(since), _, mean) => self.end_quiet(since, now_ms, mean),
            // Clients that write now and then are not in a hurry: a pause needs enough of them.
            (None, _, Some(_)) if quiet_is_due => self.quiet_since = Some(now_ms),
            (None, Some(calm), Some(mean)) => self.judge(calm, mean),
            (None, ..) => {}
        }
    }

    /// A tenth is what clients may feel, and the noise of a short look is as large.
    fn judge(&mut self, calm: u64, mean: u64) {
        if mean <= calm + calm / 8 {
            self.rate = (self.rate + STEP_BYTES_PER_S).min(CEILING_BYTES_PER_S);
        } else if mean > calm + calm / 4 {
            self.rate = (self.rate / 2).max(FLOOR_BYTES_PER_S);
        }
    }

    /// A look at clients that nobody disturbed; one that saw too little is given up after a while.
    fn end_quiet(&mut self, since: u64, now_ms: u64, mean: Option<u64>) {
        if let Some(mean) = mean {
            if self.calm_us.is_none() {
                self.rate = START_BYTES_PER_S;
            }
            self.calm_us = Some(self.calm_us.map_or(mean, |calm| (calm + mean) / 2));
        } else if now_ms.saturating_sub(since) < 2 * WINDOW_MS {
            return;
        }
        (self.quiet_since, self.calm_ms) = (None, Some(now_ms));
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
    fn run(pace: &mut Pace, seconds: u64, from_ms: u64, latency_us: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut work = ClientWork { flushes: 1000, flush_us: 1_000_000, idle_ms: 0 };
        let mut rates = Vec::new();
        for step in 0..seconds * 1000 / WINDOW_MS {
            let latency = latency_us(pace.rate());
            let flushes = 100_000 / latency.max(1);
            work.flushes += flushes;
            work.flush_us += flushes * latency;
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
        assert!((1..30).contains(&quiet), "{quiet} of 300 looks were quiet");
    }

    #[test]
    fn clients_that_always_feel_it_leave_the_floor() {
        let mut pace = Pace::default();
        let rates = run(&mut pace, 20, 0, |rate| if rate > 0 { 5000 } else { 500 });
        assert!(rates[100..].iter().all(|r| *r == 0 || *r <= FLOOR_BYTES_PER_S + STEP_BYTES_PER_S), "{rates:?}");
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
