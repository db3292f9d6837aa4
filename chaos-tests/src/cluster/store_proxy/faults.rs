//! What goes wrong between a client and its object store, and which requests it meets. Pure.

use crate::sim::Rng;

/// What a request wants, on S3 or Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Bytes of an object.
    Get,
    /// What an object is.
    Head,
    /// Names: of objects, of uploads, of parts.
    List,
    /// A whole object.
    Put,
    /// A part of an object, or an append to one.
    Part,
    /// An object of parts begins.
    Create,
    /// It ends.
    Complete,
    /// It is given up.
    Abort,
    /// An object is copied by the store.
    Copy,
    /// Objects are deleted.
    Delete,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::List,
        Self::Put,
        Self::Part,
        Self::Create,
        Self::Complete,
        Self::Abort,
        Self::Copy,
        Self::Delete,
    ];

    /// The kind of a request with this method and query; `copies` = it names a source to copy from.
    #[must_use]
    pub fn of(method: &str, query: &str, copies: bool) -> Self {
        let parameter =
            |name: &str| query.split('&').find_map(|p| p.split('=').next().filter(|n| *n == name).map(|_| p));
        let is = |whole: &str| query.split('&').any(|p| p == whole);
        let lists = parameter("list-type").is_some() || is("comp=list") || is("comp=blocklist");
        match method {
            "HEAD" => Self::Head,
            "GET" if lists || parameter("uploads").is_some() || parameter("uploadId").is_some() => Self::List,
            "GET" => Self::Get,
            "PUT" if copies => Self::Copy,
            "PUT" if is("comp=blocklist") => Self::Complete,
            "PUT" if parameter("partNumber").is_some() || is("comp=block") || is("comp=appendblock") => Self::Part,
            "PUT" => Self::Put,
            "POST" if parameter("uploads").is_some() => Self::Create,
            "POST" if parameter("uploadId").is_some() => Self::Complete,
            "DELETE" if parameter("uploadId").is_some() => Self::Abort,
            _ => Self::Delete,
        }
    }

    /// True for requests that change what the store holds.
    #[must_use]
    pub const fn changes(self) -> bool {
        !matches!(self, Self::Get | Self::Head | Self::List)
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// It is done, and the answer never comes.
    Lost,
    /// It is not done, and the answer never comes.
    Dropped,
    /// It is done late.
    Late,
    /// It is done now, and once more a while later.
    Doubled,
    /// The connection ends in the middle of the answer.
    Cut,
    /// The answer ends early, and says that it is whole.
    Short,
    /// One bit of the bytes of an object is another.
    Flipped,
    /// A listing of a while ago.
    Stale,
    /// An object that is there is reported as missing.
    Missing,
    /// It is not done: 500, 503, 429 in turn.
    Refused,
    /// The bytes come one small piece after the other.
    Slow,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Lost,
        Self::Dropped,
        Self::Late,
        Self::Doubled,
        Self::Cut,
        Self::Short,
        Self::Flipped,
        Self::Stale,
        Self::Missing,
        Self::Refused,
        Self::Slow,
    ];

    /// Whether it can happen to such a request.
    #[must_use]
    pub const fn meets(self, kind: Kind) -> bool {
        match self {
            Self::Lost | Self::Dropped | Self::Late | Self::Refused => true,
            Self::Doubled => kind.changes(),
            Self::Cut | Self::Slow => matches!(kind, Kind::Get | Kind::List),
            Self::Short | Self::Flipped => matches!(kind, Kind::Get),
            Self::Missing => matches!(kind, Kind::Get | Kind::Head),
            Self::Stale => matches!(kind, Kind::List),
        }
    }
}

/// Which requests meet a fault.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// To which kinds.
    pub kinds: Vec<Kind>,
    /// To paths that hold this text.
    pub within: String,
    /// To so many of a thousand.
    pub per_mille: u64,
    /// So many are passed over first.
    pub after: u64,
    /// Not more often.
    pub times: u64,
}

