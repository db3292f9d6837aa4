//! `BACKUP SCHEDULE`: set, enable, disable and drop the schedule of a tenant's backups.

use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::state::{MissedRun, SchedulePlan};
use strandline_scheduler_core::{Action, ScheduleChange};
use strandline_types::{ErrorClass, Failure};

const TENANTS: &str = "[TENANT = <tenant>, … | all]";
/// `WEEKLY`: a full set on Saturday, incremental ones on Tuesday and Thursday, at two in the night.
const WEEKLY_FULL: &str = "0 2 * * 6";
const WEEKLY_INCREMENTAL: &str = "0 2 * * 2,4";

pub const SET: Syntax = Syntax {
    words: &["ALTER SYSTEM SET BACKUP SCHEDULE"],
    rest: "[WEEKLY] [FULL = '<cron>'] [INCREMENTAL = '<cron>'] [SYNTHETIC = '<cron>'] [TIME ZONE = '<zone>'] \
           [MISSED RUN = RUN_ONCE | SKIP] [PLUS ARCHIVELOG] [ENCRYPTION KEY = 'file:<path>' | 'command:<path>'] \
           [ENABLE | DISABLE] [TENANT = <tenant>, … | all]",
    about: "Sets when backups run; it is off until it is enabled.",
    parse: parse_set,
};

pub const ENABLE: Syntax = Syntax {
    words: &["ALTER SYSTEM ENABLE BACKUP SCHEDULE"],
    rest: TENANTS,
    about: "Switches the schedule on.",
    parse: |c| change(c, ScheduleChange::Enable(true)),
};

pub const DISABLE: Syntax = Syntax {
    words: &["ALTER SYSTEM DISABLE BACKUP SCHEDULE"],
    rest: TENANTS,
    about: "Switches the schedule off and keeps it.",
    parse: |c| change(c, ScheduleChange::Enable(false)),
};

pub const DROP: Syntax = Syntax {
    words: &["ALTER SYSTEM DROP BACKUP SCHEDULE"],
    rest: TENANTS,
    about: "Drops the schedule.",
    parse: |c| change(c, ScheduleChange::Drop),
};

/// A change of a backup schedule.
#[derive(Debug, PartialEq, Eq)]
pub struct ChangeSchedule {
    /// The tenants.
    pub tenants: Tenants,
    /// What changes.
    pub change: ScheduleChange,
}

fn parse_set(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
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
            plan.time_zone = c.zone_value()?;
        } else if c.option("MISSED")? {
            c.need("RUN")?;
            plan.missed = missed(&c.word_value("RUN_ONCE or SKIP")?)?;
        } else if c.option("PLUS")? {
            c.need("ARCHIVELOG")?;
            plan.plus_archivelog = true;
        } else if c.option("ENCRYPTION")? {
            c.need("KEY")?;
            plan.key_source =
                c.text_value("a text that says where the password is: 'file:/path' or 'command:/path'")?;
        } else if c.accept("ENABLE") {
            enable = true;
        } else if c.accept("DISABLE") {
            enable = false;
        } else {
            break;
        }
    }
    strandline_scheduler_core::check_schedule(&plan)?;
    change(c, ScheduleChange::Set { plan, enable })
}

fn change(c: &mut Cursor<'_>, change: ScheduleChange) -> Result<Statement, Failure> {
    let tenants = c.tenants_clause()?;
    Statement::command(c, ChangeSchedule { tenants, change })
}

fn cron(c: &mut Cursor<'_>) -> Result<String, Failure> {
    c.trimmed_value("a cron text '<minute> <hour> <day> <month> <weekday>'")
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

#[async_trait]
impl Command for ChangeSchedule {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let action = |tenant| Action::ChangeSchedule { tenant, change: self.change.clone() };
        cx.for_each(&self.tenants, action).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    fn set(tenants: Tenants, plan: SchedulePlan, enable: bool) -> ChangeSchedule {
        ChangeSchedule { tenants, change: ScheduleChange::Set { plan, enable } }
    }

    #[test]
    fn a_schedule_is_set_and_switched() {
        let weekly = SchedulePlan {
            full: "0 2 * * 6".into(),
            incremental: "0 2 * * 2,4".into(),
            time_zone: "Europe/Berlin".into(),
            missed: MissedRun::Skip,
            ..SchedulePlan::default()
        };
        let daily = SchedulePlan {
            full: "5 3 * * *".into(),
            time_zone: "UTC".into(),
            plus_archivelog: true,
            key_source: "file:/k".into(),
            ..SchedulePlan::default()
        };
        for (text, expected) in [
            (
                "ALTER SYSTEM SET BACKUP SCHEDULE WEEKLY TIME ZONE = 'Europe/Berlin' MISSED RUN = SKIP ENABLE TENANT = t1",
                set(Tenants::Named(vec!["t1".into()]), weekly, true),
            ),
            (
                "ALTER SYSTEM SET BACKUP SCHEDULE FULL = '5 3 * * *' PLUS ARCHIVELOG ENCRYPTION KEY = 'file:/k'",
                set(Tenants::Session, daily, false),
            ),
            (
                "ALTER SYSTEM DISABLE BACKUP SCHEDULE",
                ChangeSchedule { tenants: Tenants::Session, change: ScheduleChange::Enable(false) },
            ),
            (
                "ALTER SYSTEM DROP BACKUP SCHEDULE TENANT = ALL",
                ChangeSchedule { tenants: Tenants::All, change: ScheduleChange::Drop },
            ),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
    }
}
