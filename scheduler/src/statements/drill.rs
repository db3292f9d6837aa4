//! Statements about restore drills.

use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use crate::sql::cursor::Cursor;
use crate::sql::quantities::span_ms;
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_scheduler_core::state::JobKind;
use strandline_types::Failure;

pub const RUN: Syntax = Syntax {
    words: &["ALTER SYSTEM RUN RESTORE DRILL"],
    rest: "[TENANT = <tenant>]",
    about: "Restores the tenant's newest backup into a tenant of its own, compares both and drops it.",
    parse: |c| parse(c, DrillChange::Run),
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL RESTORE DRILL"],
    rest: "[TENANT = <tenant>]",
    about: "Ends the tenant's drill.",
    parse: |c| parse(c, DrillChange::Cancel),
};

pub const SET_INTERVAL: Syntax = Syntax {
    words: &["ALTER SYSTEM SET RESTORE_DRILL_INTERVAL"],
    rest: "= '<n>d|h|m|s' [TENANT = <tenant>]",
    about: "Runs a drill after each such span of time; '0' switches it off.",
    parse: |c| {
        let interval_ms = span_ms(&c.text_value("a text '<n>d|h|m|s' or '0'")?)?;
        parse(c, DrillChange::Every { interval_ms })
    },
};

pub const SET_SCHEDULE: Syntax = Syntax {
    words: &["ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE"],
    rest: "= '<cron>' [TIME ZONE = '<zone>'] [TENANT = <tenant>]",
    about: "Runs drills at these times; '' switches it off.",
    parse: |c| {
        let cron = c.trimmed_value("a cron text '<minute> <hour> <day> <month> <weekday>', or ''")?;
        let time_zone = if c.accept("TIME") { c.zone_value()? } else { "UTC".to_owned() };
        parse(c, DrillChange::At { cron, time_zone })
    },
};

/// A statement about restore drills.
#[derive(Debug, PartialEq, Eq)]
pub struct DrillRequest {
    /// The tenant whose backup is restored.
    pub tenant: Option<String>,
    /// What changes.
    pub change: DrillChange,
}

/// What changes about restore drills.
#[derive(Debug, PartialEq, Eq)]
pub enum DrillChange {
    /// `RUN RESTORE DRILL`.
    Run,
    /// `SET RESTORE_DRILL_INTERVAL`.
    Every {
        /// Milliseconds; 0 = never by itself.
        interval_ms: u64,
    },
    /// `SET RESTORE_DRILL_SCHEDULE`.
    At {
        /// Cron text; the empty text clears it.
        cron: String,
        /// IANA name.
        time_zone: String,
    },
    /// `CANCEL RESTORE DRILL`.
    Cancel,
}

fn parse(c: &mut Cursor<'_>, change: DrillChange) -> Result<Statement, Failure> {
    let tenant = c.tenant_clause()?;
    Statement::command(c, DrillRequest { tenant, change })
}

#[async_trait]
impl Command for DrillRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let change = self.change;
        let action = |tenant| match change {
            DrillChange::Run => Action::StartDrill { tenant, last_ms: None },
            DrillChange::Every { interval_ms } => Action::SetDrillInterval { tenant, interval_ms },
            DrillChange::At { cron, time_zone } => Action::SetDrillSchedule { tenant, cron, time_zone },
            DrillChange::Cancel => Action::CancelJob { kind: JobKind::Drill, tenant },
        };
        cx.act_for(self.tenant.as_deref(), action).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn drills_are_run_planned_and_cancelled() {
        let at = |cron: &str, zone: &str| DrillChange::At { cron: cron.into(), time_zone: zone.into() };
        for (text, change) in [
            ("ALTER SYSTEM RUN RESTORE DRILL TENANT = t", DrillChange::Run),
            ("ALTER SYSTEM CANCEL RESTORE DRILL TENANT = t", DrillChange::Cancel),
            (
                "ALTER SYSTEM SET RESTORE_DRILL_INTERVAL = '1d' TENANT = t",
                DrillChange::Every { interval_ms: 86_400_000 },
            ),
            ("ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE = '0 4 * * 0' TENANT = t", at("0 4 * * 0", "UTC")),
            (
                "ALTER SYSTEM SET RESTORE_DRILL_SCHEDULE '' TIME ZONE 'Europe/Berlin' TENANT = t",
                at("", "Europe/Berlin"),
            ),
        ] {
            assert_eq!(command(text), Ok(DrillRequest { tenant: Some("t".into()), change }), "{text}");
        }
    }
}
