//! Statement text to [`AdminRequest`]: one recursive descent, in the original's words (fact sheet 1.1, 1.3, 1.7).
//!
//! It must never look at the state of the cluster: whether a tenant exists is not a question of grammar.

mod archive;
mod backup;
mod clean;
mod restore;
mod schedule;
mod session_set;
mod show;

use super::cursor::Cursor;
use super::request::{AdminRequest, Filter, Show, ShowList, Tenants};
use strandline_proto::bounds;
use strandline_scheduler_core::ScheduleChange;
use strandline_types::Failure;

/// Reads one statement.
///
/// # Errors
/// `Invalid` that shows where it stops making sense and what is understood there.
pub fn parse(statement: &str) -> Result<AdminRequest, Failure> {
    bounds::statement(statement)?;
    let mut c = Cursor::new(statement)?;
    if c.accept("ALTER") {
        c.need("SYSTEM")?;
        return alter_system(&mut c);
    }
    if c.accept("CREATE") {
        return create(&mut c);
    }
    if c.accept("DROP") {
        return drop(&mut c);
    }
    if c.accept("SHOW") {
        return show::show(&mut c);
    }
    if c.accept("DESC") || c.accept("DESCRIBE") {
        let list = ShowList::Columns { view: view_name(&mut c)? };
        return ended(&mut c, AdminRequest::Show(Show::List { list, filter: Filter::All }));
    }
    if c.accept("SELECT") || c.accept("WITH") {
        return Ok(AdminRequest::Select(statement.trim().trim_end_matches(';').to_owned()));
    }
    if c.accept("SET") {
        if c.accept("ENCRYPTION") {
            return backup::encryption(&mut c);
        }
        if c.accept("DECRYPTION") {
            return restore::decryption(&mut c);
        }
        return session_set::session_set(&mut c);
    }
    for word in ["USE", "BEGIN", "START", "COMMIT", "ROLLBACK"] {
        if c.accept(word) {
            return Ok(AdminRequest::Nothing);
        }
    }
    Err(c.failure())
}

fn ended(c: &mut Cursor<'_>, request: AdminRequest) -> Result<AdminRequest, Failure> {
    c.end()?;
    Ok(request)
}

fn alter_system(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("SET") {
        return alter_system_set(c);
    }
    if c.accept("ARCHIVELOG") {
        return archive::switch(c, true);
    }
    if c.accept("NOARCHIVELOG") {
        return archive::switch(c, false);
    }
    if c.accept("ALTER") || c.accept("CHANGE") || c.accept("MODIFY") {
        return archive::change_storage(c);
    }
    if c.accept("CHECK") {
        return archive::check(c);
    }
    if c.accept("BACKUP") {
        return backup::backup(c);
    }
    if c.accept("CANCEL") {
        return cancel(c);
    }
    if c.accept("RESTORE") {
        return restore::restore(c);
    }
    if c.accept("RECOVER") {
        return restore::recover(c);
    }
    if c.accept("ACTIVATE") {
        return restore::activate(c);
    }
    if c.accept("RUN") {
        return restore::run(c);
    }
    if c.accept("IMPORT") {
        return restore::import(c);
    }
    if c.accept("VALIDATE") {
        return clean::validate(c);
    }
    if c.accept("DELETE") {
        return clean::delete(c);
    }
    for (word, on) in [("ENABLE", true), ("DISABLE", false)] {
        if c.accept(word) {
            c.need("BACKUP")?;
            return schedule::change(c, ScheduleChange::Enable(on));
        }
    }
    if c.accept("DROP") {
        if c.accept("BACKUP") {
            return schedule::change(c, ScheduleChange::Drop);
        }
        return clean::drop_policy(c);
    }
    if c.accept("CLEAR") {
        c.need("RESTORE")?;
        return restore::restore_source(c, false);
    }
    if c.accept("ADD") {
        if c.accept("RESTORE") {
            return restore::restore_source(c, true);
        }
        c.need("DELETE")?;
        return clean::add_policy(c);
    }
    Err(c.failure())
}

