//! `DELETE` of sets and pieces, and `CANCEL DELETE BACKUP`.

use super::previews;
use crate::clock;
use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use crate::sql::select::Rows;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Read, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::state::{CleanWhat, Destination, JobKind};
use strandline_scheduler_core::{Action, views};
use strandline_types::{Address, DestId, ErrorClass, Failure, TenantId};

pub const DELETE: Syntax = Syntax {
    words: &["ALTER SYSTEM DELETE"],
    rest: "OBSOLETE BACKUP | BACKUPSET <ids> | BACKUPPIECE <ids> [LOG_ARCHIVE_DEST = '<uri>'] | BACKUP ALL \
           DATA_BACKUP_DEST = '<uri>' | BACKUP ALL LOG_ARCHIVE_DEST = '<uri>' [TENANT = <tenant>, … | all] \
           [DESCRIPTION = '<text>'] [PREVIEW]",
    about: "Deletes sets and pieces that no restore needs; PREVIEW shows what goes and what stays, and why.",
    parse,
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL DELETE BACKUP"],
    rest: "[TENANT = <tenant>, … | all]",
    about: "Ends the running deletions of the tenants.",
    parse: |c| {
        let tenants = c.tenants_clause()?;
        Statement::command(c, CancelDelete { tenants })
    },
};

/// `DELETE`.
#[derive(Debug, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The tenants.
    pub tenants: Tenants,
    /// The sets and pieces.
    pub what: DeleteWhat,
    /// `DESCRIPTION`.
    pub description: String,
}

/// `DELETE … PREVIEW`.
#[derive(Debug, PartialEq, Eq)]
pub struct DeletePreview(pub DeleteRequest);

/// `CANCEL DELETE BACKUP`.
#[derive(Debug, PartialEq, Eq)]
pub struct CancelDelete {
    /// The tenants.
    pub tenants: Tenants,
}

/// What to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteWhat {
    /// `BACKUPSET`.
    Sets(Vec<u64>),
    /// `BACKUPPIECE`, with the archive destination when the ids alone do not say which pieces are meant.
    Pieces(Vec<u64>, Option<String>),
    /// `OBSOLETE BACKUP`.
    Obsolete,
    /// `BACKUP ALL` of a data backup destination.
    AllData(String),
    /// `BACKUP ALL` of an archive destination.
    AllLog(String),
}

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let what = parse_what(c)?;
    let tenants = c.tenants_clause()?;
    let description = c.description()?;
    let request = DeleteRequest { tenants, what, description };
    if c.accept("PREVIEW") {
        return Statement::read(c, DeletePreview(request));
    }
    Statement::command(c, request)
}

fn parse_what(c: &mut Cursor<'_>) -> Result<DeleteWhat, Failure> {
    const URI: &str = "a text with the uri";
    if c.accept("BACKUPSET") {
        c.optional_equals();
        return c.ids().map(DeleteWhat::Sets);
    }
    if c.accept("BACKUPPIECE") {
        c.optional_equals();
        let ids = c.ids()?;
        let dest = if c.accept("LOG_ARCHIVE_DEST") { Some(c.trimmed_value(URI)?) } else { None };
        return Ok(DeleteWhat::Pieces(ids, dest));
    }
    if c.accept("OBSOLETE") {
        c.need("BACKUP")?;
        return Ok(DeleteWhat::Obsolete);
    }
    c.need("BACKUP")?;
    c.need("ALL")?;
    if c.accept("DATA_BACKUP_DEST") {
        return c.trimmed_value(URI).map(DeleteWhat::AllData);
    }
    c.need("LOG_ARCHIVE_DEST")?;
    c.trimmed_value(URI).map(DeleteWhat::AllLog)
}

#[async_trait]
impl Command for DeleteRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        self.check_ids_are_of_one(cx)?;
        let start = |tenant| -> Result<Action, Failure> {
            let what = clean_what(cx, tenant, &self.what)?;
            Ok(Action::StartClean { tenant, what, description: self.description.clone() })
        };
        cx.try_for_each(&self.tenants, start).await
    }
}

#[async_trait]
impl Read for DeletePreview {
    async fn rows(&self, cx: &Context<'_>) -> Result<Rows, Failure> {
        let Self(request) = self;
        request.check_ids_are_of_one(cx)?;
        let now_ms = clock::now().as_ms();
        previews(cx, &request.tenants, |tenant| {
            let what = clean_what(cx, tenant, &request.what)?;
            cx.node.read(|s| views::clean_preview(s, tenant, &what, now_ms))
        })
    }
}

