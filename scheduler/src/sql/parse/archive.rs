//! The grammar of log archiving (fact sheet 1.1, 1.2).

use super::super::archive_dest::archive_dest;
use super::super::cursor::Cursor;
use super::super::options;
use super::super::request::AdminRequest;
use super::super::request::archive::{ArchiveRequest, StorageChange};
use super::{description, ended, tenant_clause, tenants_clause};
use strandline_types::{DestNo, ErrorClass, Failure};

/// `ARCHIVELOG` and `NOARCHIVELOG`, after the word.
pub(super) fn switch(c: &mut Cursor<'_>, on: bool) -> Result<AdminRequest, Failure> {
    let tenants = tenants_clause(c)?;
    description(c)?;
    let request = if on { ArchiveRequest::On(tenants) } else { ArchiveRequest::Off(tenants) };
    ended(c, AdminRequest::Archive(request))
}

/// What `SET` can set of archiving; `None` when the word is none of it.
pub(super) fn set(c: &mut Cursor<'_>) -> Result<Option<AdminRequest>, Failure> {
    // The longer words first: one that does not match is remembered for the error message.
    if let Some(no) = numbered(c, "LOG_ARCHIVE_DEST_STATE") {
        return set_state(c, no).map(Some);
    }
    if let Some(no) = numbered(c, "LOG_ARCHIVE_DEST") {
        c.optional_equals();
        let dest = archive_dest(&c.text("a text 'LOCATION=<uri> …'")?)?;
        let tenant = tenant_clause(c)?;
        let request = ArchiveRequest::SetDest { tenant, no, dest };
        return ended(c, AdminRequest::Archive(request)).map(Some);
    }
    if c.accept("ARCHIVE_LAG_TARGET") {
        c.optional_equals();
        let lag_target_ms = options::duration_ms(&c.text_or_word("a text '<n>ms|s|m|h'")?)?;
        let tenant = tenant_clause(c)?;
        return ended(c, AdminRequest::Archive(ArchiveRequest::SetLag { tenant, lag_target_ms })).map(Some);
    }
    if c.accept("LOG_ARCHIVE_CONCURRENCY") {
        c.optional_equals();
        let threads = c.number("a number of threads, 0 = by the worker's CPU")?;
        let tenants = tenants_clause(c)?;
        return ended(c, AdminRequest::Archive(ArchiveRequest::SetConcurrency { tenants, threads })).map(Some);
    }
    if c.accept("ARCHIVE_NEW_TENANTS") {
        c.optional_equals();
        let dest = archive_dest(&c.text("a text 'LOCATION=<uri> …', or '' to switch it off")?)?;
        return ended(c, AdminRequest::Archive(ArchiveRequest::NewTenants(dest))).map(Some);
    }
    Ok(None)
}

/// `NAME`, or `NAME_1` to `NAME_7`.
fn numbered(c: &mut Cursor<'_>, name: &str) -> Option<DestNo> {
    if c.accept(name) {
        return Some(DestNo(0));
    }
    (1..=DestNo::LAST.0).find(|n| c.accept_quietly(&format!("{name}_{n}"))).map(DestNo)
}

fn set_state(c: &mut Cursor<'_>, no: DestNo) -> Result<AdminRequest, Failure> {
    c.optional_equals();
    let state = c.text_or_word("'ENABLE' or 'DEFER'")?;
    let enable = match state.to_ascii_uppercase().as_str() {
        "ENABLE" => true,
        "DEFER" => false,
        _ => {
            let what = format!("'{state}' is not a state of LOG_ARCHIVE_DEST_STATE");
            return Err(Failure::new(ErrorClass::Invalid, what, state, "write 'ENABLE' or 'DEFER'"));
        }
    };
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Archive(ArchiveRequest::SetState { tenant, no, enable }))
}

/// `EXTERNAL_STORAGE_DEST PATH = '…' SET ACCESS_INFO = '…' | ATTRIBUTE = '…'`, after `ALTER`, `CHANGE` or `MODIFY`.
pub(super) fn change_storage(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("EXTERNAL_STORAGE_DEST")?;
    c.need("PATH")?;
    c.optional_equals();
    let path = c.text("a text with the address of the destination, its host included")?;
    c.need("SET")?;
    let change = if c.accept("ACCESS_INFO") {
        c.optional_equals();
        StorageChange::Access(c.text("a text 'access_id=…&access_key=…'")?)
    } else {
        c.need("ATTRIBUTE")?;
        c.optional_equals();
        StorageChange::Attribute(c.text("a text 'name=value'")?)
    };
    ended(c, AdminRequest::Archive(ArchiveRequest::ChangeStorage { path, change }))
}

/// `CHECK DESTINATION '<uri>'`, after `CHECK`.
pub(super) fn check(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("DESTINATION")?;
    let uri = c.text("a text with the uri")?;
    ended(c, AdminRequest::Archive(ArchiveRequest::CheckDest { uri }))
}
