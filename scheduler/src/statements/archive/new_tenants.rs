//! `SET ARCHIVE_NEW_TENANTS`: below one destination every new tenant gets its own.

use super::dest_text::{ArchiveDest, archive_dest};
use crate::statements::answer::done_text;
use crate::statements::context::Context;
use crate::statements::destination::{answered, opened};
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::Failure;

pub const SET: Syntax = Syntax {
    words: &["ALTER SYSTEM SET ARCHIVE_NEW_TENANTS"],
    rest: "= 'LOCATION=<uri> …'",
    about: "Archives every new tenant below this destination; '' switches it off.",
    parse: |c| {
        let parent = archive_dest(&c.text_value("a text 'LOCATION=<uri> …', or '' to switch it off")?)?;
        Statement::command(c, ArchiveNewTenants { parent })
    },
};

/// `SET ARCHIVE_NEW_TENANTS`.
#[derive(Debug, PartialEq, Eq)]
pub struct ArchiveNewTenants {
    /// The parent of the new destinations, and their options; `None` switches it off.
    pub parent: Option<ArchiveDest>,
}

#[async_trait]
impl Command for ArchiveNewTenants {
    /// The parent must be there and readable before it enters the State.
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let Some(dest) = self.parent else {
            let done = cx.node.act(Action::ArchiveNewTenants { parent: None }).await?;
            return Ok(format!("new tenants are not archived by themselves: {}", done_text(&done)));
        };
        let (address, medium) = opened(&dest.location)?;
        answered(&address.uri, medium.list_dirs("")).await?;
        let uri = address.uri.clone();
        let parent = Some(dest.spec_at(address));
        let done = cx.node.act(Action::ArchiveNewTenants { parent }).await?;
        Ok(format!("new tenants are archived below {uri}: {}", done_text(&done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;
    use strandline_scheduler_core::state::DestOptions;
    use strandline_types::Binding;

    #[test]
    fn the_parent_of_new_archives_is_set_and_cleared() {
        let options = DestOptions { binding: Binding::Mandatory, piece_interval_s: 60, ..DestOptions::default() };
        let parent = Some(ArchiveDest { location: "file:///a".into(), options });
        let text =
            "ALTER SYSTEM SET archive_new_tenants = 'LOCATION=file:///a BINDING=Mandatory PIECE_SWITCH_INTERVAL=1m'";
        assert_eq!(command(text), Ok(ArchiveNewTenants { parent }));
        assert_eq!(command("ALTER SYSTEM SET archive_new_tenants = ''"), Ok(ArchiveNewTenants { parent: None }));
    }
}
