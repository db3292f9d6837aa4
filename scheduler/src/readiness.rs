//! Whether a scheduler node can serve, and whether it is alive: pure judgements on what was seen of it.
//!
//! What a node once knew says nothing: a vote on disk names a leader that may be dead for days. So a leader counts only
//! while it is heard.

use crate::node::TIMING;
use std::fmt;
use std::time::Duration;
use strandline_consensus::{CaughtUp, FormWait, Health};
use strandline_types::Failure;

/// What was seen of a node at one moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The group on this node.
    pub health: Health,
    /// Its State says that this node leads in the present term.
    pub has_taken_lead: bool,
    /// Why a stopped group cannot be started anew.
    pub trouble: Option<Failure>,
    /// The cluster id of the configuration.
    pub configured_cluster: u64,
    /// The cluster id of the State; 0 = not given yet.
    pub cluster: u64,
}

/// Why a node cannot serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotReady {
    /// The group has stopped here, and is started anew.
    Stopped {
        /// What stopped it.
        why: String,
        /// Why it cannot be started anew yet.
        trouble: Option<String>,
    },
    /// The group is not formed.
    NotFormed(FormWait),
    /// The group belongs to another cluster than the configuration names.
    OtherCluster {
        /// By the configuration.
        configured: u64,
        /// By the State.
        own: u64,
    },
    /// No leader was heard lately.
    NoLeader {
        /// The last one that is known.
        last: Option<u64>,
        /// For how long it is silent; `None`: never heard since the start.
        silence: Option<Duration>,
    },
    /// It leads, and has not heard a majority lately.
    NoMajority {
        /// For how long; `None`: never in this term.
        silence: Option<Duration>,
    },
    /// It began empty, or lost log: it neither votes nor leads before it has caught up.
    NotMember {
        /// What it lost; `None` when it began empty.
        loss: Option<String>,
        /// How far it has come.
        caught_up: CaughtUp,
    },
    /// It has not applied yet what was committed when it started.
    Behind(CaughtUp),
    /// It leads and has not told the State yet.
    TakingLead,
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped { why, trouble: None } => {
                write!(f, "the scheduler group has stopped on this node and is started anew: {why}")
            }
            Self::Stopped { why, trouble: Some(trouble) } => {
                write!(
                    f,
                    "the scheduler group has stopped on this node ({why}) and cannot be started anew yet: {trouble}"
                )
            }
            Self::NotFormed(wait) => write!(f, "the scheduler group is not formed yet: {wait}"),
            Self::OtherCluster { configured, own } => {
                write!(f, "the configuration says cluster_id {configured}, the group is cluster {own}: correct it")
            }
            Self::NoLeader { last, silence } => {
                write!(f, "no leader was heard lately ({})", since(*silence))?;
                last.map_or(Ok(()), |id| write!(f, "; the last one known is node {id}"))
            }
            Self::NoMajority { silence } => {
                write!(f, "this node leads and hears no majority of the scheduler nodes ({})", since(*silence))
            }
            Self::NotMember { loss, caught_up } => {
                let began = loss.as_ref().map_or_else(
                    || "this node began empty".to_owned(),
                    |loss| format!("this node has lost log that it had ({loss})"),
                );
                match caught_up {
                    CaughtUp::Behind { applied, goal } => {
                        write!(f, "{began} and catches up: {} of {goal}", applied.unwrap_or(0))
                    }
                    _ => write!(f, "{began} and waits for a leader: it does not vote before"),
                }
            }
            Self::Behind(CaughtUp::Behind { applied, goal }) => {
                write!(f, "this node catches up: entry {} of {goal} is applied", applied.unwrap_or(0))
            }
            Self::Behind(_) => f.write_str("no leader has reported yet how far the group is"),
            Self::TakingLead => f.write_str("this node is about to take the lead"),
        }
    }
}

fn since(silence: Option<Duration>) -> String {
    silence.map_or_else(|| "never since the start".to_owned(), |s| format!("silent for {:.1} s", s.as_secs_f64()))
}

/// Whether it can serve statements; the leader, when it can.
///
/// # Errors
/// Why it cannot.
pub fn readiness(seen: &Seen) -> Result<u64, NotReady> {
    let h = &seen.health;
    if let Some(why) = &h.stopped {
        let trouble = seen.trouble.as_ref().map(ToString::to_string);
        return Err(NotReady::Stopped { why: why.clone(), trouble });
    }
    if let Some(wait) = &h.forming {
        return Err(NotReady::NotFormed(wait.clone()));
    }
    if seen.cluster != 0 && seen.cluster != seen.configured_cluster {
        return Err(NotReady::OtherCluster { configured: seen.configured_cluster, own: seen.cluster });
    }
    let is_heard = hears_leader(seen);
    if !is_heard && h.is_leader {
        return Err(NotReady::NoMajority { silence: h.silence });
    }
    if !h.is_full_member {
        return Err(NotReady::NotMember { loss: h.loss.clone(), caught_up: h.caught_up });
    }
    let Some(leader) = h.leader.filter(|_| is_heard) else {
        return Err(NotReady::NoLeader { last: h.leader, silence: h.silence });
    };
    if h.caught_up != CaughtUp::Done {
        return Err(NotReady::Behind(h.caught_up));
    }
    if h.is_leader && !seen.has_taken_lead {
        return Err(NotReady::TakingLead);
    }
    Ok(leader)
}

