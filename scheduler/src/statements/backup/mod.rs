//! `BACKUP` and `CANCEL BACKUP`: the tenants, the destination and the key. A command of the core holds a key, never a password.

pub mod cluster_parameters;
pub mod parameters;
pub mod schedule;

use super::answer::done_text;
use super::context::Context;
use super::destination::{answered, candidate, opened};
use super::statement::{Command, Statement, Syntax};
use super::tenants::Named;
use crate::clock;
use crate::effects::destination;
use crate::password_key::seal_key;
use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use strandline_scheduler_core::state::{DestKind, Destination, JobKind, SetSeal};
use strandline_scheduler_core::{Action, BackupDest, BackupRequest, Done, SealKey, address, newest_set};
use strandline_types::{Address, BackupMode, ErrorClass, Failure, TenantId};

/// The original's number for a destination that cannot be used.
const BAD_PATH_CODE: i32 = -9116;

pub const BACKUP: Syntax = Syntax {
    words: &["ALTER SYSTEM BACKUP"],
    rest: "[INCREMENTAL | SYNTHETIC] DATABASE | TENANT = <tenant>, … [TO = '<uri>'] [PLUS ARCHIVELOG] [DESCRIPTION = '<text>']",
    about: "Takes a backup set of each tenant: full, of what the chain does not hold, or made out of the newest chain.",
    parse,
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL BACKUP"],
    rest: "[TENANT = <tenant>, … | all]",
    about: "Ends the running backups of the tenants.",
    parse: |c| {
        let tenants = c.tenants_clause()?;
        Statement::command(c, CancelBackup { tenants })
    },
};

/// `BACKUP DATABASE` or `BACKUP TENANT`.
#[derive(Debug, PartialEq, Eq)]
pub struct StartBackup {
    /// Full, incremental or synthetic.
    pub mode: BackupMode,
    /// The tenants.
    pub tenants: Tenants,
    /// `TO`: another destination than DATA_BACKUP_DEST.
    pub to: Option<String>,
    /// `PLUS ARCHIVELOG`.
    pub plus_archivelog: bool,
    /// `DESCRIPTION`.
    pub description: String,
}

/// `CANCEL BACKUP`.
#[derive(Debug, PartialEq, Eq)]
pub struct CancelBackup {
    /// The tenants.
    pub tenants: Tenants,
}

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let mode = if c.accept("INCREMENTAL") {
        BackupMode::Incremental
    } else if c.accept("SYNTHETIC") {
        BackupMode::Synthetic
    } else {
        BackupMode::Full
    };
    let tenants = if c.accept("DATABASE") {
        Tenants::Session
    } else if c.accept("TENANT") {
        c.optional_equals();
        c.tenant_list()?
    } else {
        return Err(c.failure());
    };
    let to = if c.accept("TO") { Some(c.text_value("a text with the uri")?) } else { None };
    let plus_archivelog = plus_archivelog(c, mode)?;
    let description = c.description()?;
    Statement::command(c, StartBackup { mode, tenants, to, plus_archivelog, description })
}

fn plus_archivelog(c: &mut Cursor<'_>, mode: BackupMode) -> Result<bool, Failure> {
    if !c.accept("PLUS") {
        return Ok(false);
    }
    c.need("ARCHIVELOG")?;
    if mode == BackupMode::Synthetic {
        let todo = "leave PLUS ARCHIVELOG out: the archive of the chain covers the set";
        let what = "a synthetic set copies nothing of the cluster, its log neither";
        return Err(Failure::new(ErrorClass::Invalid, what, "PLUS ARCHIVELOG", todo));
    }
    Ok(true)
}

#[async_trait]
impl Command for CancelBackup {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        cx.for_each(&self.tenants, |tenant| Action::CancelJob { kind: JobKind::Backup, tenant }).await
    }
}

#[async_trait]
impl Command for StartBackup {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let tenants = cx.tenants(&self.tenants)?;
        let to = match &self.to {
            Some(uri) => Some(backup_to(cx, &tenants, uri).await?),
            None => None,
        };
        let seal = match &cx.settings()?.encryption {
            Some(password) => Some(seal(cx, &tenants, to.as_ref(), self.mode, password).await?),
            None => None,
        };
        let request = BackupRequest {
            mode: self.mode,
            to,
            plus_archivelog: self.plus_archivelog,
            description: self.description,
            seal,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let all = !matches!(self.tenants, Tenants::Named(_));
        start(cx, &tenants, all, request).await
    }
}

