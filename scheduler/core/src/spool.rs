//! The spool: log that waits locally because a destination does not take it, and what becomes of it (docs/oceanbase.md, 4.5).
//!
//! `BINDING=Mandatory` never lets log go: recycling waits, and once the spool is full writes are refused.
//! `BINDING=Optional` keeps writes going: log beyond SPOOL_SIZE or older than SPOOL_AGE may be recycled, and the round
//! is INTERRUPTED when that happens. Pure: state and time in, bounds out.

use crate::state::{LogStream, Round, State, Tenant};
use strandline_types::{Binding, Lsn, RoundState, limits};

/// What one round needs of the local log of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spool {
    /// Log that waits, in bytes.
    pub waiting_bytes: u64,
    /// SPOOL_SIZE.
    pub bytes_max: u64,
    /// How long the oldest of it has waited.
    pub age_ms: u64,
    /// SPOOL_AGE; 0 = no bound.
    pub age_ms_max: u64,
    /// Log from here on must stay.
    pub keep_from: Lsn,
}

impl Spool {
    /// How full it is: 1 is where writes stop (Mandatory) or log is let go (Optional).
    #[must_use]
    pub fn fill_ratio(&self) -> f64 {
        let by_size = self.waiting_bytes as f64 / self.bytes_max.max(1) as f64;
        let by_age = if self.age_ms_max == 0 { 0.0 } else { self.age_ms as f64 / self.age_ms_max as f64 };
        by_size.max(by_age)
    }

    /// The same in whole percent.
    #[must_use]
    pub fn full_percent(&self) -> u32 {
        // A ratio is never negative, and a spool that is 2^32 % full is not told apart from one that is fuller.
        (self.fill_ratio() * 100.0).round() as u32
    }

    /// True once an administrator should hear of it: long before anything is lost.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        self.fill_ratio() >= f64::from(limits::SPOOL_ALARM_PERCENT) / 100.0
    }
}

/// The spool of one stream for one round; `None` when the round needs nothing any more.
#[must_use]
pub fn spool(round: &Round, ls: &LogStream, now_ms: u64) -> Option<Spool> {
    if !round.is_open() || round.drained || round.state == RoundState::Interrupted {
        return None;
    }
    let row = round.progress.get(&ls.id);
    let archived = row.map_or_else(|| floor(round, ls), |p| p.archived_lsn);
    let waiting_bytes = ls.end_lsn.0.saturating_sub(archived.0);
    let since_ms = match row {
        // An idle stream's last group is old; what waits is younger than the moment when something began to wait.
        Some(p) => p.behind_since_ms.map(|since| since.max(p.checkpoint_scn.as_ms())),
        None => Some(round.state_since_ms),
    };
    let age_ms = since_ms.filter(|_| waiting_bytes > 0).map_or(0, |since| now_ms.saturating_sub(since));
    let (bytes_max, age_ms_max) = (round.options.spool_bytes, round.options.spool_age_ms);
    let is_too_old = age_ms_max > 0 && age_ms > age_ms_max;
    let keep_from = match round.options.binding {
        Binding::Mandatory => archived,
        // What is too old interrupts the round anyway: nothing of it is worth its place.
        Binding::Optional if is_too_old => archived.max(ls.end_lsn),
        Binding::Optional => archived.max(Lsn(ls.end_lsn.0.saturating_sub(bytes_max))),
    };
    Some(Spool { waiting_bytes, bytes_max, age_ms, age_ms_max, keep_from })
}

/// An archiver begins at the start of the block that the round's start lies in.
fn floor(round: &Round, ls: &LogStream) -> Lsn {
    let end = round.floor.get(&ls.id).copied().unwrap_or(Lsn::ZERO);
    Lsn(end.0 / limits::BLOCK_BODY_BYTES * limits::BLOCK_BODY_BYTES)
}

/// Which local log of a stream may be recycled, and how much of it may wait above that before writes are refused
/// (0 = no bound): the slowest round that may wait decides.
#[must_use]
pub fn recycling(state: &State, tenant: &Tenant, ls: &LogStream) -> (Lsn, u64) {
    let mut recycle_lsn = Lsn(u64::MAX);
    let mut end_max: Option<u64> = None;
    for round in state.open_rounds(tenant.id) {
        let Some(spool) = spool(round, ls, state.clock_ms) else { continue };
        recycle_lsn = recycle_lsn.min(spool.keep_from);
        if round.options.binding == Binding::Mandatory {
            let end = spool.keep_from.0.saturating_add(spool.bytes_max);
            end_max = Some(end_max.map_or(end, |e| e.min(end)));
        }
    }
    // Never 0 with a bound: that would say that there is none.
    let log_bytes_max = end_max.map_or(0, |end| end.saturating_sub(recycle_lsn.0).max(1));
    (recycle_lsn, log_bytes_max)
}
