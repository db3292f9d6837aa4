//! SHOW, with the filters that MySQL clients put behind it. What it does not know is refused: an empty answer would be
//! one more thing that is not true.

use super::{ended, view_name};
use crate::sql::cursor::Cursor;
use crate::sql::request::{AdminRequest, Filter, Show, ShowList};
use strandline_types::Failure;

/// After `SHOW`.
pub(super) fn show(c: &mut Cursor<'_>) -> Result<AdminRequest, Failure> {
    if c.accept("RESTORE") {
        c.need("PREVIEW")?;
        return ended(c, AdminRequest::Show(Show::RestorePreview));
    }
    if ["GLOBAL", "SESSION", "LOCAL"].iter().any(|scope| c.accept_quietly(scope)) {
        return match settings(c) {
            Some(list) => list_of(c, list),
            None => Err(c.failure()),
        };
    }
    let full = c.accept_quietly("FULL");
    if let Some(list) = columns_or_tables(c, full)? {
        return list_of(c, list);
    }
    if full {
        return Err(c.failure());
    }
    let list = if let Some(list) = settings(c) {
        list
    } else if c.accept("DATABASES") || c.accept("SCHEMAS") {
        ShowList::Databases
    } else if c.accept("WARNINGS") || c.accept("ERRORS") {
        ShowList::Warnings
    } else if c.accept("COLLATION") {
        ShowList::Collations
    } else if c.accept("CHARSET") || c.accept("CHARACTER") {
        let _ = c.accept_quietly("SET");
        ShowList::Charsets
    } else if c.accept("ENGINES") {
        ShowList::Engines
    } else if c.accept("PLUGINS") {
        ShowList::Plugins
    } else {
        return Err(c.failure());
    };
    list_of(c, list)
}

fn settings(c: &mut Cursor<'_>) -> Option<ShowList> {
    if c.accept("VARIABLES") {
        return Some(ShowList::Variables);
    }
    c.accept("STATUS").then_some(ShowList::Status)
}

fn columns_or_tables(c: &mut Cursor<'_>, full: bool) -> Result<Option<ShowList>, Failure> {
    if c.accept("COLUMNS") || c.accept("FIELDS") {
        if !c.accept("IN") {
            c.need("FROM")?;
        }
        let view = view_name(c)?;
        of_database(c)?;
        return Ok(Some(ShowList::Columns { view }));
    }
    if c.accept("TABLES") {
        of_database(c)?;
        return Ok(Some(ShowList::Tables { full }));
    }
    Ok(None)
}

/// `FROM oceanbase`: there is one database.
fn of_database(c: &mut Cursor<'_>) -> Result<(), Failure> {
    if c.accept("FROM") || c.accept("IN") {
        c.name("the name of the database")?;
    }
    Ok(())
}

fn list_of(c: &mut Cursor<'_>, list: ShowList) -> Result<AdminRequest, Failure> {
    let filter = if c.accept("LIKE") {
        Filter::Like(c.text("a text with a pattern")?)
    } else if c.accept("WHERE") {
        return Ok(AdminRequest::Show(Show::List { list, filter: Filter::Where(c.rest().to_owned()) }));
    } else {
        if matches!(list, ShowList::Warnings) && c.accept_quietly("LIMIT") {
            c.number("a number of rows")?;
        }
        Filter::All
    };
    ended(c, AdminRequest::Show(Show::List { list, filter }))
}
