//! Statements about standby tenants.

use super::context::Context;
use super::destination::opened;
use super::restore::source::until_scn;
use super::statement::{Command, Statement, Syntax};
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use strandline_media::identity;
use strandline_scheduler_core::Action;
use strandline_types::{Address, ErrorClass, Failure, Scn};

pub const RECOVER: Syntax = Syntax {
    words: &["ALTER SYSTEM RECOVER STANDBY"],
    rest: "[TENANT = <tenant>] CANCEL | UNTIL UNLIMITED | UNTIL SCN = <n> | UNTIL TIME = '<time>'",
    about: "Lets a standby follow its source up to a point in time; CANCEL stops it where it is.",
    parse: parse_recover,
};

pub const ACTIVATE: Syntax = Syntax {
    words: &["ALTER SYSTEM ACTIVATE STANDBY"],
    rest: "[TENANT = <tenant>]",
    about: "Opens a standby for writes; it follows its source no more.",
    parse: |c| {
        let tenant = c.tenant_clause()?;
        Statement::command(c, StandbyRequest { tenant, change: StandbyChange::Activate })
    },
};

pub const SET_SOURCE: Syntax = Syntax {
    words: &["ALTER SYSTEM SET LOG_RESTORE_SOURCE"],
    rest: "= 'LOCATION=<archive uri>' [TENANT = <tenant>]",
    about: "Lets a standby follow another archive of its source.",
    parse: parse_source,
};

/// A statement about a standby tenant.
#[derive(Debug, PartialEq, Eq)]
pub struct StandbyRequest {
    /// The standby.
    pub tenant: Option<String>,
    /// What changes.
    pub change: StandbyChange,
}

/// What changes about a standby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandbyChange {
    /// `RECOVER STANDBY … UNTIL`: up to this SCN; `None` = unlimited.
    Recover(Option<Scn>),
    /// `RECOVER STANDBY … CANCEL`.
    Stop,
    /// `ACTIVATE STANDBY`.
    Activate,
    /// `SET LOG_RESTORE_SOURCE`: the uri of the archive.
    SetSource(String),
}

fn parse_recover(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let tenant = c.tenant_clause()?;
    let change = if c.accept("CANCEL") {
        StandbyChange::Stop
    } else {
        c.need("UNTIL")?;
        StandbyChange::Recover(if c.accept("UNLIMITED") { None } else { Some(until_scn(c)?) })
    };
    Statement::command(c, StandbyRequest { tenant, change })
}

fn parse_source(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let text = c.text_value("a text 'LOCATION=<archive uri>'")?;
    let uri = text.trim().split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("LOCATION")).map(|(_, u)| u);
    let Some(uri) = uri.map(str::trim).filter(|u| !u.is_empty()) else {
        let what = "LOG_RESTORE_SOURCE has no LOCATION";
        return Err(Failure::new(ErrorClass::Invalid, what, text, "write 'LOCATION=<archive uri>'"));
    };
    let change = StandbyChange::SetSource(uri.to_owned());
    let tenant = c.tenant_clause()?;
    Statement::command(c, StandbyRequest { tenant, change })
}

#[async_trait]
impl Command for StandbyRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(self.tenant.as_deref())?;
        let (action, done) = match self.change {
            StandbyChange::Recover(until) => (
                Action::RecoverStandby { tenant, until },
                "follows its source; CDB_STRANDLINE_WAITING says what it waits for when it comes no further",
            ),
            StandbyChange::Stop => (Action::StopStandby { tenant }, "stands still"),
            StandbyChange::Activate => (Action::ActivateStandby { tenant }, "is being activated"),
            StandbyChange::SetSource(uri) => {
                let from = archive_at(&uri).await?;
                (Action::SetRestoreSource { tenant, from }, "has another log restore source")
            }
        };
        cx.node.act(action).await?;
        Ok(format!("{name} {done}"))
    }
}

/// The address, if an archive is there.
async fn archive_at(uri: &str) -> Result<Address, Failure> {
    let (address, medium) = opened(uri)?;
    let found = identity::read(medium.as_ref()).await?;
    if found.is_some_and(|f| f.dest_type == identity::DestType::Archive.name()) {
        return Ok(address);
    }
    let todo = "give the uri of a log archive";
    Err(Failure::new(ErrorClass::Invalid, "there is no archive", medium.uri(), todo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn standbys_are_recovered_stopped_and_activated() {
        for (text, tenant, change) in [
            ("ALTER SYSTEM RECOVER STANDBY TENANT = s UNTIL UNLIMITED", Some("s"), StandbyChange::Recover(None)),
            ("ALTER SYSTEM RECOVER STANDBY UNTIL SCN = 7", None, StandbyChange::Recover(Some(Scn(7)))),
            ("ALTER SYSTEM RECOVER STANDBY TENANT s CANCEL", Some("s"), StandbyChange::Stop),
            ("ALTER SYSTEM ACTIVATE STANDBY TENANT = s", Some("s"), StandbyChange::Activate),
            (
                "ALTER SYSTEM SET LOG_RESTORE_SOURCE = 'LOCATION=file:///a' TENANT = s",
                Some("s"),
                StandbyChange::SetSource("file:///a".into()),
            ),
        ] {
            let tenant = tenant.map(str::to_owned);
            assert_eq!(command(text), Ok(StandbyRequest { tenant, change }), "{text}");
        }
    }
}
