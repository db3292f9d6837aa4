//! `SET DATA_BACKUP_DEST`.

use super::set_dest;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_scheduler_core::state::DestKind;
use strandline_types::{Address, Failure};

pub const SET: Syntax = Syntax {
    words: &["ALTER SYSTEM SET DATA_BACKUP_DEST"],
    rest: "= '<uri>' [TENANT = <tenant>]",
    about: "Sets the destination of the tenant's backups; '' clears it, and its files stay.",
    parse: |c| {
        let uri = Some(c.trimmed_value("a text with the uri")?).filter(|u| !u.is_empty());
        let tenant = c.tenant_clause()?;
        Statement::command(c, SetDataBackupDest { tenant, uri })
    },
};

/// `SET DATA_BACKUP_DEST`.
#[derive(Debug, PartialEq, Eq)]
pub struct SetDataBackupDest {
    /// The tenant that gets it.
    pub tenant: Option<String>,
    /// The destination, with its keys; `None` clears it.
    pub uri: Option<String>,
}

#[async_trait]
impl Command for SetDataBackupDest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let tenant = cx.one_tenant(self.tenant.as_deref())?;
        let id = tenant.0;
        let action = |address: Option<Address>| {
            let (uri, access) = address.map(|a| (a.uri.to_string(), a.access)).unzip();
            Action::SetDataDest { tenant: id, uri, access: access.unwrap_or_default() }
        };
        set_dest(cx, &tenant, self.uri.as_deref(), DestKind::Data, "", action).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn the_data_destination_is_set_and_cleared() {
        let set = |tenant: Option<&str>, uri: Option<&str>| {
            Ok(SetDataBackupDest { tenant: tenant.map(str::to_owned), uri: uri.map(str::to_owned) })
        };
        let text = "ALTER SYSTEM SET DATA_BACKUP_DEST = 'file:///d' TENANT = `t 1`";
        assert_eq!(command(text), set(Some("t 1"), Some("file:///d")));
        assert_eq!(command("ALTER SYSTEM SET DATA_BACKUP_DEST = ''"), set(None, None));
    }
}