#[async_trait]
impl Command for CancelDelete {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        cx.for_each(&self.tenants, |tenant| Action::CancelJob { kind: JobKind::Clean, tenant }).await
    }
}

impl DeleteRequest {
    /// Every tenant numbers its sets and pieces from 1: an id alone names nothing where there are several tenants.
    fn check_ids_are_of_one(&self, cx: &Context<'_>) -> Result<(), Failure> {
        let has_ids = matches!(self.what, DeleteWhat::Sets(_) | DeleteWhat::Pieces(..));
        let all = cx.tenants(&self.tenants)?;
        if !has_ids || all.len() == 1 {
            return Ok(());
        }
        let names: Vec<String> = all.into_iter().map(|(_, name)| name).collect();
        let (what, todo) = ("ids are each tenant's own, and several are meant", "add TENANT = <name>");
        Err(Failure::new(ErrorClass::Invalid, what, names.join(", "), todo))
    }
}

fn clean_what(cx: &Context<'_>, tenant: TenantId, what: &DeleteWhat) -> Result<CleanWhat, Failure> {
    Ok(match what {
        DeleteWhat::Sets(ids) => CleanWhat::Sets(ids.clone()),
        DeleteWhat::Pieces(ids, None) => CleanWhat::Pieces(ids.clone()),
        DeleteWhat::Pieces(ids, Some(uri)) => CleanWhat::PiecesOf(dest_of_tenant(cx, tenant, uri)?, ids.clone()),
        DeleteWhat::Obsolete => CleanWhat::Obsolete,
        DeleteWhat::AllData(uri) | DeleteWhat::AllLog(uri) => CleanWhat::All(dest_of_tenant(cx, tenant, uri)?),
    })
}

/// A destination that the tenant has or had, by its address without keys.
fn dest_of_tenant(cx: &Context<'_>, tenant: TenantId, uri: &str) -> Result<DestId, Failure> {
    let named = Address::parse(uri)?.uri;
    let is_it = |d: &&Destination| d.tenant_id == tenant && d.uri.is_same_place(&named);
    let found = cx.node.read(|s| s.destinations.values().find(is_it).map(|d| d.id));
    found.ok_or_else(|| {
        let todo = "see CDB_OB_ARCHIVE_DEST and CDB_OB_BACKUP_SET_FILES for the paths of the tenant";
        Failure::new(ErrorClass::NotFound, "the tenant never had this destination", named.to_string(), todo)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::{command, read};

    fn of_t(what: DeleteWhat) -> DeleteRequest {
        DeleteRequest { tenants: Tenants::Named(vec!["t".into()]), what, description: String::new() }
    }

    #[test]
    fn deletions_are_read_and_cancelled() {
        for (text, what) in [
            ("ALTER SYSTEM DELETE BACKUPSET 1,2 TENANT = t", DeleteWhat::Sets(vec![1, 2])),
            ("ALTER SYSTEM DELETE BACKUPPIECE '3' TENANT = t", DeleteWhat::Pieces(vec![3], None)),
            (
                "ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = 'file:///d' TENANT = t",
                DeleteWhat::AllData("file:///d".into()),
            ),
        ] {
            assert_eq!(command(text), Ok(of_t(what)), "{text}");
        }
        let cancel = CancelDelete { tenants: Tenants::Named(vec!["t".into()]) };
        assert_eq!(command("ALTER SYSTEM CANCEL DELETE BACKUP TENANT = t"), Ok(cancel));
    }

    #[test]
    fn a_preview_is_a_read() {
        let pieces = DeleteWhat::Pieces(vec![1, 2], Some("file:///a".into()));
        for (text, what) in [
            ("ALTER SYSTEM DELETE OBSOLETE BACKUP TENANT = t PREVIEW", DeleteWhat::Obsolete),
            ("ALTER SYSTEM DELETE BACKUPPIECE 1,2 LOG_ARCHIVE_DEST = 'file:///a' TENANT = t PREVIEW", pieces),
        ] {
            assert_eq!(read(text), Ok(DeletePreview(of_t(what))), "{text}");
        }
    }
}
