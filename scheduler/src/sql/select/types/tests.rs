//! Types of columns of answers, with rows and without.
#![allow(clippy::unwrap_used)]

use super::super::select;
use super::*;
use SqlType::{Double, Signed, Text, Unsigned};
use strandline_scheduler_core::views::Table;

/// The answer over the views of an empty state, with the types of its columns.
fn of(sql: &str) -> (Rows, Vec<SqlType>) {
    over(sql, |_| Vec::new())
}

/// The answer over views that have one row.
fn of_one_row(sql: &str) -> (Rows, Vec<SqlType>) {
    let value = |column: &ColumnType| match column.sql_type {
        Unsigned => Cell::Uint(7),
        Signed => Cell::Int(-4002),
        Double => Cell::Real(0.5),
        Text => Cell::Text("DOING".to_owned()),
    };
    over(sql, |columns| vec![columns.iter().map(value).collect()])
}

fn over(sql: &str, rows: impl Fn(&[ColumnType]) -> Vec<Vec<Cell>>) -> (Rows, Vec<SqlType>) {
    let table = |name: String| {
        let columns = views::named(&name).unwrap().columns();
        let table = Table { columns: columns.iter().map(|c| c.name).collect(), rows: rows(&columns) };
        (name, table)
    };
    let tables: Vec<_> = mentioned(sql, views::is_view).unwrap().into_iter().map(table).collect();
    let rows = select(sql, &tables).unwrap();
    let types = column_types(sql, &rows);
    (rows, types)
}

fn types(sql: &str) -> Vec<SqlType> {
    of(sql).1
}

