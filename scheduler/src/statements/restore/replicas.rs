//! How many replicas a restored log stream gets.

use crate::clock;
use crate::statements::context::Context;

/// Workers that report.
#[must_use]
pub fn live_workers(cx: &Context<'_>) -> usize {
    let now_ms = clock::now().as_ms();
    cx.node.read(|s| s.workers.keys().filter(|w| s.is_known(**w, now_ms)).count())
}

/// As many as the statement asks for; else as many as the source had, as far as there are workers.
#[must_use]
pub fn replicas(cx: &Context<'_>, asked: Option<u64>, source: u32) -> u32 {
    let live = u32::try_from(live_workers(cx)).unwrap_or(u32::MAX);
    match asked {
        Some(n) => u32::try_from(n).unwrap_or(u32::MAX),
        None => source.clamp(1, live.max(1)),
    }
}
