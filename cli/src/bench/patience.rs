//! Waiting of a bench: with a deadline, and not in silence: what holds the archive up is told while it is waited for.

use crate::Outcome;
use crate::admin::Admin;
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

/// What holds it up is told this often.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// One wait.
#[derive(Debug)]
pub struct Patience {
    what: &'static str,
    longest: Duration,
    began: Instant,
    message: Instant,
}

impl Patience {
    /// Waits for `what`, for so long.
    pub fn new(what: &'static str, longest: Duration) -> Self {
        let now = Instant::now();
        Self { what, longest, began: now, message: now }
    }

    /// Says why it waits, now and then.
    ///
    /// # Errors
    /// `Transient` with the reason once it has waited long enough.
    pub async fn look(&mut self, admin: &mut Admin, dest: &str) -> Outcome<()> {
        let is_over = self.began.elapsed() > self.longest;
        if !is_over && self.message.elapsed() < SAY_EVERY {
            return Ok(());
        }
        self.message = Instant::now();
        let why = reasons(admin).await;
        if !is_over {
            eprintln!("bench: waits for {}, {:.0} s so far: {why}", self.what, self.began.elapsed().as_secs_f64());
            return Ok(());
        }
        let what = format!("waited for {} for {:?} in vain: {why}", self.what, self.longest);
        Err(Failure::new(ErrorClass::Transient, what, dest, "choose a smaller --ingest-mb-s, or read the reason above"))
    }
}

/// What the views say: the state of the round, and everything that waits.
async fn reasons(admin: &mut Admin) -> String {
    let mut reasons = Vec::new();
    match admin.query("SELECT STATUS, COMMENT FROM CDB_OB_ARCHIVELOG").await {
        Ok(round) => reasons.push(format!("the round is {} {}", round.text(0, "STATUS"), round.text(0, "COMMENT"))),
        Err(failure) => reasons.push(failure.to_string()),
    }
    if let Ok(waiting) = admin.query("SELECT WHAT, WAITING_ON FROM CDB_STRANDLINE_WAITING").await {
        let row = |n| format!("{} waits for {}", waiting.text(n, "WHAT"), waiting.text(n, "WAITING_ON"));
        reasons.extend((0..waiting.len()).map(row));
    }
    reasons.join("; ").trim_end().to_owned()
}
