//! One bound on memory, shared fairly: each owner may hold its share, and an owner that hangs never holds another's.
//!
//! An owner that holds nothing always gets what it asks for, even if that is more than its share: progress of everyone
//! goes before the bound, which is then exceeded by at most one request per owner. Requests of one owner are served in
//! the order in which they came.

use std::collections::{BTreeMap, VecDeque};

/// One request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

#[derive(Debug)]
struct Waiting<O> {
    ticket: Ticket,
    owner: O,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Owner {
    held: usize,
    users: usize,
}

/// The bound and who holds what of it.
#[derive(Debug)]
pub struct Budget<O> {
    total: usize,
    held: usize,
    owners: BTreeMap<O, Owner>,
    waiting: VecDeque<Waiting<O>>,
    next: u64,
}

impl<O: Ord + Copy> Budget<O> {
    /// A budget of `total` bytes.
    #[must_use]
    pub const fn new(total: usize) -> Self {
        Self { total, held: 0, owners: BTreeMap::new(), waiting: VecDeque::new(), next: 0 }
    }

    /// One more user of this owner; an owner with users has a share.
    pub fn join(&mut self, owner: O) {
        self.owners.entry(owner).or_default().users += 1;
    }

    /// One user less.
    pub fn leave(&mut self, owner: O) {
        if let Some(of) = self.owners.get_mut(&owner) {
            of.users = of.users.saturating_sub(1);
            if of.users == 0 && of.held == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    /// Bytes that are held in all.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// What each owner may hold.
    #[must_use]
    pub fn share(&self) -> usize {
        self.total / self.owners.values().filter(|o| o.users > 0).count().max(1)
    }

    /// Asks for bytes; [`Budget::grant`] says when they are there.
    pub fn ask(&mut self, owner: O, bytes: usize) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back(Waiting { ticket, owner, bytes });
        ticket
    }

    /// Takes a request back that was not granted yet.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.waiting.retain(|w| w.ticket != ticket);
    }

    /// The requests that may go on now.
    pub fn grant(&mut self) -> Vec<Ticket> {
        let (mut granted, mut kept, mut blocked) = (Vec::new(), VecDeque::new(), Vec::new());
        while let Some(request) = self.waiting.pop_front() {
            if !blocked.contains(&request.owner) && self.may_hold(request.owner, request.bytes) {
                self.owners.entry(request.owner).or_default().held += request.bytes;
                self.held += request.bytes;
                granted.push(request.ticket);
            } else {
                blocked.push(request.owner);
                kept.push_back(request);
            }
        }
        self.waiting = kept;
        granted
    }

    /// Gives back what was granted.
    pub fn give_back(&mut self, owner: O, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
        if let Some(of) = self.owners.get_mut(&owner) {
            of.held = of.held.saturating_sub(bytes);
            if of.users == 0 && of.held == 0 {
                self.owners.remove(&owner);
            }
        }
    }

    fn may_hold(&self, owner: O, bytes: usize) -> bool {
        let held = self.owners.get(&owner).map_or(0, |o| o.held);
        held == 0 || (held + bytes <= self.share() && self.held + bytes <= self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(owners: &[u64]) -> Budget<u64> {
        let mut budget = Budget::new(100);
        owners.iter().for_each(|o| budget.join(*o));
        budget
    }

    #[test]
    fn an_owner_that_hangs_never_holds_anothers_share() {
        let mut b = budget(&[1, 2]);
        let tickets: Vec<Ticket> = (0..4).map(|_| b.ask(1, 25)).collect();
        assert_eq!(b.grant(), tickets[..2], "half of it, and it never gives it back");
        let other = b.ask(2, 25);
        assert_eq!(b.grant(), [other]);
        assert_eq!((b.held(), b.share()), (75, 50));
        b.give_back(2, 25);
        b.leave(2);
        assert_eq!(b.grant(), tickets[2..], "alone it has everything");
    }

    #[test]
    fn requests_of_one_owner_are_served_in_order_and_one_always_gets_through() {
        let mut b = budget(&[1, 2, 3]);
        let (large, small) = (b.ask(1, 300), b.ask(1, 1));
        assert_eq!(b.grant(), [large], "an owner with nothing gets even more than there is");
        b.give_back(1, 300);
        assert_eq!(b.grant(), [small]);
        let (large, behind) = (b.ask(1, 50), b.ask(1, 1));
        assert_eq!(b.grant(), [], "no request overtakes");
        b.cancel(large);
        assert_eq!(b.grant(), [behind]);
        b.give_back(1, 2);
        assert_eq!(b.held(), 0);
    }
}
