//! `ADD DELETE BACKUP POLICY` and `DROP DELETE BACKUP POLICY`.

use super::previews;
use crate::clock;
use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use crate::sql::quantities::span_ms;
use crate::sql::select::Rows;
use crate::statements::answer::clamp;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Read, Statement, Syntax};
use async_trait::async_trait;
use strandline_catalogue::retention::Policy;
use strandline_scheduler_core::{Action, views};
use strandline_types::{ErrorClass, Failure};

pub const ADD: Syntax = Syntax {
    words: &["ALTER SYSTEM ADD DELETE BACKUP POLICY"],
    rest: "= 'default' | 'log_only' [RECOVERY_WINDOW = '<n>d|h|m'] [REDUNDANCY = <n>] [BACKUP_COPIES = 1] \
           [KEEP_WEEKLY = <n>] [KEEP_MONTHLY = <n>] [KEEP_YEARLY = <n>] [TENANT = <tenant>, … | all] [PREVIEW]",
    about: "Sets what the tenants keep; PREVIEW shows what the policy would delete, and why, and deletes nothing.",
    parse: parse_add,
};

pub const DROP: Syntax = Syntax {
    words: &["ALTER SYSTEM DROP DELETE BACKUP POLICY"],
    rest: "= 'default' | 'log_only' [TENANT = <tenant>, … | all]",
    about: "Drops the policy of the tenants: nothing expires any more.",
    parse: |c| {
        let name = c.word_value(NAMES)?;
        let tenants = c.tenants_clause()?;
        Statement::command(c, DropPolicy { tenants, name })
    },
};

const NAMES: &str = "'default' or 'log_only'";

/// `ADD DELETE BACKUP POLICY`.
#[derive(Debug, PartialEq, Eq)]
pub struct AddPolicy {
    /// The tenants.
    pub tenants: Tenants,
    /// What they keep.
    pub policy: Policy,
}

/// `ADD DELETE BACKUP POLICY … PREVIEW`.
#[derive(Debug, PartialEq, Eq)]
pub struct PolicyPreview(pub AddPolicy);

/// `DROP DELETE BACKUP POLICY`.
#[derive(Debug, PartialEq, Eq)]
pub struct DropPolicy {
    /// The tenants.
    pub tenants: Tenants,
    /// Its name.
    pub name: String,
}

fn parse_add(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let log_only = is_log_only(&c.word_value(NAMES)?)?;
    let mut policy = Policy { window_ns: 0, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0, log_only };
    loop {
        if c.option("RECOVERY_WINDOW")? {
            let window_ms = span_ms(&c.text_value("a text '<n>d|h|m' or '0'")?)?;
            policy.window_ns = window_ms.saturating_mul(1_000_000);
        } else if c.option("REDUNDANCY")? {
            policy.redundancy = count(c)?;
        } else if c.option("BACKUP_COPIES")? {
            one_copy(count(c)?)?;
        } else if c.option("KEEP_WEEKLY")? {
            policy.keep_weekly = count(c)?;
        } else if c.option("KEEP_MONTHLY")? {
            policy.keep_monthly = count(c)?;
        } else if c.option("KEEP_YEARLY")? {
            policy.keep_yearly = count(c)?;
        } else {
            break;
        }
    }
    let add = AddPolicy { tenants: c.tenants_clause()?, policy };
    if c.accept("PREVIEW") {
        return Statement::read(c, PolicyPreview(add));
    }
    Statement::command(c, add)
}

fn is_log_only(name: &str) -> Result<bool, Failure> {
    match name.to_ascii_lowercase().as_str() {
        "default" => Ok(false),
        "log_only" => Ok(true),
        _ => {
            let what = format!("'{name}' is not a delete policy");
            Err(Failure::new(ErrorClass::Invalid, what, name, "use 'default' or 'log_only'"))
        }
    }
}

/// As in the original there is one copy; another number would do nothing.
fn one_copy(copies: u32) -> Result<(), Failure> {
    if copies <= 1 {
        return Ok(());
    }
    let what = format!("BACKUP_COPIES = {copies} is not supported");
    let todo = "leave it out; a second archive destination keeps a second copy of the log";
    Err(Failure::new(ErrorClass::Invalid, what, "DELETE BACKUP POLICY", todo).with_code(NOT_SUPPORTED_CODE))
}

fn count(c: &mut Cursor<'_>) -> Result<u32, Failure> {
    c.number_value("a number").map(clamp)
}

#[async_trait]
impl Command for AddPolicy {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let policy = self.policy;
        cx.for_each(&self.tenants, |tenant| Action::AddCleanPolicy { tenant, policy }).await
    }
}

#[async_trait]
impl Read for PolicyPreview {
    async fn rows(&self, cx: &Context<'_>) -> Result<Rows, Failure> {
        let Self(AddPolicy { tenants, policy }) = self;
        let now_ms = clock::now().as_ms();
        previews(cx, tenants, |tenant| cx.node.read(|s| views::policy_preview(s, tenant, policy, now_ms)))
    }
}

#[async_trait]
impl Command for DropPolicy {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        cx.for_each(&self.tenants, |tenant| Action::DropCleanPolicy { tenant, name: self.name.clone() }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::{command, read};

    #[test]
    fn policies_are_added_previewed_and_dropped() {
        let (hour_ns, none) = (3_600_000_000_000, 0);
        let policy = Policy {
            window_ns: 7 * 24 * hour_ns,
            redundancy: 2,
            keep_weekly: none,
            keep_monthly: 12,
            keep_yearly: none,
            log_only: false,
        };
        let text = "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'default' RECOVERY_WINDOW = '7d' REDUNDANCY = 2 KEEP_MONTHLY 12 \
                    TENANT = t";
        assert_eq!(command(text), Ok(AddPolicy { tenants: Tenants::Named(vec!["t".into()]), policy }));
        let policy = Policy { window_ns: hour_ns, redundancy: 1, keep_monthly: none, log_only: true, ..policy };
        let text = "ALTER SYSTEM ADD DELETE BACKUP POLICY = 'log_only' RECOVERY_WINDOW = '1h' PREVIEW";
        assert_eq!(read(text), Ok(PolicyPreview(AddPolicy { tenants: Tenants::Session, policy })));
        let drop = DropPolicy { tenants: Tenants::Session, name: "default".into() };
        assert_eq!(command("ALTER SYSTEM DROP DELETE BACKUP POLICY = 'default'"), Ok(drop));
    }
}
