//! VALIDATE, DELETE and the retention policies (fact sheet 1.4, 1.5).

use super::{description, ended, tenants_clause};
use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::cursor::Cursor;
use crate::sql::options;
use crate::sql::request::clean::{CleanRequest, DeleteWhat, PolicyText, ValidateRequest, ValidateWhat};
use crate::sql::request::restore::CatalogRequest;
use crate::sql::request::{AdminRequest, Tenants};
use strandline_types::{ErrorClass, Failure, ValidateLevel};

/// After `VALIDATE`.
pub(super) fn validate(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    let what = if c.accept("BACKUP") {
        ValidateWhat::Database
    } else if c.accept("BACKUPSET") {
        ValidateWhat::Sets(optional_ids(c)?)
    } else if c.accept("ARCHIVELOG_PIECE") {
        ValidateWhat::Pieces(optional_ids(c)?)
    } else {
        return Err(c.failure());
    };
    let mut request = ValidateRequest {
        tenants: Tenants::Session,
        what,
        dest: None,
        key_source: String::new(),
        level: ValidateLevel::Physical,
        description: String::new(),
    };
    let dest_word = match request.what {
        ValidateWhat::Pieces(_) => "LOG_ARCHIVE_DEST",
        _ => "DATA_BACKUP_DEST",
    };
    loop {
        if c.option(dest_word)? {
            c.optional_equals();
            request.dest = Some(c.text("a text with the uri")?.trim().to_owned());
        } else if c.option("KEY")? {
            c.optional_equals();
            request.key_source = c.text("a text 'file:/path' or 'command:…'")?.trim().to_owned();
        } else if c.option("LEVEL")? {
            c.optional_equals();
            let text = c.text_or_word("'basic' or 'physical'")?;
            request.level = ValidateLevel::parse(&text).ok_or_else(|| {
                let todo = "write LEVEL = 'basic' or 'physical'";
                Failure::new(ErrorClass::Invalid, format!("'{text}' is not a level"), "VALIDATE", todo)
            })?;
        } else {
            break;
        }
    }
    request.tenants = tenants_clause(c)?;
    request.description = description(c)?;
    ended(c, AdminRequest::Validate(request))
}

/// `= '1,2'` or `1, 2`, or nothing at all.
fn optional_ids(c: &mut Cursor<'_>) -> Result<Vec<u64>, Failure> {
    if c.accept_symbol('=') { ids(c) } else { Ok(Vec::new()) }
}

fn ids(c: &mut Cursor<'_>) -> Result<Vec<u64>, Failure> {
    if let Ok(text) = c.text("ids") {
        let one = |part: &str| {
            part.trim().parse::<u64>().map_err(|_| {
                Failure::new(ErrorClass::Invalid, format!("'{part}' is not an id"), text.clone(), "write '1,2,3'")
            })
        };
        return text.split(',').map(one).collect();
    }
    let mut ids = vec![c.number("an id")?];
    while c.accept_symbol(',') {
        ids.push(c.number("an id")?);
    }
    Ok(ids)
}

/// After `DELETE`.
pub(super) fn delete(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    let what = if c.accept("BACKUPSET") {
        c.optional_equals();
        DeleteWhat::Sets(ids(c)?)
    } else if c.accept("BACKUPPIECE") {
        c.optional_equals();
        let ids = ids(c)?;
        let mut dest = None;
        if c.accept("LOG_ARCHIVE_DEST") {
            c.optional_equals();
            dest = Some(c.text("a text with the uri")?.trim().to_owned());
        }
        DeleteWhat::Pieces(ids, dest)
    } else if c.accept("OBSOLETE") {
        c.need("BACKUP")?;
        DeleteWhat::Obsolete
    } else {
        c.need("BACKUP")?;
        c.need("ALL")?;
        let is_data = c.accept("DATA_BACKUP_DEST");
        if !is_data {
            c.need("LOG_ARCHIVE_DEST")?;
        }
        c.optional_equals();
        let uri = c.text("a text with the uri")?.trim().to_owned();
        if is_data { DeleteWhat::AllData(uri) } else { DeleteWhat::AllLog(uri) }
    };
    let tenants = tenants_clause(c)?;
    let description = description(c)?;
    let preview = c.accept("PREVIEW");
    ended(c, AdminRequest::Clean(CleanRequest::Delete { tenants, what, description, preview }))
}

/// After `ADD DELETE`.
pub(super) fn add_policy(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    let name = policy_name(c)?;
    let mut policy = PolicyText { name, window_ms: 0, redundancy: 1, keep_weekly: 0, keep_monthly: 0, keep_yearly: 0 };
    loop {
        if c.option("RECOVERY_WINDOW")? {
            c.optional_equals();
            policy.window_ms = options::window_ms(&c.text("a text '<n>d|h|m' or '0'")?)?;
        } else if c.option("REDUNDANCY")? {
            policy.redundancy = count(c)?;
        } else if c.option("BACKUP_COPIES")? {
            // As in the original there is one copy; another number would do nothing.
            let copies = count(c)?;
            if copies > 1 {
                let what = format!("BACKUP_COPIES = {copies} is not supported");
                let todo = "leave it out; a second archive destination keeps a second copy of the log";
                return Err(
                    Failure::new(ErrorClass::Invalid, what, "DELETE BACKUP POLICY", todo).with_code(NOT_SUPPORTED_CODE)
                );
            }
        } else if c.option("KEEP_WEEKLY")? {
            policy.keep_weekly = count(c)?;
        } else if c.option("KEEP_MONTHLY")? {
            policy.keep_monthly = count(c)?;
        } else if c.option("KEEP_YEARLY")? {
            policy.keep_yearly = count(c)?;
        } else {
            break;
        }
    }
    let tenants = tenants_clause(c)?;
    let preview = c.accept("PREVIEW");
    ended(c, AdminRequest::Clean(CleanRequest::AddPolicy { tenants, policy, preview }))
}

fn count(c: &mut Cursor<'_>) -> Result<u64, Failure> {
    c.optional_equals();
    c.number("a number")
}

fn policy_name(c: &mut Cursor<'_>) -> Result<String, Failure> {
    c.need("BACKUP")?;
    c.need("POLICY")?;
    c.optional_equals();
    c.text_or_word("'default' or 'log_only'")
}

/// After `DROP` in `ALTER SYSTEM`: a policy or an adopted destination.
pub(super) fn drop_policy(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("CATALOG") {
        c.optional_equals();
        let uri = c.text("a text with the uri of a destination")?.trim().to_owned();
        return ended(c, AdminRequest::Catalog(CatalogRequest::Drop { uri }));
    }
    c.need("DELETE")?;
    let name = policy_name(c)?;
    let tenants = tenants_clause(c)?;
    ended(c, AdminRequest::Clean(CleanRequest::DropPolicy { tenants, name }))
}