fn cancel(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("RESTORE") {
        return restore::cancel_restore(c);
    }
    if c.accept("RECOVER") {
        c.need("TABLE")?;
        let target = c.name("the tenant that gets the tables")?;
        return ended(c, AdminRequest::CancelRecoverTable { target });
    }
    let request: fn(Tenants) -> AdminRequest = if c.accept("VALIDATE") {
        AdminRequest::CancelValidate
    } else if c.accept("DELETE") {
        |tenants| AdminRequest::Clean(super::request::clean::CleanRequest::Cancel(tenants))
    } else {
        c.need("BACKUP")?;
        let tenants = tenants_clause(c)?;
        return ended(c, AdminRequest::CancelBackup(tenants));
    };
    c.need("BACKUP")?;
    let tenants = tenants_clause(c)?;
    ended(c, request(tenants))
}

fn alter_system_set(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if let Some(request) = archive::set(c)? {
        return Ok(request);
    }
    if c.accept("DATA_BACKUP_DEST") {
        c.optional_equals();
        let uri = Some(c.text("a text with the uri")?.trim().to_owned()).filter(|u| !u.is_empty());
        let tenant = tenant_clause(c)?;
        return ended(c, AdminRequest::SetDataBackupDest { tenant, uri });
    }
    if c.accept("LOG_RESTORE_SOURCE") {
        return restore::log_restore_source(c);
    }
    if c.accept("BACKUP") {
        return schedule::set(c);
    }
    if let Some(request) = backup::parameter(c) {
        return request;
    }
    if c.accept("RESTORE_DRILL_INTERVAL") {
        return restore::drill_interval(c);
    }
    if c.accept("RESTORE_DRILL_SCHEDULE") {
        return restore::drill_schedule(c);
    }
    Err(c.failure())
}

fn create(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("TENANT") {
        let name = c.name("a tenant name")?;
        let (mut log_streams, mut replicas) = (1, 3);
        loop {
            if c.option("LOG_STREAMS")? {
                c.optional_equals();
                log_streams = c.number("a number of log streams")?;
            } else if c.option("REPLICAS")? {
                c.optional_equals();
                replicas = c.number("a number of replicas")?;
            } else {
                return ended(c, AdminRequest::CreateTenant { name, log_streams, replicas });
            }
        }
    }
    c.need("TABLE")?;
    let name = c.name("a table name")?;
    let mut tablets = 1;
    if c.accept("TABLETS") {
        c.optional_equals();
        tablets = c.number("a number of tablets")?;
    }
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::CreateTable { tenant, name, tablets })
}

fn drop(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("TENANT") {
        let name = c.name("a tenant name")?;
        return ended(c, AdminRequest::DropTenant { name });
    }
    c.need("TABLE")?;
    let name = c.name("a table name")?;
    let tenant = tenant_clause(c)?;
    ended(c, AdminRequest::DropTable { tenant, name })
}

/// `[oceanbase.]view`.
fn view_name(c: &mut Cursor<'_>) -> Result<String, Failure> {
    let first = c.name("the name of a view")?;
    if c.accept_symbol('.') { c.name("the name of a view") } else { Ok(first) }
}

fn tenant_clause(c: &mut Cursor<'_>) -> Result<Option<String>, Failure> {
    if !c.accept("TENANT") {
        return Ok(None);
    }
    c.optional_equals();
    c.name("a tenant name").map(Some)
}

fn tenants_clause(c: &mut Cursor<'_>) -> Result<Tenants, Failure> {
    if !c.accept("TENANT") {
        return Ok(Tenants::Session);
    }
    c.optional_equals();
    tenant_list(c)
}

fn tenant_list(c: &mut Cursor<'_>) -> Result<Tenants, Failure> {
    if c.accept("ALL") || c.accept("ALL_USER") {
        return Ok(Tenants::All);
    }
    let mut names = vec![c.name("a tenant name")?];
    while c.accept_symbol(',') {
        names.push(c.name("a tenant name")?);
    }
    Ok(Tenants::Named(names))
}

fn description(c: &mut Cursor<'_>) -> Result<String, Failure> {
    if !c.accept("DESCRIPTION") {
        return Ok(String::new());
    }
    c.optional_equals();
    c.text("a text")
}

#[cfg(test)]
mod tests;
