//! RESTORE, its preview and sources, RECOVER TABLE, standby tenants, drills and adopted destinations (fact sheet 1.7).

use super::backup::typed_password;
use super::{description, ended, tenant_clause};
use crate::sql::cursor::Cursor;
use crate::sql::options;
use crate::sql::request::restore::{
    CatalogRequest, DrillRequest, RecoverTableRequest, RestoreFrom, RestoreOptions, RestorePreview, RestoreRequest,
    StandbyRequest, Until,
};
use crate::sql::request::{AdminRequest, SessionWord};
use strandline_types::{ErrorClass, Failure, Scn, parse_time_text, split_destinations};

/// After `RESTORE`: with a tenant's name it restores, without one it can only preview.
pub(super) fn restore(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("FROM") {
        let from = destinations(c)?;
        let until = until_clause(c)?;
        c.need("PREVIEW")?;
        return ended(c, AdminRequest::RestorePreview(RestorePreview { from, until }));
    }
    if c.accept("UNTIL") {
        let until = until(c)?;
        c.need("PREVIEW")?;
        return ended(c, AdminRequest::RestorePreview(RestorePreview { from: RestoreFrom::Added, until }));
    }
    if c.accept("PREVIEW") {
        let (from, until) = (RestoreFrom::Added, Until::Latest);
        return ended(c, AdminRequest::RestorePreview(RestorePreview { from, until }));
    }
    let tenant = c.name("the name of the tenant to make")?;
    let from = if c.accept("FROM") { destinations(c)? } else { RestoreFrom::Added };
    let until = until_clause(c)?;
    if c.accept("PREVIEW") {
        return ended(c, AdminRequest::RestorePreview(RestorePreview { from, until }));
    }
    let options = with_clause(c, options::restore_options)?;
    let description = description(c)?;
    ended(c, AdminRequest::Restore(RestoreRequest { tenant, from, until, options, description }))
}

fn destinations(c: &mut Cursor<'_>) -> Result<RestoreFrom, Failure> {
    let (data, archive) = options::restore_uris(&c.text("a text '<data uri>,<archive uri>'")?)?;
    Ok(RestoreFrom::Destinations { data, archive })
}

fn with_clause(
    c: &mut Cursor<'_>,
    read: fn(&str) -> Result<RestoreOptions, Failure>,
) -> Result<RestoreOptions, Failure> {
    if c.accept("WITH") { read(&c.text("a text 'name=value&name=value'")?) } else { Ok(RestoreOptions::default()) }
}

fn until_clause(c: &mut Cursor<'_>) -> Result<Until, Failure> {
    if c.accept("UNTIL") { until(c) } else { Ok(Until::Latest) }
}

fn until(c: &mut Cursor<'_>) -> Result<Until, Failure> {
    if c.accept("SCN") {
        c.optional_equals();
        return Ok(Until::Scn(Scn(c.number("an SCN")?)));
    }
    c.need("TIME")?;
    c.optional_equals();
    let text = c.text("a time 'YYYY-MM-DD hh:mm:ss[.fffffffff]' (UTC)")?;
    parse_time_text(&text).map(Until::Scn).map_err(|e| {
        Failure::new(
            ErrorClass::Invalid,
            e.to_string(),
            text,
            "without a zone it is read as UTC; an SCN is written UNTIL SCN = <number>",
        )
    })
}

/// After `ADD RESTORE` or `CLEAR RESTORE`.
pub(super) fn restore_source(c: &mut Cursor<'_>, add: bool) -> Result<AdminRequest, Failure> {
    c.need("SOURCE")?;
    let word = if add {
        let text = c.text("a text '<directory of a set or piece>[,…]'")?;
        SessionWord::AddSources(split_destinations(&text).into_iter().map(str::to_owned).collect())
    } else {
        SessionWord::ClearSources
    };
    ended(c, AdminRequest::Session(word))
}

/// After `SET DECRYPTION`: `IDENTIFIED BY 'p1' [, 'p2']`.
pub(super) fn decryption(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("IDENTIFIED")?;
    c.need("BY")?;
    let mut passwords = Vec::new();
    loop {
        passwords.push(typed_password(&c.text("a password")?, "SET DECRYPTION")?);
        if !c.accept_symbol(',') {
            break;
        }
    }
    ended(c, AdminRequest::Session(SessionWord::Decryption(passwords)))
}

/// After `RECOVER`.
pub(super) fn recover(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("STANDBY") {
        let tenant = tenant_clause(c)?;
        if c.accept("CANCEL") {
            return ended(c, AdminRequest::Standby(StandbyRequest::Stop { tenant }));
        }
        c.need("UNTIL")?;
        let until = if c.accept("UNLIMITED") {
            None
        } else {
            match until(c)? {
                Until::Scn(scn) => Some(scn),
                Until::Latest => None,
            }
        };
        return ended(c, AdminRequest::Standby(StandbyRequest::Recover { tenant, until }));
    }
    c.need("TABLE")?;
    recover_table(c)
}

