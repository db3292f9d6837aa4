//! `RESTORE` and `CANCEL RESTORE`: the leader scans the destinations, chooses set and pieces, and puts everything that the job
//! needs into one command. After that no scheduler reads the catalogue again.

pub mod added_sources;
mod archive_key;
pub mod options;
pub mod preview;
mod replicas;
pub mod source;

use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use crate::effects::restore_source::set_keys;
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use options::{RestoreOptions, restore_options, with_clause};
use preview::RestorePreview;
use replicas::replicas;
use source::{RestorePoint, restore_point};
use strandline_scheduler_core::state::JobKind;
use strandline_scheduler_core::{Action, Done, StartRestore, check_restore_name};
use strandline_types::Failure;

pub const RESTORE: Syntax = Syntax {
    words: &["ALTER SYSTEM RESTORE"],
    rest: "[<new tenant>] [FROM '<data uri>[,<archive uri>]'] [UNTIL SCN = <n> | UNTIL TIME = '<time>'] \
           [WITH '<name>=<value>&…'] [DESCRIPTION = '<text>'] [PREVIEW]",
    about: "Builds a tenant from a backup; PREVIEW shows what would be read and builds nothing.",
    parse,
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL RESTORE"],
    rest: "<new tenant>",
    about: "Ends a restore and drops what is built so far.",
    parse: |c| {
        let tenant = c.name("the tenant that is being restored")?;
        Statement::command(c, CancelRestore { tenant })
    },
};

/// `RESTORE`.
#[derive(Debug, PartialEq, Eq)]
pub struct RestoreRequest {
    /// Name of the tenant to make.
    pub tenant: String,
    /// What it is made from.
    pub point: RestorePoint,
    /// `WITH`.
    pub options: RestoreOptions,
    /// `DESCRIPTION`.
    pub description: String,
}

/// `CANCEL RESTORE`.
#[derive(Debug, PartialEq, Eq)]
pub struct CancelRestore {
    /// The tenant that is being built.
    pub tenant: String,
}

/// With a tenant's name it restores or previews, without one it can only preview.
fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let is_nameless = ["FROM", "UNTIL", "PREVIEW"].iter().any(|word| c.is_at(word));
    let tenant = if is_nameless { None } else { Some(c.name("the name of the tenant to make")?) };
    let point = restore_point(c)?;
    let Some(tenant) = tenant else {
        c.need("PREVIEW")?;
        return Statement::read(c, RestorePreview(point));
    };
    if c.accept("PREVIEW") {
        return Statement::read(c, RestorePreview(point));
    }
    let options = with_clause(c, restore_options)?;
    let description = c.description()?;
    Statement::command(c, RestoreRequest { tenant, point, options, description })
}

#[async_trait]
impl Command for RestoreRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        // The core refuses before any medium is touched.
        cx.node.read(|s| check_restore_name(s, &self.tenant))?;
        let settings = cx.settings()?;
        let found = self.point.find(&settings.sources, &self.options.key_source).await?;
        archive_key::check(&found, &self.options.key_source).await?;
        let target_scn = found.choice.target_scn;
        let mut source = found.source(set_keys(&found, &settings.decryption).await?)?;
        if self.options.standby {
            found.follow_archive(&mut source);
        }
        let start = StartRestore {
            tenant_name: self.tenant.clone(),
            replicas: replicas(cx, self.options.replicas, found.replicas),
            target_scn,
            source,
            standby: self.options.standby,
            description: self.description,
        };
        let (set, tenant) = (start.source.set_id, self.tenant);
        match cx.node.act(Action::StartRestore(Box::new(start))).await? {
            Done::RestoreJob(job) => {
                Ok(format!("restore job {job}: tenant {tenant} from backup set {set} to SCN {target_scn}"))
            }
            _ => Ok(format!("tenant {tenant} is being restored")),
        }
    }

    fn uses_up_sources(&self) -> bool {
        true
    }
}

#[async_trait]
impl Command for CancelRestore {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(Some(&self.tenant))?;
        cx.node.act(Action::CancelJob { kind: JobKind::Restore, tenant }).await?;
        Ok(format!("the restore of {name} is cancelled"))
    }
}

#[cfg(test)]
mod tests {
    use super::source::RestoreFrom;
    use super::*;
    use crate::statements::testing::command;
    use strandline_catalogue::Target;
    use strandline_types::Scn;

    #[test]
    fn a_restore_is_read_and_cancelled() {
        let restore = |until, replicas| RestoreRequest {
            tenant: "n".into(),
            point: RestorePoint {
                from: RestoreFrom::Destinations { data: "file:///d".into(), archive: Some("file:///a".into()) },
                until,
            },
            options: RestoreOptions { replicas, ..RestoreOptions::default() },
            description: String::new(),
        };
        for (text, expected) in [
            ("ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a'", restore(Target::Newest, None)),
            (
                "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL SCN = 77 WITH 'replicas=2&pool_list=default'",
                restore(Target::Scn(Scn(77)), Some(2)),
            ),
            (
                "ALTER SYSTEM RESTORE n FROM 'file:///d,file:///a' UNTIL TIME='1970-01-01 00:00:01.5' WITH \
                 'pool_list=default'",
                restore(Target::Scn(Scn(1_500_000_000)), None),
            ),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
        assert_eq!(command("ALTER SYSTEM CANCEL RESTORE n"), Ok(CancelRestore { tenant: "n".into() }));
    }
}
