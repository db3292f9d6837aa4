//! `CREATE TABLE` and `DROP TABLE`.

use super::answer::{clamp, done_text};
use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::Failure;

pub const CREATE: Syntax = Syntax {
    words: &["CREATE TABLE"],
    rest: "<name> [TABLETS = <n>] [TENANT = <tenant>]",
    about: "Makes a table of so many tablets (1).",
    parse: parse_create,
};

pub const DROP: Syntax = Syntax {
    words: &["DROP TABLE"],
    rest: "<name> [TENANT = <tenant>]",
    about: "Drops a table; backups and log that have it keep it.",
    parse: |c| {
        let name = c.name("a table name")?;
        let tenant = c.tenant_clause()?;
        Statement::command(c, DropTable { tenant, name })
    },
};

/// `CREATE TABLE`.
#[derive(Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// The tenant that gets it.
    pub tenant: Option<String>,
    /// The table.
    pub name: String,
    /// Tablets that its rows are spread over.
    pub tablets: u64,
}

/// `DROP TABLE`.
#[derive(Debug, PartialEq, Eq)]
pub struct DropTable {
    /// The tenant that has it.
    pub tenant: Option<String>,
    /// The table.
    pub name: String,
}

fn parse_create(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let name = c.name("a table name")?;
    let tablets = if c.accept("TABLETS") { c.number_value("a number of tablets")? } else { 1 };
    let tenant = c.tenant_clause()?;
    Statement::command(c, CreateTable { tenant, name, tablets })
}

#[async_trait]
impl Command for CreateTable {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, _) = cx.one_tenant(self.tenant.as_deref())?;
        let tablets = clamp(self.tablets);
        let done = cx.node.act(Action::CreateTable { tenant, name: self.name.clone(), tablets }).await?;
        Ok(format!("table {}: {}", self.name, done_text(&done)))
    }
}

#[async_trait]
impl Command for DropTable {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, _) = cx.one_tenant(self.tenant.as_deref())?;
        cx.node.act(Action::DropTable { tenant, name: self.name.clone() }).await?;
        Ok(format!("table {} is dropped; backups and log that have it keep it", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::command;
    use super::*;

    #[test]
    fn tables_are_created_and_dropped() {
        let (tenant, name) = (Some("t".to_owned()), "files".to_owned());
        let create = CreateTable { tenant: tenant.clone(), name: name.clone(), tablets: 8 };
        assert_eq!(command("CREATE TABLE files TABLETS = 8 TENANT = t"), Ok(create));
        assert_eq!(command("DROP TABLE files TENANT = t"), Ok(DropTable { tenant, name: name.clone() }));
        assert_eq!(command("drop table files"), Ok(DropTable { tenant: None, name }));
    }
}