/// Whether the leader was heard lately; on the leader, a majority.
pub fn hears_leader(seen: &Seen) -> bool {
    seen.health.silence.is_some_and(|s| s <= TIMING.silence_max())
}

/// Whether the group runs here. Waiting for others is no reason to be restarted.
///
/// # Errors
/// Why not.
pub fn liveness(seen: &Seen) -> Result<(), NotReady> {
    match readiness(seen) {
        Err(dead @ NotReady::Stopped { .. }) => Err(dead),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;
    use strandline_types::ErrorClass;

    fn follower() -> Seen {
        let health = Health {
            stopped: None,
            forming: None,
            is_leader: false,
            leader: Some(2),
            term: 5,
            silence: Some(Duration::from_millis(90)),
            is_full_member: true,
            loss: None,
            caught_up: CaughtUp::Done,
        };
        Seen { health, has_taken_lead: false, trouble: None, configured_cluster: 7, cluster: 7 }
    }

    fn leader() -> Seen {
        let mut seen = follower();
        (seen.health.is_leader, seen.has_taken_lead) = (true, true);
        seen
    }

    fn but(mut seen: Seen, change: impl FnOnce(&mut Seen)) -> Result<u64, NotReady> {
        change(&mut seen);
        readiness(&seen)
    }

    #[test]
    fn a_node_is_ready_while_its_leader_or_its_majority_is_heard() {
        assert_eq!(readiness(&follower()), Ok(2));
        assert_eq!(readiness(&leader()), Ok(2));
        for silence in [None, Some(Duration::from_millis(1700)), Some(Duration::from_secs(90))] {
            let silent = |s: &mut Seen| s.health.silence = silence;
            assert_eq!(but(follower(), silent), Err(NotReady::NoLeader { last: Some(2), silence }));
            assert_eq!(but(leader(), silent), Err(NotReady::NoMajority { silence }));
        }
        let unknown = but(follower(), |s| s.health.leader = None);
        assert!(matches!(unknown, Err(NotReady::NoLeader { last: None, .. })), "{unknown:?}");
    }

    #[test]
    fn silence_is_noticed_within_two_seconds() {
        assert!(TIMING.silence_max() < Duration::from_secs(2));
    }

    #[test]
    fn a_node_that_is_behind_is_not_ready() {
        let behind = CaughtUp::Behind { applied: Some(13), goal: 41 };
        assert_eq!(but(follower(), |s| s.health.caught_up = behind), Err(NotReady::Behind(behind)));
        assert_eq!(but(leader(), |s| s.health.caught_up = behind), Err(NotReady::Behind(behind)));
        let unknown = CaughtUp::Unknown;
        assert_eq!(but(follower(), |s| s.health.caught_up = unknown), Err(NotReady::Behind(unknown)));
        let guarded = but(follower(), |s| (s.health.is_full_member, s.health.caught_up) = (false, behind));
        assert_eq!(guarded, Err(NotReady::NotMember { loss: None, caught_up: behind }));
        let bereft = but(follower(), |s| {
            (s.health.is_full_member, s.health.loss) = (false, Some("000007.log is damaged".to_owned()));
        });
        assert!(bereft.unwrap_err().to_string().contains("000007.log is damaged"));
        assert_eq!(but(leader(), |s| s.has_taken_lead = false), Err(NotReady::TakingLead));
    }

    #[test]
    fn a_group_that_is_not_formed_or_another_one_is_named() {
        let wait = FormWait::Silent(BTreeMap::from([(3, "connection refused".to_owned())]));
        let waits = but(follower(), |s| s.health.forming = Some(wait.clone())).unwrap_err();
        assert_eq!(waits, NotReady::NotFormed(wait));
        assert!(waits.to_string().contains("node 3 (connection refused)"), "{waits}");
        assert_eq!(
            but(follower(), |s| s.configured_cluster = 8),
            Err(NotReady::OtherCluster { configured: 8, own: 7 })
        );
        assert_eq!(but(follower(), |s| s.cluster = 0), Ok(2), "it has none yet");
    }

    #[test]
    fn only_a_group_that_has_stopped_makes_a_node_dead() {
        let dead = |seen: &mut Seen| seen.health.stopped = Some("No space left on device".into());
        for mut seen in [follower(), leader()] {
            dead(&mut seen);
            seen.trouble = Some(Failure::new(ErrorClass::Transient, "cannot open the log", "/d", "make room"));
            let why = liveness(&seen).unwrap_err().to_string();
            assert!(why.contains("No space left") && why.contains("cannot open the log"), "{why}");
            assert!(readiness(&seen).is_err());
        }
        let mut alone = leader();
        alone.health.silence = None;
        assert!(readiness(&alone).is_err());
        liveness(&alone).unwrap();
    }
}