/// One job of the tenant in its own session; else a job of `sys` with one child per tenant. `all`: no tenant was named.
async fn start(cx: &Context<'_>, tenants: &[Named], all: bool, request: BackupRequest) -> Result<String, Failure> {
    if let (Some(_), [(tenant, name)]) = (cx.tenant(), tenants) {
        let done = cx.node.act(Action::StartBackup { tenant: *tenant, request }).await?;
        return Ok(format!("{name}: {}", done_text(&done)));
    }
    let name = |id: &TenantId| tenants.iter().find(|t| t.0 == *id).map_or("", |t| t.1.as_str());
    let ids = tenants.iter().map(|t| t.0).collect();
    match cx.node.act(Action::StartBackups { tenants: ids, all, request }).await? {
        Done::Initiator { job, started, refused } => {
            let started = started.iter().map(|(tenant, job)| format!("{}: backup job {job}", name(tenant)));
            let refused = refused.iter().map(|(tenant, why)| format!("{}: not started: {why}", name(tenant)));
            let parts: Vec<String> = started.chain(refused).collect();
            Ok(format!("backup job {job} of sys; {}", parts.join("; ")))
        }
        other => Ok(done_text(&other)),
    }
}

/// `TO`: the path is, or can become, a data backup destination of the tenant.
async fn backup_to(cx: &Context<'_>, tenants: &[Named], uri: &str) -> Result<BackupDest, Failure> {
    let [tenant] = tenants else {
        let todo = "ALTER SYSTEM BACKUP TENANT = <name> TO '<uri>'";
        return Err(Failure::new(ErrorClass::Invalid, "a backup TO a path is of exactly one tenant", uri, todo));
    };
    let bad_path = |failure: Failure| if failure.code == 0 { failure.with_code(BAD_PATH_CODE) } else { failure };
    let (address, medium) = opened(uri).map_err(bad_path)?;
    let (dest, known) = candidate(cx, tenant, DestKind::Data, &address);
    let Address { uri, access } = address;
    let examined = destination::examine(medium.as_ref(), &dest, DestKind::Data, known, clock::now());
    answered(&uri, examined).await.map_err(bad_path)?;
    Ok(BackupDest { uri: uri.to_string(), access })
}

/// The key for the sets of these tenants.
async fn seal(
    cx: &Context<'_>,
    tenants: &[Named],
    to: Option<&BackupDest>,
    mode: BackupMode,
    password: &str,
) -> Result<SealKey, Failure> {
    let chain = match (mode, tenants) {
        (BackupMode::Full, _) => None,
        (_, [tenant]) => newest_seal(cx, tenant.0, to),
        _ => {
            let todo = "one statement per tenant: ALTER SYSTEM BACKUP INCREMENTAL TENANT = <name>";
            let what = "chains have keys of their own: an encrypted incremental or synthetic set is of one tenant";
            return Err(Failure::new(ErrorClass::Invalid, what, "SET ENCRYPTION", todo));
        }
    };
    seal_key(password, chain).await
}

fn newest_seal(cx: &Context<'_>, tenant: TenantId, to: Option<&BackupDest>) -> Option<SetSeal> {
    cx.node.read(|state| {
        let dest = match to {
            Some(to) => {
                let named = address::named(&to.uri).ok()?;
                let is_it = |d: &&Destination| d.tenant_id == tenant && d.uri.is_same_place(&named);
                state.destinations.values().find(is_it)?.id
            }
            None => state.tenants.get(&tenant)?.data_dest?,
        };
        newest_set(state, tenant, dest)?.seal
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    fn backup(mode: BackupMode, tenants: Tenants) -> StartBackup {
        StartBackup { mode, tenants, to: None, plus_archivelog: false, description: String::new() }
    }

    fn named(names: &[&str]) -> Tenants {
        Tenants::Named(names.iter().map(|n| (*n).to_owned()).collect())
    }

    #[test]
    fn every_kind_of_backup_is_read() {
        for (text, expected) in [
            (
                "ALTER SYSTEM BACKUP DATABASE DESCRIPTION 'nightly'",
                StartBackup { description: "nightly".into(), ..backup(BackupMode::Full, Tenants::Session) },
            ),
            ("ALTER SYSTEM BACKUP TENANT = t1,t2", backup(BackupMode::Full, named(&["t1", "t2"]))),
            ("ALTER SYSTEM BACKUP SYNTHETIC DATABASE", backup(BackupMode::Synthetic, Tenants::Session)),
            (
                "ALTER SYSTEM BACKUP INCREMENTAL TENANT t1 TO 'file:///x' PLUS ARCHIVELOG DESCRIPTION = 'd'",
                StartBackup {
                    to: Some("file:///x".into()),
                    plus_archivelog: true,
                    description: "d".into(),
                    ..backup(BackupMode::Incremental, named(&["t1"]))
                },
            ),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
        assert_eq!(command("ALTER SYSTEM CANCEL BACKUP TENANT t1"), Ok(CancelBackup { tenants: named(&["t1"]) }));
    }
}
