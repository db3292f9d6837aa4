//! Decides whether a new Raft group may be formed now, from the answers of all peers in one round of questions. Pure.
//!
//! A group forms once. An empty replica may have lost its disk, so nothing follows from its own emptiness. A peer has
//! *history* when it has more than the first entry of a group, or a mark that it had some. The first rule that holds
//! decides:
//!
//! 1. A peer is configured with other members or another cluster: wait, and say so.
//! 2. A peer has history: join its group, even if other peers are silent, and vote only after having caught up
//!    (`catch_up.rs`).
//! 3. A peer does not answer, or was not told its members yet: wait.
//! 4. This replica is no full member: become one, durably. Nothing can have been acknowledged yet.
//! 5. A peer has the first entry: the group was just formed; join it.
//! 6. A peer is no full member yet: wait.
//! 7. The replica with the lowest id forms the group. All are full members by then, so the first election finds a
//!    majority, also when everybody is killed right after the group was formed.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a replica says of itself when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Index of its last entry.
    pub last: Option<u64>,
    /// It has, or had, entries of a group.
    pub is_formed: bool,
    /// It votes.
    pub is_full: bool,
    /// The members that it was told; empty while it was told none.
    pub members: BTreeSet<u64>,
    /// The cluster that it was told.
    pub cluster: u64,
}

impl Standing {
    /// More than the entry that forms a group: others may have been told that something is committed.
    fn has_history(&self) -> bool {
        self.is_formed && self.last != Some(0)
    }

    fn is_empty(&self) -> bool {
        !self.is_formed && self.last.is_none()
    }
}

/// What came of asking one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing, and why.
    Silent(String),
    /// It spoke.
    Standing(Standing),
}

/// What to do after a round of questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Form the group.
    Form,
    /// Become a full member: there is nothing that could be lost.
    BecomeFull,
    /// There is a formed group: wait for its leader.
    Join,
    /// Ask again.
    Wait(FormWait),
}

/// Why a group is not formed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormWait {
    /// These peers did not answer, and why; all of them have to.
    Silent(BTreeMap<u64, String>),
    /// This peer was told other members.
    OtherMembers {
        /// The peer.
        peer: u64,
        /// Its members.
        theirs: BTreeSet<u64>,
    },
    /// This peer was told another cluster id.
    OtherCluster {
        /// The peer.
        peer: u64,
        /// Its cluster.
        theirs: u64,
    },
    /// These peers have answered and are not ready to vote yet.
    NotReady(BTreeSet<u64>),
    /// The peer with the lowest id forms the group.
    Lowest(u64),
}

impl fmt::Display for FormWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(why) => {
                f.write_str("every peer has to say once that it is empty too; no answer from ")?;
                let each: Vec<String> = why.iter().map(|(id, why)| format!("node {id} ({why})")).collect();
                f.write_str(&each.join(", "))
            }
            Self::OtherMembers { peer, theirs } => {
                let theirs: Vec<String> = theirs.iter().map(u64::to_string).collect();
                write!(f, "node {peer} names other peers: {}; correct the configuration", theirs.join(", "))
            }
            Self::OtherCluster { peer, theirs } => {
                write!(f, "node {peer} is configured for cluster {theirs}; correct the configuration")
            }
            Self::NotReady(peers) => {
                let peers: Vec<String> = peers.iter().map(u64::to_string).collect();
                write!(f, "these nodes are not ready to vote yet: {}", peers.join(", "))
            }
            Self::Lowest(id) => write!(f, "node {id} has the lowest id and forms the group"),
        }
    }
}