#[test]
fn columns_of_views_have_their_declared_types_in_an_empty_answer_too() {
    let (rows, types) = of("SELECT TENANT_ID, STATUS, RESULT FROM CDB_OB_BACKUP_JOBS");
    assert!(rows.rows.is_empty());
    assert_eq!(types, [Unsigned, Text, Signed]);
    for name in views::all_names() {
        let (rows, types) = of(&format!("SELECT * FROM oceanbase.`{name}`"));
        let declared = views::named(&name).unwrap().columns();
        assert_eq!(rows.columns, declared.iter().map(|c| c.name.to_owned()).collect::<Vec<_>>(), "{name}");
        assert_eq!(types, declared.iter().map(|c| c.sql_type).collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn columns_keep_their_types_through_aliases_joins_subqueries_and_unions() {
    for sql in [
        "SELECT j.tenant_id AS a, j.status b FROM cdb_ob_backup_jobs j WHERE j.result = 0 ORDER BY a",
        "SELECT a, b FROM (SELECT TENANT_ID a, STATUS b FROM CDB_OB_BACKUP_JOBS)",
        "WITH x AS (SELECT TENANT_ID, STATUS FROM CDB_OB_BACKUP_JOBS) SELECT * FROM x",
        "SELECT TENANT_ID, STATUS FROM CDB_OB_BACKUP_JOBS UNION ALL SELECT TENANT_ID, STATUS FROM CDB_OB_BACKUP_JOB_HISTORY",
        "SELECT DISTINCT l.TENANT_ID, t.TENANT_NAME FROM CDB_OB_TENANTS t JOIN CDB_OB_LS_LOCATIONS l USING (TENANT_ID)",
    ] {
        assert_eq!(types(sql), [Unsigned, Text], "{sql}");
    }
}

#[test]
fn computed_columns_have_the_same_types_without_rows_and_with_rows() {
    for (item, expected) in [
        ("count(*)", Signed),
        ("COUNT(DISTINCT STATUS) AS n", Signed),
        ("count(*) n", Signed),
        ("42", Signed),
        ("-1", Signed),
        ("1.5", Double),
        ("'x'", Text),
        ("'x' AS y", Text),
        ("max(JOB_ID)", Unsigned),
        ("min(STATUS)", Text),
        ("max(RESULT) - 1", Signed),
        ("sum(JOB_ID)", Unsigned),
        ("avg(JOB_ID)", Double),
        ("round(avg(JOB_ID), 2) share", Double),
        ("(JOB_ID + 1) * 2", Signed),
        ("JOB_ID / 2.0", Double),
        ("JOB_ID = 5", Signed),
        ("STATUS LIKE 'D%'", Signed),
        ("RESULT IS NULL", Signed),
        ("STATUS || '!'", Text),
        ("upper(STATUS)", Text),
        ("length(STATUS)", Signed),
        ("coalesce(JOB_ID, 0)", Signed),
        ("coalesce(COMMENT, STATUS)", Text),
        ("CASE WHEN RESULT = 0 THEN 'good' ELSE 'bad' END", Text),
        ("CASE RESULT WHEN 0 THEN 1 ELSE 0 END verdict", Signed),
        ("CASE WHEN RESULT = 0 THEN NULL ELSE JOB_ID END", Unsigned),
        ("CAST(STATUS AS INTEGER)", Signed),
        ("CAST(JOB_ID AS CHAR)", Text),
        ("(SELECT count(*) FROM CDB_OB_BACKUP_JOBS)", Signed),
        ("row_number() OVER (ORDER BY JOB_ID)", Signed),
        ("count(*) FILTER (WHERE RESULT = 0)", Signed),
        ("iif(RESULT = 0, 'a', 'b')", Text),
    ] {
        let sql = format!("SELECT {item} FROM CDB_OB_BACKUP_JOBS GROUP BY JOB_ID");
        let (rows, types) = of(&sql);
        assert!(rows.rows.is_empty(), "{sql}");
        assert_eq!(types, [expected], "{sql}");
        let (rows, types) = of_one_row(&sql);
        assert_eq!((rows.rows.len(), types), (1, vec![expected]), "{sql}: {rows:?}");
    }
}

#[test]
fn a_star_leaves_the_other_items_their_places() {
    let sql = "SELECT 1, j.*, count(*) OVER (), 'x' FROM CDB_OB_BACKUP_PARAMETER j";
    assert_eq!(types(sql), [Signed, Unsigned, Text, Text, Signed, Text]);
    let sql = "SELECT 1 AS a, p.*, q.*, 2.5 FROM CDB_OB_BACKUP_PARAMETER p, CDB_OB_ARCHIVE_DEST q";
    assert_eq!(types(sql), [Signed, Unsigned, Text, Text, Unsigned, Unsigned, Text, Text, Double]);
}

#[test]
fn what_is_not_understood_has_the_type_of_its_values() {
    assert_eq!(types("SELECT json_extract('[7]', '$[0]')"), [Signed]);
    assert_eq!(types("SELECT json_extract('[7.5]', '$[0]')"), [Double]);
    assert_eq!(types("SELECT json_extract('[7]', '$[0]') FROM CDB_OB_TENANTS"), [Text], "there are none");
    assert_eq!(types("SELECT n FROM (SELECT 1 AS n UNION ALL SELECT 'x')"), [Text]);
}

#[test]
fn no_value_is_lost_to_the_type_of_its_column() {
    let tables = [(
        "CDB_OB_TENANTS".to_owned(),
        Table { columns: vec!["TENANT_ID", "MAX_SCN"], rows: vec![vec![Cell::Uint(1002), Cell::Uint(u64::MAX)]] },
    )];
    for (sql, expected) in [
        ("SELECT MAX_SCN FROM CDB_OB_TENANTS", Unsigned),
        ("SELECT TENANT_ID FROM CDB_OB_TENANTS UNION ALL SELECT 'none'", Text),
        ("SELECT TENANT_ID FROM CDB_OB_TENANTS UNION ALL SELECT -1", Text),
        ("SELECT TENANT_ID FROM CDB_OB_TENANTS UNION ALL SELECT NULL", Unsigned),
    ] {
        let rows = select(sql, &tables).unwrap();
        assert_eq!(column_types(sql, &rows), [expected], "{sql}");
    }
    let rows = select("SELECT MAX_SCN FROM CDB_OB_TENANTS", &tables).unwrap();
    assert_eq!(converted(&rows.rows[0][0], Unsigned), Some(Cell::Uint(u64::MAX)));
}

#[test]
fn an_answer_of_other_columns_than_this_node_knows_has_the_types_of_its_values() {
    let rows = Rows { columns: vec!["NEW".to_owned()], rows: vec![vec![Cell::Text("x".to_owned())]] };
    assert_eq!(column_types("SELECT TENANT_ID FROM CDB_OB_TENANTS", &rows), [Text]);
    assert_eq!(column_types("SELECT * FROM CDB_OB_LATER", &rows), [Text]);
    assert_eq!(column_types("SHOW TABLES", &rows), [Text]);
}
