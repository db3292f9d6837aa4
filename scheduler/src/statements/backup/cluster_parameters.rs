//! `BACKUP CLUSTER PARAMETERS`: one file, whole when the statement returns.

use crate::clock;
use crate::effects::{self, cluster_parameters};
use crate::statements::context::Context;
use crate::statements::destination::answered;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_reader::object_name;
use strandline_types::{Address, ErrorClass, Failure};

pub const BACKUP: Syntax = Syntax {
    words: &["ALTER SYSTEM BACKUP CLUSTER PARAMETERS"],
    rest: "TO '<uri>'",
    about: "Writes the parameters of the cluster into one file.",
    parse: |c| {
        c.need("TO")?;
        let uri = c.text("a text with the uri")?;
        Statement::command(c, BackupClusterParameters { uri })
    },
};

/// `BACKUP CLUSTER PARAMETERS TO`.
#[derive(Debug, PartialEq, Eq)]
pub struct BackupClusterParameters {
    /// The destination.
    pub uri: String,
}

#[async_trait]
impl Command for BackupClusterParameters {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        if let Some(tenant) = cx.tenant() {
            let todo = "log in as root, not as root@<tenant>";
            let what = "cluster parameters are backed up from the system tenant only";
            return Err(Failure::new(ErrorClass::Permission, what, format!("tenant {tenant}"), todo));
        }
        // The path belongs to no tenant and is not claimed: one file is all that is written there.
        let address = Address::parse(&self.uri)?;
        let medium = effects::open_unclaimed(&address.uri, &address.access)?;
        let parameters = cx.node.read(|state| cluster_parameters::of(state, cx.node.config()));
        let write = cluster_parameters::write(medium.as_ref(), &parameters, clock::now());
        let path = answered(&address.uri, write).await?;
        Ok(format!("{} parameters in {}", parameters.len(), object_name(&medium.uri(), &path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn cluster_parameters_go_to_a_uri() {
        let backup = BackupClusterParameters { uri: "file:///p".into() };
        assert_eq!(command("ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO 'file:///p'"), Ok(backup));
    }
}