fn recover_table(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    let mut tables = Vec::new();
    let mut is_all = false;
    loop {
        match table_name(c)? {
            Some(name) => tables.push(name),
            None => is_all = true,
        }
        if !c.accept_symbol(',') {
            break;
        }
    }
    if is_all {
        tables.clear();
    }
    c.need("TO")?;
    let _ = c.accept("TENANT");
    c.optional_equals();
    let target = c.name("the tenant that gets the tables")?;
    let from = if c.accept("FROM") { destinations(c)? } else { RestoreFrom::Added };
    let until = until_clause(c)?;
    let options = with_clause(c, options::recover_options)?;
    let mut remap = Vec::new();
    if c.accept("REMAP") {
        c.need("TABLE")?;
        loop {
            remap.push(remap_pair(c)?);
            if !c.accept_symbol(',') {
                break;
            }
        }
    }
    let description = description(c)?;
    let request = RecoverTableRequest { tables, target, from, until, options, remap, description };
    ended(c, AdminRequest::RecoverTable(request))
}

/// `t`, `db.t`, `db.*` or `*.*`; `None` = all. There is one namespace per tenant: the database is read and not used.
fn table_name(c: &mut Cursor<'_>) -> Result<Option<String>, Failure> {
    if c.accept_symbol('*') {
        if c.accept_symbol('.') && !c.accept_symbol('*') {
            return Err(c.failure());
        }
        return Ok(None);
    }
    let first = c.name("a table name")?;
    if !c.accept_symbol('.') {
        return Ok(Some(first));
    }
    if c.accept_symbol('*') { Ok(None) } else { c.name("a table name").map(Some) }
}

fn remap_pair(c: &mut Cursor<'_>) -> Result<(String, String), Failure> {
    let from = table_name(c)?;
    if !c.accept_symbol(':') {
        return Err(c.failure());
    }
    let to = table_name(c)?;
    from.zip(to).ok_or_else(|| {
        let todo = "write REMAP TABLE old:new[, old:new]";
        Failure::new(ErrorClass::Invalid, "only single tables can be renamed", "REMAP TABLE", todo)
    })
}

/// After `ACTIVATE`.
pub(super) fn activate(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("STANDBY")?;
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Standby(StandbyRequest::Activate { tenant }))
}

/// After `SET LOG_RESTORE_SOURCE`.
pub(super) fn log_restore_source(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.optional_equals();
    let text = c.text("a text 'LOCATION=<archive uri>'")?;
    let uri = text.trim().split_once('=').filter(|(key, _)| key.eq_ignore_ascii_case("LOCATION")).map(|(_, u)| u);
    let Some(uri) = uri.map(str::trim).filter(|u| !u.is_empty()) else {
        let what = "LOG_RESTORE_SOURCE has no LOCATION";
        return Err(Failure::new(ErrorClass::Invalid, what, text, "write 'LOCATION=<archive uri>'"));
    };
    let uri = uri.to_owned();
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Standby(StandbyRequest::SetSource { tenant, uri }))
}

/// After `SET RESTORE_DRILL_INTERVAL`.
pub(super) fn drill_interval(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.optional_equals();
    let interval_ms = options::window_ms(&c.text("a text '<n>d|h|m|s' or '0'")?)?;
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Drill(DrillRequest::Every { tenant, interval_ms }))
}

/// After `SET RESTORE_DRILL_SCHEDULE`.
pub(super) fn drill_schedule(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.optional_equals();
    let cron = c.text("a cron text '<minute> <hour> <day> <month> <weekday>', or ''")?.trim().to_owned();
    let mut time_zone = "UTC".to_owned();
    if c.accept("TIME") {
        c.need("ZONE")?;
        c.optional_equals();
        time_zone = c.text("a text with the time zone")?;
    }
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Drill(DrillRequest::At { tenant, cron, time_zone }))
}

/// After `RUN`.
pub(super) fn run(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("RESTORE")?;
    c.need("DRILL")?;
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::Drill(DrillRequest::Run { tenant }))
}

/// After `CANCEL RESTORE`: a drill or a restore.
pub(super) fn cancel_restore(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("DRILL") {
        let tenant = tenant_clause(c)?;
        return ended(c, AdminRequest::Drill(DrillRequest::Cancel { tenant }));
    }
    let tenant = c.name("the tenant that is being restored")?;
    ended(c, AdminRequest::CancelRestore { tenant })
}

/// After `IMPORT`.
pub(super) fn import(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    c.need("CATALOG")?;
    c.optional_equals();
    let uri = c.text("a text with the uri of a destination")?.trim().to_owned();
    let name = if c.accept("AS") { Some(c.name("a tenant name")?) } else { None };
    let allow_delete = c.accept("ALLOW");
    if allow_delete {
        c.need("DELETE")?;
    }
    ended(c, AdminRequest::Catalog(CatalogRequest::Import { uri, name, allow_delete }))
}
