//! Whether a worker can serve, and whether it is alive: pure judgements on what was seen of it.
//!
//! A replica that does not vote yet does not count in its group: the loss of another member then loses the majority.
//! So a worker is ready only when every replica that it has to host is a full member and has caught up.

use std::fmt;
use std::time::Duration;
use strandline_engine_api::{CaughtUp, HostedState};
use strandline_types::limits::WORKER_UNKNOWN_MS;
use strandline_types::{Failure, LsId, TenantId};

/// So many replicas are named with their reasons; the rest is counted.
const NAMED_MAX: usize = 10;

/// What was seen of a worker at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// For how long the scheduler's leader was not heard; `None`: never since the start.
    pub silence: Option<Duration>,
    /// The replicas that the newest orders name.
    pub ordered: Vec<(TenantId, LsId)>,
    /// The replicas that are hosted.
    pub hosted: Vec<((TenantId, LsId), HostedState)>,
}

/// Why a replica does not count yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplicaLack {
    /// It was ordered a moment ago.
    NotStarted,
    /// It does not run.
    Stopped(Failure),
    /// It began empty and does not vote.
    NotMember(CaughtUp),
    /// It has not applied yet what was committed when it started.
    Behind(CaughtUp),
}

/// Why a worker cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// The scheduler's leader was not heard lately.
    NoScheduler(Option<Duration>),
    /// These replicas do not count yet.
    Replicas(Vec<((TenantId, LsId), ReplicaLack)>),
    /// Replicas are here, and none of them runs.
    NoneRuns(Failure),
}

impl fmt::Display for ReplicaLack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted => f.write_str("is not started yet"),
            Self::Stopped(failure) => write!(f, "does not run: {failure}"),
            Self::NotMember(CaughtUp::Behind { applied, goal }) => {
                write!(f, "began empty and catches up: entry {} of {goal}; it does not vote yet", applied.unwrap_or(0))
            }
            Self::NotMember(_) => f.write_str("began empty and waits for its leader; it does not vote yet"),
            Self::Behind(CaughtUp::Behind { applied, goal }) => {
                write!(f, "catches up: entry {} of {goal}", applied.unwrap_or(0))
            }
            Self::Behind(_) => f.write_str("has heard no leader since the start"),
        }
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheduler(None) => f.write_str("no leader of the schedulers has answered since the start"),
            Self::NoScheduler(Some(silence)) => {
                write!(f, "the leader of the schedulers was not heard for {:.1} s", silence.as_secs_f64())
            }
            Self::Replicas(lacks) => {
                write!(f, "{} replicas are not ready", lacks.len())?;
                for ((tenant, ls), lack) in lacks.iter().take(NAMED_MAX) {
                    write!(f, "; log stream {tenant}/{ls} {lack}")?;
                }
                if lacks.len() > NAMED_MAX { f.write_str("; and others") } else { Ok(()) }
            }
            Self::NoneRuns(failure) => write!(f, "not one replica of this worker runs: {failure}"),
        }
    }
}

/// Whether it can serve.
///
/// # Errors
/// Why it cannot.
pub(crate) fn readiness(seen: &Seen) -> Result<(), NotReady> {
    liveness(seen)?;
    if !hears_scheduler(seen) {
        return Err(NotReady::NoScheduler(seen.silence));
    }
    let lacks = lacks(seen);
    if lacks.is_empty() { Ok(()) } else { Err(NotReady::Replicas(lacks)) }
}

/// Whether the scheduler does not count this worker as unknown.
pub(crate) fn hears_scheduler(seen: &Seen) -> bool {
    seen.silence.is_some_and(|s| s < Duration::from_millis(WORKER_UNKNOWN_MS))
}

/// Whether any replica runs. Waiting for others is no reason to be restarted, and one bad replica is none either.
///
/// # Errors
/// Why not.
pub(crate) fn liveness(seen: &Seen) -> Result<(), NotReady> {
    let runs = seen.hosted.iter().any(|(_, state)| matches!(state, HostedState::Runs(_)));
    let stopped = seen.hosted.iter().find_map(|(_, state)| match state {
        HostedState::Stopped(failure) => Some(failure.clone()),
        HostedState::Waits | HostedState::Runs(_) => None,
    });
    match stopped {
        Some(failure) if !runs => Err(NotReady::NoneRuns(failure)),
        _ => Ok(()),
    }
}