impl Rule {
    /// A fault that meets so many of a thousand of all requests that it can meet.
    #[must_use]
    pub fn everywhere(fault: Fault, per_mille: u64) -> Self {
        let kinds = Kind::ALL.into_iter().filter(|kind| fault.meets(*kind)).collect();
        Self { fault, kinds, within: String::new(), per_mille, after: 0, times: u64::MAX }
    }
}

/// Rules with what is left of them.
#[derive(Debug)]
pub struct Plan {
    rules: Vec<Rule>,
    rng: Rng,
}

impl Plan {
    /// A plan; the same seed and the same requests give the same faults.
    #[must_use]
    pub const fn new(rules: Vec<Rule>, seed: u64) -> Self {
        Self { rules, rng: Rng::new(seed) }
    }

    /// The fault that meets a request: the first rule that does.
    pub fn fault(&mut self, kind: Kind, path: &str) -> Option<Fault> {
        for rule in &mut self.rules {
            if !rule.kinds.contains(&kind) || !path.contains(&rule.within) || rule.times == 0 {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            if self.rng.chance(rule.per_mille) {
                rule.times -= 1;
                return Some(rule.fault);
            }
        }
        None
    }

    /// A number in `[low, high)`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        self.rng.between(low, high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart_on_both_stores() {
        for (method, query, copies, kind) in [
            ("GET", "", false, Kind::Get),
            ("HEAD", "", false, Kind::Head),
            ("GET", "list-type=2&prefix=a%2F", false, Kind::List),
            ("GET", "uploads=", false, Kind::List),
            ("GET", "uploads", false, Kind::List),
            ("GET", "uploadId=7", false, Kind::List),
            ("PUT", "", false, Kind::Put),
            ("PUT", "", true, Kind::Copy),
            ("PUT", "partNumber=1&uploadId=7", false, Kind::Part),
            ("POST", "uploads", false, Kind::Create),
            ("POST", "uploadId=7", false, Kind::Complete),
            ("POST", "delete", false, Kind::Delete),
            ("DELETE", "", false, Kind::Delete),
            ("DELETE", "uploadId=7", false, Kind::Abort),
            ("GET", "restype=container&comp=list&prefix=a", false, Kind::List),
            ("GET", "comp=blocklist", false, Kind::List),
            ("PUT", "comp=block&blockid=x", false, Kind::Part),
            ("PUT", "comp=appendblock", false, Kind::Part),
            ("PUT", "comp=blocklist", false, Kind::Complete),
        ] {
            assert_eq!(Kind::of(method, query, copies), kind, "{method} {query}");
        }
    }

    #[test]
    fn a_rule_meets_what_it_names_so_often_and_nothing_else() {
        let kinds = vec![Kind::Get];
        let rule = Rule { fault: Fault::Cut, kinds, within: "log".to_owned(), per_mille: 1000, after: 1, times: 2 };
        let mut plan = Plan::new(vec![rule], 1);
        assert_eq!(plan.fault(Kind::Put, "/b/log/1"), None);
        assert_eq!(plan.fault(Kind::Get, "/b/data/1"), None);
        let met: Vec<_> = (0..4).map(|_| plan.fault(Kind::Get, "/b/log/1")).collect();
        assert_eq!(met, [None, Some(Fault::Cut), Some(Fault::Cut), None]);
    }

    #[test]
    fn every_fault_meets_something_and_chance_is_kept() {
        for fault in Fault::ALL {
            let rule = Rule::everywhere(fault, 50);
            assert!(!rule.kinds.is_empty(), "{fault:?}");
            let kind = rule.kinds[0];
            let mut plan = Plan::new(vec![rule], 7);
            let met = (0..10_000).filter(|_| plan.fault(kind, "/b/x").is_some()).count();
            assert!((350..650).contains(&met), "{fault:?}: {met} of 10000");
        }
    }
}
