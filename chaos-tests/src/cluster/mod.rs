//! A real cluster of real processes, with faults while it works.
//!
//! [`Site`] is the directory of one run. [`Writers`] write numbered keys and remember what was acknowledged, [`AckedPairs`]
//! does so for the one writer of a table, [`Registers`] are read and written by clients that note everything.
//! [`server_faults`] kill and pause servers, [`Links`] cut a worker off, a [`ClockStep`] moves clocks, a [`KillStep`] kills a
//! server at the n-th step that it takes on its files. A [`HoldingProxy`] holds requests to a store, a [`LossyProxy`] loses its
//! replies, a [`StoreProxy`] injects every other fault of a store.
//! [`Watch`] looks at the archive destination all the while, with the checkers of [`crate::invariants`]; [`Oracle`] says
//! what a restore must show; [`History`] is a random life of one tenant. Nothing here looks into a server: everything is
//! known from its ports, its process id and the medium.

mod acked_pairs;
mod clock_step;
pub mod copies;
mod event_log;
mod history;
mod holding_proxy;
pub mod jobs;
mod kill_step;
mod links;
mod lossy_proxy;
mod medium_tree;
mod oracle;
mod parts;
mod preload;
pub mod program;
pub mod readers;
mod registers;
pub mod server_faults;
mod site;
mod store_proxy;
mod watch;
mod writers;

pub use acked_pairs::AckedPairs;
pub use clock_step::ClockStep;
pub use event_log::EventLog;
pub use history::{History, Proof};
pub use holding_proxy::{Admission, HoldingProxy};
pub use kill_step::KillStep;
pub use links::{Links, Way};
pub use lossy_proxy::LossyProxy;
pub use medium_tree::MediumTree;
pub use oracle::Oracle;
pub use registers::Registers;
pub use site::Site;
pub use store_proxy::{Fault, Kind, Plan, Rule, StoreProxy};
pub use strandline_cli::Outcome;
pub use watch::{Sightings, Watch};
pub use writers::Writers;

use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waiting for something that has to come: bounded, and named when it does not.
#[derive(Clone, Debug)]
pub struct Patience {
    what: String,
    limit: Duration,
    deadline: Instant,
}

impl Patience {
    /// Waits at most `limit` for `what`.
    #[must_use]
    pub fn new(what: impl Into<String>, limit: Duration) -> Self {
        Self { what: what.into(), limit, deadline: Instant::now() + limit }
    }

    /// A short pause.
    ///
    /// # Errors
    /// The time is over; `seen` is what was there instead.
    pub async fn once_more(&self, seen: &str) -> Outcome<()> {
        if Instant::now() >= self.deadline {
            let what = format!("not within {:?}: {}", self.limit, self.what);
            return Err(Failure::new(ErrorClass::Transient, what, seen, "read the logs of the servers"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
        Ok(())
    }
}
