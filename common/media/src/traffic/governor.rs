//! When the next request may go out: limits of the administrator and what the store can bear.
//!
//! Pure: time is an argument, in nanoseconds since the destination was first opened. The store's bearable rate is
//! found by additive increase and multiplicative decrease: when more than a tenth of the requests of the last seconds were
//! answered "slow down", the rate that was really used is halved; every second with few such answers adds a twentieth of
//! the rate at which the store complained; after half a minute it grows faster, and a rate that is far higher than what is
//! used is no limit any more. The share decides, and never one answer: a store that refuses some requests at any rate
//! is not asked slower for it, since that would help nobody.

const SECOND: u64 = 1_000_000_000;
/// So long before its time a request may go out: unevenness below it does not wait.
const BURST_NS: u64 = SECOND / 10;
/// A store is never asked less often than this by one process, in requests per second.
const RATE_MIN: f64 = 1.0;
/// The limit goes when it is so many times higher than what is used.
const FREE_AT: f64 = 4.0;
/// Complaints within this time after a decrease are answers to older requests.
const DEAF_NS: u64 = SECOND / 2;
/// What the requests and complaints of a second still weigh in the next one.
const KEPT: f64 = 0.75;
/// A complaint is believed when complaints weigh more than [`FEW`] and this share of the requests.
const SHARE: f64 = 0.1;
/// So many complaints may be chance, however few requests there were.
const FEW: f64 = 3.0;
/// After so long without a decrease the store is well again, and the rate grows by this part of itself per second.
const CALM_NS: u64 = 30 * SECOND;
const CALM_GROWTH: f64 = 0.1;

/// Spaces things out to so many per second.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    free_at: u64,
}

impl Pacer {
    /// Books `amount` at `rate` per second and gives how long to wait before it, in nanoseconds.
    pub(crate) fn book(&mut self, now: u64, amount: f64, rate: f64) -> u64 {
        let start = self.free_at.max(now);
        // Both are positive and finite; a huge quotient saturates.
        self.free_at = start.saturating_add((amount / rate * SECOND as f64) as u64);
        start.saturating_sub(now.saturating_add(BURST_NS))
    }
}

/// Finds the rate that a store bears.
#[derive(Debug, Default)]
pub(crate) struct Governor {
    /// Requests per second; `None` = the store has not complained.
    rate: Option<f64>,
    /// Added per quiet second.
    step: f64,
    /// No request is sent before this.
    quiet_until: u64,
    decreased_at: Option<u64>,
    /// The second that is being counted, requests in it, and in the one before.
    second: u64,
    count: u64,
    used: u64,
    /// Requests and complaints of the last seconds, by their weight.
    asked: f64,
    refused: f64,
}

impl Governor {
    /// A request goes out.
    pub(crate) fn sent(&mut self, now: u64) {
        self.turn_over(now);
        self.count += 1;
        self.asked += 1.0;
    }

    /// The store answered that it is too much; `retry_after` in nanoseconds when it said how long.
    pub(crate) fn complained(&mut self, now: u64, retry_after: Option<u64>) {
        self.turn_over(now);
        self.quiet_until = self.quiet_until.max(now.saturating_add(retry_after.unwrap_or(0)));
        if self.decreased_at.is_some_and(|at| now < at.saturating_add(DEAF_NS)) {
            return;
        }
        self.refused += 1.0;
        if self.refused < self.believed() {
            return;
        }
        (self.asked, self.refused) = (0.0, 0.0);
        let used = self.used.max(self.count) as f64;
        let from = self.rate.map_or(used, |rate| rate.min(used.max(RATE_MIN)));
        self.rate = Some((from / 2.0).max(RATE_MIN));
        self.step = (from / 20.0).max(RATE_MIN);
        self.decreased_at = Some(now);
    }

    /// Requests per second, if there is a limit now.
    pub(crate) fn rate(&mut self, now: u64) -> Option<f64> {
        self.turn_over(now);
        self.rate
    }

    /// How long no request may be sent, in nanoseconds.
    pub(crate) fn pause(&self, now: u64) -> u64 {
        self.quiet_until.saturating_sub(now)
    }

    /// What complaints must weigh to be believed.
    fn believed(&self) -> f64 {
        FEW + SHARE * self.asked
    }

