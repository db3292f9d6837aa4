//! `CREATE TENANT` and `DROP TENANT`.

use super::answer::{clamp, done_text};
use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::Failure;

pub const CREATE: Syntax = Syntax {
    words: &["CREATE TENANT"],
    rest: "<name> [LOG_STREAMS = <n>] [REPLICAS = <n>]",
    about: "Makes a tenant with so many user log streams (1), each of so many replicas (3).",
    parse: parse_create,
};

pub const DROP: Syntax = Syntax {
    words: &["DROP TENANT"],
    rest: "<name>",
    about: "Drops a tenant; its files on destinations stay.",
    parse: |c| {
        let name = c.name("a tenant name")?;
        Statement::command(c, DropTenant { name })
    },
};

/// `CREATE TENANT`.
#[derive(Debug, PartialEq, Eq)]
pub struct CreateTenant {
    /// Its name.
    pub name: String,
    /// User log streams.
    pub log_streams: u64,
    /// Replicas of each log stream.
    pub replicas: u64,
}

/// `DROP TENANT`.
#[derive(Debug, PartialEq, Eq)]
pub struct DropTenant {
    /// Its name.
    pub name: String,
}

fn parse_create(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let name = c.name("a tenant name")?;
    let mut create = CreateTenant { name, log_streams: 1, replicas: 3 };
    loop {
        if c.option("LOG_STREAMS")? {
            create.log_streams = c.number_value("a number of log streams")?;
        } else if c.option("REPLICAS")? {
            create.replicas = c.number_value("a number of replicas")?;
        } else {
            return Statement::command(c, create);
        }
    }
}

#[async_trait]
impl Command for CreateTenant {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (log_streams, replicas) = (clamp(self.log_streams), clamp(self.replicas));
        let done = cx.node.act(Action::CreateTenant { name: self.name.clone(), log_streams, replicas }).await?;
        Ok(format!("tenant {}: {}", self.name, done_text(&done)))
    }
}

#[async_trait]
impl Command for DropTenant {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(Some(&self.name))?;
        cx.node.act(Action::DropTenant { tenant }).await?;
        Ok(format!("tenant {name} is being dropped"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::command;
    use super::*;

    #[test]
    fn tenants_are_created_and_dropped() {
        let create = |log_streams, replicas| Ok(CreateTenant { name: "t".into(), log_streams, replicas });
        assert_eq!(command("CREATE TENANT t LOG_STREAMS = 4 REPLICAS = 3"), create(4, 3));
        assert_eq!(command("create tenant t replicas 1"), create(1, 1));
        assert_eq!(command("DROP TENANT t"), Ok(DropTenant { name: "t".into() }));
    }
}