/// The replicas that do not count yet. One that a restore has not rebuilt is no member of its log stream: it is not missed.
fn lacks(seen: &Seen) -> Vec<((TenantId, LsId), ReplicaLack)> {
    let state_of = |key: &(TenantId, LsId)| seen.hosted.iter().find(|(hosted, _)| hosted == key).map(|(_, s)| s);
    let lack = |key: &(TenantId, LsId)| match state_of(key) {
        None => Some(ReplicaLack::NotStarted),
        Some(HostedState::Waits) => None,
        Some(HostedState::Stopped(failure)) => Some(ReplicaLack::Stopped(failure.clone())),
        Some(HostedState::Runs(health)) if !health.is_full_member => Some(ReplicaLack::NotMember(health.caught_up)),
        Some(HostedState::Runs(health)) if health.caught_up != CaughtUp::Done => {
            Some(ReplicaLack::Behind(health.caught_up))
        }
        Some(HostedState::Runs(_)) => None,
    };
    seen.ordered.iter().filter_map(|key| lack(key).map(|lack| (*key, lack))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use strandline_engine_api::ReplicaHealth;
    use strandline_types::ErrorClass;

    const A: (TenantId, LsId) = (TenantId(1002), LsId(1));
    const B: (TenantId, LsId) = (TenantId(1002), LsId(1001));
    const BEHIND: CaughtUp = CaughtUp::Behind { applied: Some(3), goal: 9 };

    fn runs(is_full_member: bool, caught_up: CaughtUp) -> HostedState {
        HostedState::Runs(ReplicaHealth { is_full_member, caught_up })
    }

    fn failure() -> Failure {
        Failure::new(ErrorClass::Transient, "the replica has stopped: no space", "log stream 1002/1", "make room")
    }

    fn seen(a: HostedState) -> Seen {
        let hosted = vec![(A, a), (B, runs(true, CaughtUp::Done))];
        Seen { silence: Some(Duration::from_millis(200)), ordered: vec![A, B], hosted }
    }

    #[test]
    fn a_worker_is_ready_when_all_its_replicas_are_full_members_and_have_caught_up() {
        assert_eq!(readiness(&seen(runs(true, CaughtUp::Done))), Ok(()));
        assert_eq!(readiness(&seen(HostedState::Waits)), Ok(()), "a restore has not rebuilt it yet");
        let empty = Seen { silence: Some(Duration::ZERO), ..Seen::default() };
        assert_eq!(readiness(&empty), Ok(()), "nothing is ordered");
        let lacks = [
            (HostedState::Stopped(failure()), ReplicaLack::Stopped(failure())),
            (runs(false, BEHIND), ReplicaLack::NotMember(BEHIND)),
            (runs(false, CaughtUp::Done), ReplicaLack::NotMember(CaughtUp::Done)),
            (runs(true, BEHIND), ReplicaLack::Behind(BEHIND)),
            (runs(true, CaughtUp::Unknown), ReplicaLack::Behind(CaughtUp::Unknown)),
        ];
        for (state, lack) in lacks {
            let seen = seen(state);
            let why = readiness(&seen).unwrap_err();
            assert_eq!(why, NotReady::Replicas(vec![(A, lack)]));
            assert!(why.to_string().contains("log stream 1002/1 "), "{why}");
            assert_eq!(liveness(&seen), Ok(()), "the others serve");
        }
        let mut ordered = seen(runs(true, CaughtUp::Done));
        ordered.hosted.remove(1);
        assert_eq!(readiness(&ordered), Err(NotReady::Replicas(vec![(B, ReplicaLack::NotStarted)])));
    }

    #[test]
    fn a_worker_that_hears_no_scheduler_is_not_ready_and_not_dead() {
        for silence in [None, Some(Duration::from_millis(WORKER_UNKNOWN_MS))] {
            let seen = Seen { silence, ..seen(runs(true, CaughtUp::Done)) };
            assert_eq!(readiness(&seen), Err(NotReady::NoScheduler(silence)));
            assert_eq!(liveness(&seen), Ok(()));
        }
    }

    #[test]
    fn a_worker_of_which_no_replica_runs_is_dead() {
        let mut seen = seen(HostedState::Stopped(failure()));
        seen.hosted.remove(1);
        assert_eq!(liveness(&seen), Err(NotReady::NoneRuns(failure())));
        assert!(readiness(&seen).unwrap_err().to_string().contains("no space"));
    }
}
