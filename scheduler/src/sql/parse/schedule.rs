//! Backup schedules:
//!
//! ```text
//! ALTER SYSTEM SET BACKUP SCHEDULE
//!     [WEEKLY] [FULL = '<cron>'] [INCREMENTAL = '<cron>'] [SYNTHETIC = '<cron>']
//!     [TIME ZONE = '<zone>'] [MISSED RUN = RUN_ONCE | SKIP] [PLUS ARCHIVELOG]
//!     [ENCRYPTION KEY = 'file:/path' | 'command:/path'] [ENABLE | DISABLE] [TENANT = t,…]
//! ALTER SYSTEM ENABLE | DISABLE | DROP BACKUP SCHEDULE [TENANT = t,…]
//! ```

use super::{ended, tenants_clause};
use crate::sql::cursor::Cursor;
use crate::sql::request::AdminRequest;
use strandline_scheduler_core::ScheduleChange;
use strandline_scheduler_core::state::{MissedRun, SchedulePlan};
use strandline_types::{ErrorClass, Failure};

/// `WEEKLY`: a full set on Saturday, incremental ones on Tuesday and Thursday, at two in the night.
const WEEKLY_FULL: &str = "0 2 * * 6";
const WEEKLY_INCREMENTAL: &str = "0 2 * * 2,4";

/// After `SET BACKUP`.
pub(super) fn set(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("SCHEDULE")?;
    let mut plan = SchedulePlan { time_zone: "UTC".to_owned(), ..SchedulePlan::default() };
    let mut enable = false;
    loop {
        if c.option("WEEKLY")? {
            plan.full = WEEKLY_FULL.to_owned();
            plan.incremental = WEEKLY_INCREMENTAL.to_owned();
        } else if c.option("FULL")? {
            plan.full = cron(c)?;
        } else if c.option("INCREMENTAL")? {
            plan.incremental = cron(c)?;
        } else if c.option("SYNTHETIC")? {
            plan.synthetic = cron(c)?;
        } else if c.option("TIME")? {
            c.need("ZONE")?;
            c.optional_equals();
            plan.time_zone = c.text("a text with the time zone")?;
        } else if c.option("MISSED")? {
            c.need("RUN")?;
            c.optional_equals();
            plan.missed = missed(&c.text_or_word("RUN_ONCE or SKIP")?)?;
        } else if c.option("PLUS")? {
            c.need("ARCHIVELOG")?;
            plan.plus_archivelog = true;
        } else if c.option("ENCRYPTION")? {
            c.need("KEY")?;
            c.optional_equals();
            plan.key_source = c.text("a text that says where the password is: 'file:/path' or 'command:/path'")?;
        } else if c.accept("ENABLE") {
            enable = true;
        } else if c.accept("DISABLE") {
            enable = false;
        } else {
            break;
        }
    }
    strandline_scheduler_core::check_schedule(&plan)?;
    let tenants = tenants_clause(c)?;
    ended(c, AdminRequest::Schedule { tenants, change: ScheduleChange::Set { plan, enable } })
}

/// After `ENABLE`, `DISABLE` or `DROP`, when `BACKUP` stands there.
pub(super) fn change(c: &mut Cursor<'_>, change: ScheduleChange) -> Result<AdminRequest, Failure> {
    c.need("SCHEDULE")?;
    let tenants = tenants_clause(c)?;
    ended(c, AdminRequest::Schedule { tenants, change })
}

fn cron(c: &mut Cursor<'_>) -> Result<String, Failure> {
    c.optional_equals();
    Ok(c.text("a cron text '<minute> <hour> <day> <month> <weekday>'")?.trim().to_owned())
}

fn missed(word: &str) -> Result<MissedRun, Failure> {
    match word.to_ascii_uppercase().as_str() {
        "RUN_ONCE" => Ok(MissedRun::RunOnce),
        "SKIP" => Ok(MissedRun::Skip),
        _ => {
            let what = format!("'{word}' is not a policy for missed runs");
            Err(Failure::new(ErrorClass::Invalid, what, word, "write RUN_ONCE or SKIP"))
        }
    }
}
