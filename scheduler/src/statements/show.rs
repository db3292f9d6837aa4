//! `SHOW` and `DESC`, with the filters that MySQL clients put behind them. A list that is not known is refused: an empty
//! answer would be wrong.

use super::statement::{Statement, Syntax};
use crate::sql::cursor::Cursor;
use crate::sql::lists::{Filter, ShowList};
use strandline_types::Failure;

pub const SHOW: Syntax = Syntax {
    words: &["SHOW"],
    rest: "[FULL] TABLES | [FULL] COLUMNS FROM <view> | DATABASES | [GLOBAL | SESSION] VARIABLES | STATUS | WARNINGS | \
           COLLATION | CHARACTER SET | ENGINES | PLUGINS [LIKE '<pattern>' | WHERE <condition>]",
    about: "Lists the views, their columns, and what MySQL clients ask for.",
    parse: parse_show,
};

pub const DESC: Syntax = Syntax {
    words: &["DESC", "DESCRIBE"],
    rest: "<view>",
    about: "Lists the columns of a view.",
    parse: |c| {
        let list = ShowList::Columns { view: view_name(c)? };
        c.ended(Statement::List { list, filter: Filter::All })
    },
};

fn parse_show(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
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

fn list_of(c: &mut Cursor<'_>, list: ShowList) -> Result<Statement, Failure> {
    let filter = if c.accept("LIKE") {
        Filter::Like(c.text("a text with a pattern")?)
    } else if c.accept("WHERE") {
        Filter::Where(c.rest().to_owned())
    } else {
        if matches!(list, ShowList::Warnings) && c.accept_quietly("LIMIT") {
            c.number("a number of rows")?;
        }
        Filter::All
    };
    c.ended(Statement::List { list, filter })
}

/// `[oceanbase.]view`.
fn view_name(c: &mut Cursor<'_>) -> Result<String, Failure> {
    let first = c.name("the name of a view")?;
    if c.accept_symbol('.') { c.name("the name of a view") } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::parse;

    fn read(text: &str) -> Result<(ShowList, Filter), String> {
        match parse(text) {
            Ok(Statement::List { list, filter }) => Ok((list, filter)),
            Ok(other) => Err(format!("{text}: {other:?}")),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn lists_are_read_with_their_filters() {
        let columns = |view: &str| ShowList::Columns { view: view.into() };
        let like = |pattern: &str| Filter::Like(pattern.into());
        for (text, list, filter) in [
            ("SHOW TABLES", ShowList::Tables { full: false }, Filter::All),
            ("SHOW FULL TABLES FROM `oceanbase` LIKE 'CDB%'", ShowList::Tables { full: true }, like("CDB%")),
            ("DESC oceanbase.CDB_OB_ARCHIVELOG", columns("CDB_OB_ARCHIVELOG"), Filter::All),
            ("SHOW FULL COLUMNS FROM `DBA_OB_ARCHIVELOG` FROM oceanbase", columns("DBA_OB_ARCHIVELOG"), Filter::All),
            ("SHOW DATABASES", ShowList::Databases, Filter::All),
            ("SHOW GLOBAL VARIABLES LIKE 'x%'", ShowList::Variables, like("x%")),
            (
                "SHOW VARIABLES WHERE Variable_name IN ('a','b');",
                ShowList::Variables,
                Filter::Where("Variable_name IN ('a','b')".into()),
            ),
            ("SHOW SESSION STATUS", ShowList::Status, Filter::All),
            ("SHOW WARNINGS LIMIT 64", ShowList::Warnings, Filter::All),
            ("SHOW CHARACTER SET", ShowList::Charsets, Filter::All),
        ] {
            assert_eq!(read(text), Ok((list, filter)), "{text}");
        }
    }
}