/// What the empty replica `me` does now. `answers` are of one round, one for every other member.
#[must_use]
pub fn decide(me: u64, own: &Standing, answers: &BTreeMap<u64, Answer>) -> Step {
    let answered =
        || answers.iter().filter_map(|(id, a)| if let Answer::Standing(s) = a { Some((*id, s)) } else { None });
    let told = || answered().filter(|(_, s)| !s.members.is_empty());
    if let Some((peer, s)) = told().find(|(_, s)| s.members != own.members) {
        return Step::Wait(FormWait::OtherMembers { peer, theirs: s.members.clone() });
    }
    if let Some((peer, s)) = told().find(|(_, s)| s.cluster != own.cluster) {
        return Step::Wait(FormWait::OtherCluster { peer, theirs: s.cluster });
    }
    if own.has_history() || answered().any(|(_, s)| s.has_history()) {
        return Step::Join;
    }
    let silent: BTreeMap<u64, String> = answers
        .iter()
        .filter_map(|(id, a)| if let Answer::Silent(why) = a { Some((*id, why.clone())) } else { None })
        .collect();
    if !silent.is_empty() {
        return Step::Wait(FormWait::Silent(silent));
    }
    let unready = |is_not: fn(&Standing) -> bool| -> BTreeSet<u64> {
        answered().filter(|(_, s)| is_not(s)).map(|(id, _)| id).collect()
    };
    let untold = unready(|s| s.members.is_empty());
    if !untold.is_empty() {
        return Step::Wait(FormWait::NotReady(untold));
    }
    if !own.is_full {
        return Step::BecomeFull;
    }
    if answered().any(|(_, s)| !s.is_empty()) {
        return Step::Join;
    }
    let unready = unready(|s| !s.is_full);
    match own.members.first() {
        _ if !unready.is_empty() => Step::Wait(FormWait::NotReady(unready)),
        Some(lowest) if *lowest != me => Step::Wait(FormWait::Lowest(*lowest)),
        _ => Step::Form,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Standing {
        Standing { members: BTreeSet::from([1, 2, 3]), cluster: 7, ..Standing::default() }
    }
    fn full() -> Standing {
        Standing { is_full: true, ..empty() }
    }
    /// The group was formed a moment ago; it had no leader yet.
    fn born() -> Standing {
        Standing { last: Some(0), is_formed: true, ..full() }
    }
    fn old() -> Standing {
        Standing { last: Some(3700), ..born() }
    }
    /// It lost its log, but not the mark.
    fn bereft() -> Standing {
        Standing { last: None, is_full: false, ..born() }
    }
    fn silent() -> Answer {
        Answer::Silent("connection refused".into())
    }
    fn answered(s: Standing) -> Answer {
        Answer::Standing(s)
    }
    fn at(me: u64, own: Standing, others: [Answer; 2]) -> Step {
        let ids = [1, 2, 3].into_iter().filter(|id| *id != me);
        decide(me, &own, &ids.zip(others).collect())
    }
    fn waits_for(ids: &[u64]) -> Step {
        Step::Wait(FormWait::Silent(ids.iter().map(|id| (*id, "connection refused".into())).collect()))
    }

    #[test]
    fn a_group_is_formed_only_when_every_peer_said_that_it_is_empty() {
        for me in [1, 2, 3] {
            let others: Vec<u64> = [1, 2, 3].into_iter().filter(|id| *id != me).collect();
            assert_eq!(at(me, empty(), [silent(), silent()]), waits_for(&others));
            assert_eq!(at(me, full(), [answered(full()), silent()]), waits_for(&others[1..]));
            assert_eq!(at(me, full(), [silent(), answered(full())]), waits_for(&others[..1]));
            assert_eq!(at(me, empty(), [answered(empty()), answered(empty())]), Step::BecomeFull);
        }
        assert_eq!(at(1, full(), [answered(full()), answered(full())]), Step::Form);
        assert_eq!(at(2, full(), [answered(full()), answered(full())]), Step::Wait(FormWait::Lowest(1)));
    }

    #[test]
    fn it_is_formed_only_when_everybody_would_vote() {
        let wait = |ids: &[u64]| Step::Wait(FormWait::NotReady(ids.iter().copied().collect()));
        assert_eq!(at(1, full(), [answered(full()), answered(empty())]), wait(&[3]));
        let untold = Standing { members: BTreeSet::new(), ..empty() };
        assert_eq!(at(1, empty(), [answered(untold.clone()), answered(untold)]), wait(&[2, 3]));
    }

    #[test]
    fn a_lost_disk_never_makes_a_second_group() {
        for me in [1, 2, 3] {
            for other in [empty(), full(), old(), bereft()] {
                for history in [old(), bereft()] {
                    assert_eq!(at(me, empty(), [answered(history.clone()), answered(other.clone())]), Step::Join);
                    assert_eq!(at(me, empty(), [answered(other.clone()), answered(history.clone())]), Step::Join);
                    assert_eq!(at(me, full(), [answered(other.clone()), answered(history.clone())]), Step::Join);
                    assert_eq!(at(me, empty(), [silent(), answered(history.clone())]), Step::Join);
                }
            }
            for own in [bereft(), old()] {
                assert_eq!(
                    at(me, own, [answered(empty()), answered(empty())]),
                    Step::Join,
                    "the directory says so itself"
                );
            }
        }
    }

    #[test]
    fn a_group_that_was_born_a_moment_ago_finds_its_voters() {
        assert_eq!(at(2, empty(), [answered(born()), answered(empty())]), Step::BecomeFull);
        assert_eq!(at(2, empty(), [answered(born()), silent()]), waits_for(&[3]), "the third one may know more");
        assert_eq!(at(2, full(), [answered(born()), answered(full())]), Step::Join);
    }

    #[test]
    fn nodes_that_were_told_different_things_form_nothing() {
        let two = Standing { members: BTreeSet::from([1, 2]), ..full() };
        let theirs = BTreeSet::from([1, 2]);
        let wait = Step::Wait(FormWait::OtherMembers { peer: 2, theirs });
        assert_eq!(at(1, full(), [answered(two), answered(full())]), wait);
        let other = Standing { cluster: 8, ..full() };
        assert_eq!(
            at(1, full(), [answered(full()), answered(other)]),
            Step::Wait(FormWait::OtherCluster { peer: 3, theirs: 8 })
        );
    }

    #[test]
    fn a_group_of_one_has_nobody_to_ask() {
        let own = Standing { members: BTreeSet::from([1]), ..Standing::default() };
        assert_eq!(decide(1, &own, &BTreeMap::new()), Step::BecomeFull);
        assert_eq!(decide(1, &Standing { is_full: true, ..own }, &BTreeMap::new()), Step::Form);
    }

    #[test]
    fn a_user_reads_who_does_not_answer_and_why() {
        let Step::Wait(wait) = at(1, empty(), [answered(empty()), silent()]) else { panic!("it has to wait") };
        assert_eq!(
            wait.to_string(),
            "every peer has to say once that it is empty too; no answer from node 3 (connection refused)"
        );
    }
}
