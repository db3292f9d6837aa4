//! `ARCHIVELOG` and `NOARCHIVELOG`: begin and end the archive of a tenant.

use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::Failure;

const REST: &str = "[TENANT = <tenant>, … | all] [DESCRIPTION = '<text>']";

pub const ON: Syntax = Syntax {
    words: &["ALTER SYSTEM ARCHIVELOG"],
    rest: REST,
    about: "Begins a round of archiving.",
    parse: |c| parse(c, true),
};

pub const OFF: Syntax = Syntax {
    words: &["ALTER SYSTEM NOARCHIVELOG"],
    rest: REST,
    about: "Ends the round of archiving.",
    parse: |c| parse(c, false),
};

/// `ARCHIVELOG` or `NOARCHIVELOG`.
#[derive(Debug, PartialEq, Eq)]
pub struct SwitchArchiving {
    /// The tenants.
    pub tenants: Tenants,
    /// `ARCHIVELOG`.
    pub on: bool,
}

fn parse(c: &mut Cursor<'_>, on: bool) -> Result<Statement, Failure> {
    let tenants = c.tenants_clause()?;
    c.description()?;
    Statement::command(c, SwitchArchiving { tenants, on })
}

#[async_trait]
impl Command for SwitchArchiving {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let action = |tenant| if self.on { Action::ArchiveLog { tenant } } else { Action::NoArchiveLog { tenant } };
        cx.for_each(&self.tenants, action).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn archiving_is_switched_for_the_named_tenants() {
        let on = |tenants| Ok(SwitchArchiving { tenants, on: true });
        assert_eq!(command("ALTER SYSTEM ARCHIVELOG"), on(Tenants::Session));
        assert_eq!(command("ALTER SYSTEM ARCHIVELOG TENANT = all DESCRIPTION = 'x'"), on(Tenants::All));
        let tenants = Tenants::Named(vec!["t1".into(), "t2".into()]);
        assert_eq!(command("ALTER SYSTEM NOARCHIVELOG TENANT = t1, t2"), Ok(SwitchArchiving { tenants, on: false }));
    }
}
