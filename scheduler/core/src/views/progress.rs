//! How far the tasks of a stage are, in percent and in seconds, out of what the attempts report.
//!
//! A task says how much it has to do only once it runs. So a percentage is the mean of the tasks' own shares and not the
//! share of the bytes: bytes that are not known yet would make the figure fall back as soon as they are reported. It
//! falls back only where work is really done again, by a new turn or retry.

use crate::state::TaskRun;
use strandline_types::LsId;

/// What is done of a stage and what there is to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// 0 to 1: the mean share of the tasks that count.
    share: f64,
    /// Bytes that the present attempts have moved.
    pub(super) done: u64,
    /// Bytes that they know of.
    total: u64,
    /// False while a task that is not over has not reported how much it has to do.
    all_known: bool,
    /// When the oldest present attempt was given out.
    since_ms: u64,
}

impl Progress {
    /// Of all tasks of a stage. Log stream 1 has only the dictionary: it counts where it is alone.
    pub(super) fn of<'a>(runs: impl Iterator<Item = (LsId, &'a TaskRun)>) -> Self {
        let runs: Vec<_> = runs.collect();
        let has_user = runs.iter().any(|(ls, _)| !ls.is_sys());
        let counted = || runs.iter().filter(|(ls, _)| !(has_user && ls.is_sys())).map(|(_, run)| *run);
        let all = || runs.iter().map(|(_, run)| *run);
        let count = counted().count();
        Self {
            share: if count == 0 { 0.0 } else { counted().map(share).sum::<f64>() / count as f64 },
            done: all().map(|r| r.bytes_done).sum(),
            total: all().map(|r| r.bytes_total).sum(),
            all_known: all().all(|r| r.is_finished() || r.bytes_total > 0),
            since_ms: all().filter(|r| r.executor.is_some()).map(|r| r.assigned_ms).min().unwrap_or(0),
        }
    }

    /// This share of so many bytes.
    pub(super) fn share_of(self, bytes: u64) -> u64 {
        ((self.share * bytes as f64) as u64).min(bytes)
    }

    /// 100 once the stage is over, whatever the bytes say (a set of empty tablets has none), and less before.
    pub(super) fn percent(self, is_over: bool) -> f64 {
        if is_over { 100.0 } else { ((self.share * 10_000.0).floor() / 100.0).min(99.99) }
    }

    /// Seconds to the end of the stage at the speed of the present attempts; `None` while that is not known.
    pub(super) fn eta_s(self, now_ms: u64) -> Option<u64> {
        if self.all_known { eta_s(self.done, self.total, now_ms.saturating_sub(self.since_ms)) } else { None }
    }
}

/// Seconds that the rest takes when `done` took so long, at least one; `None` without a pace and without a rest.
pub(super) fn eta_s(done: u64, total: u64, elapsed_ms: u64) -> Option<u64> {
    let left = total.saturating_sub(done);
    if done == 0 || left == 0 || elapsed_ms == 0 {
        return None;
    }
    let rest_ms = u128::from(left) * u128::from(elapsed_ms) / u128::from(done);
    Some(u64::try_from(rest_ms.div_ceil(1000)).unwrap_or(u64::MAX).max(1))
}

/// 0 to 1.
fn share(run: &TaskRun) -> f64 {
    match run {
        run if run.is_finished() => 1.0,
        run if run.bytes_total == 0 => 0.0,
        run => run.bytes_done.min(run.bytes_total) as f64 / run.bytes_total as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use strandline_types::{LsTaskStatus, NodeId};

    fn run(done: u64, total: u64) -> TaskRun {
        let status = LsTaskStatus::Doing;
        let (executor, assigned_ms) = (Some(NodeId(1)), 10_000);
        TaskRun { status, executor, assigned_ms, bytes_done: done, bytes_total: total, ..TaskRun::default() }
    }

    fn finished(bytes: u64) -> TaskRun {
        TaskRun { status: LsTaskStatus::Finish, ..run(bytes, bytes) }
    }

    fn of(runs: &[TaskRun]) -> Progress {
        Progress::of(runs.iter().enumerate().map(|(i, run)| (LsId(LsId::FIRST_USER.0 + i as u64), run)))
    }

    fn percent(runs: &[TaskRun]) -> f64 {
        of(runs).percent(false)
    }

    #[test]
    fn a_task_that_begins_later_never_takes_percents_back() {
        // One after the other, as with more log streams than a worker has places: small ones first.
        let sizes = [1, 10, 1000, 100_000];
        let mut last = 0.0;
        for n in 0..sizes.len() {
            for step in 0..=10 {
                let runs: Vec<TaskRun> = (0..sizes.len())
                    .map(|i| match i.cmp(&n) {
                        std::cmp::Ordering::Less => finished(sizes[i]),
                        std::cmp::Ordering::Equal => run(sizes[i] * step / 10, sizes[i]),
                        std::cmp::Ordering::Greater => TaskRun::default(),
                    })
                    .collect();
                let now = percent(&runs);
                assert!(now >= last, "{now} after {last}");
                assert!(now < 100.0, "the stage is not over");
                last = now;
            }
        }
    }

    #[test]
    fn one_small_task_that_is_done_is_not_the_whole() {
        assert_eq!(percent(&[finished(5), TaskRun::default(), TaskRun::default(), TaskRun::default()]), 25.0);
        assert_eq!(of(&[finished(5), TaskRun::default()]).eta_s(20_000), None, "the other's size is not known");
    }

    #[test]
    fn the_dictionary_s_log_stream_counts_only_where_it_is_alone() {
        let (sys, user) = (finished(5), run(1, 10));
        let both = Progress::of([(LsId::SYS, &sys), (LsId::FIRST_USER, &user)].into_iter());
        assert_eq!(both.percent(false), 10.0);
        assert_eq!(Progress::of([(LsId::SYS, &sys)].into_iter()).percent(false), 99.99);
        assert_eq!(Progress::of([].into_iter()).percent(false), 0.0);
    }

    #[test]
    fn the_rest_takes_as_long_as_the_same_share_took_in_the_present_attempts() {
        // 10 s for 100 bytes of 400.
        assert_eq!(of(&[run(50, 200), run(50, 200)]).eta_s(20_000), Some(30));
        assert_eq!(of(&[run(399_999, 400_000)]).eta_s(20_000), Some(1), "never 0 while something is left");
        assert_eq!(of(&[run(0, 400)]).eta_s(20_000), None);
        assert_eq!(of(&[run(400, 400)]).eta_s(20_000), None);
    }
}
