//! `CHECK DESTINATION`: every worker probes a destination that need not be in use.

use super::opened;
use crate::statements::answer::done_text;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::{Address, Failure};

pub const CHECK: Syntax = Syntax {
    words: &["ALTER SYSTEM CHECK DESTINATION"],
    rest: "'<uri>'",
    about: "Probes a destination from every worker; the findings are in CDB_STRANDLINE_DEST_CHECK.",
    parse: |c| {
        let uri = c.text("a text with the uri")?;
        Statement::command(c, CheckDestination { uri })
    },
};

/// `CHECK DESTINATION`.
#[derive(Debug, PartialEq, Eq)]
pub struct CheckDestination {
    /// The destination, with keys where it needs them.
    pub uri: String,
}

#[async_trait]
impl Command for CheckDestination {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (Address { uri, access }, _) = opened(&self.uri)?;
        let action = Action::CheckDest { uri: uri.to_string(), access, key_source: String::new() };
        let done = cx.node.act(action).await?;
        Ok(format!("{}: see CDB_STRANDLINE_DEST_CHECK", done_text(&done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn a_destination_is_checked_by_its_uri() {
        let check = CheckDestination { uri: "file:///a".into() };
        assert_eq!(command("ALTER SYSTEM CHECK DESTINATION 'file:///a'"), Ok(check));
    }
}
