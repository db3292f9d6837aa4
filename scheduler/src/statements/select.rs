//! `SELECT`: a read over the views. SQLite parses it; here it is only passed on.

use super::statement::{Statement, Syntax};

pub const SELECT: Syntax = Syntax {
    words: &["SELECT", "WITH"],
    rest: "…",
    about: "Reads the views in SQL as SQLite understands it; SHOW TABLES lists them.",
    parse: |c| Ok(Statement::Select(c.whole().to_owned())),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::parse;

    #[test]
    fn a_select_is_passed_on_as_it_was_written() {
        let passed_on = |text| match parse(text) {
            Ok(Statement::Select(sql)) => sql,
            other => format!("{other:?}"),
        };
        assert_eq!(passed_on("select 1;"), "select 1");
        let with = "WITH x AS (SELECT 1) SELECT * FROM x";
        assert_eq!(passed_on(with), with);
    }
}