    fn turn_over(&mut self, now: u64) {
        let second = now / SECOND;
        // Many ask at once: one that took its time a moment earlier may come a moment later.
        let passed = second.saturating_sub(self.second);
        if passed == 0 {
            return;
        }
        self.used = if passed == 1 { self.count } else { 0 };
        (self.count, self.second) = (0, second);
        let kept = KEPT.powi(i32::try_from(passed).unwrap_or(i32::MAX));
        (self.asked, self.refused) = (self.asked * kept, self.refused * kept);
        let quiet = now.saturating_sub(self.decreased_at.unwrap_or(0));
        if let Some(rate) = self.rate
            && quiet >= SECOND
            && self.refused < self.believed() / 2.0
        {
            let seconds = passed.min(60) as f64;
            let is_calm = quiet >= CALM_NS;
            let step = if is_calm { self.step.max(rate * CALM_GROWTH) } else { self.step };
            let grown = rate + step * seconds;
            let is_free = is_calm && grown > FREE_AT * (self.used as f64).max(25.0 * RATE_MIN);
            self.rate = if is_free { None } else { Some(grown) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pacer_lets_so_many_through_per_second() {
        let mut pacer = Pacer::default();
        let mut now = 0;
        for _ in 0..1000 {
            now += pacer.book(now, 1.0, 100.0);
        }
        let seconds = now as f64 / SECOND as f64;
        assert!((9.5..=10.0).contains(&seconds), "{seconds}");
    }

    /// A store that bears `bears` requests per second, asked as fast as the governor lets.
    fn run(governor: &mut Governor, seconds: u64, from: u64, bears: u64) -> (u64, u64) {
        let (mut done, mut refused) = (0, 0);
        for second in from..from + seconds {
            let rate = governor.rate(second * SECOND).unwrap_or(1000.0) as u64;
            for n in 0..rate.min(1000) {
                let now = second * SECOND + n * (SECOND / 1000);
                governor.sent(now);
                if n < bears {
                    done += 1;
                } else {
                    refused += 1;
                    governor.complained(now, None);
                }
            }
        }
        (done, refused)
    }

    #[test]
    fn the_rate_finds_what_the_store_bears_and_is_free_again_afterwards() {
        let mut governor = Governor::default();
        run(&mut governor, 20, 0, 100);
        let (done, refused) = run(&mut governor, 60, 20, 100);
        assert!(done > 60 * 60, "most of what the store bears is used: {done}");
        assert!(refused < done / 5, "few requests are refused: {refused} of {done}");
        run(&mut governor, 120, 80, u64::MAX);
        assert_eq!(governor.rate(200 * SECOND), None, "a store that bears everything is asked without limit");
    }

    /// One whose store refused everything that it was asked.
    fn refused_often(now: u64) -> Governor {
        let mut governor = Governor::default();
        for _ in 0..5 {
            governor.sent(now);
            governor.complained(now, None);
        }
        governor
    }

    #[test]
    fn a_store_that_refuses_one_in_twenty_at_any_rate_is_not_asked_slower() {
        for per_second in [2, 20, 200, 2000] {
            let mut governor = Governor::default();
            for n in 0..per_second * 100 {
                let now = n * SECOND / per_second;
                governor.sent(now);
                if n % 20 == 7 {
                    governor.complained(now, None);
                }
            }
            assert_eq!(governor.rate(100 * SECOND), None, "{per_second} per second");
        }
    }

    #[test]
    fn who_took_the_time_earlier_and_comes_later_is_counted_and_changes_no_rate() {
        let mut governor = refused_often(5 * SECOND);
        let rate = governor.rate(5 * SECOND);
        governor.sent(5 * SECOND - 1);
        governor.complained(4 * SECOND, None);
        assert_eq!(governor.rate(3 * SECOND), rate);
        assert_eq!((governor.second, governor.count), (5, 6));
    }

    #[test]
    fn a_store_that_asks_for_a_pause_gets_it() {
        let mut governor = refused_often(5 * SECOND);
        governor.complained(5 * SECOND, Some(3 * SECOND));
        assert_eq!(governor.pause(6 * SECOND), 2 * SECOND);
        assert_eq!(governor.pause(9 * SECOND), 0);
        assert!(governor.rate(5 * SECOND).is_some_and(|rate| rate >= RATE_MIN));
    }
}
