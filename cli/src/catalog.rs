//! `strandline catalog import|list|drop`: destinations of another cluster, known to this one.
//!
//! Only words a statement: everything is decided by the cluster.

use crate::Outcome;
use crate::admin::Admin;
use crate::args::{CatalogArgs, CatalogCommand, ClientArgs};
use crate::looks::absolute;
use crate::{endpoints, output};

/// Says it to the cluster and prints the answer.
pub async fn run(client: &ClientArgs, args: CatalogArgs) -> Outcome<()> {
    let mut admin = Admin::new(&endpoints::schedulers(client)?)?.patient(client.patience());
    output::print_reply(&admin.sql(&statement(&args.command)?).await?, client.form())
}

fn statement(command: &CatalogCommand) -> Outcome<String> {
    Ok(match command {
        CatalogCommand::Import { uri, name, allow_delete } => {
            let name = name.as_ref().map(|n| format!(" AS {n}")).unwrap_or_default();
            let allow = if *allow_delete { " ALLOW DELETE" } else { "" };
            format!("ALTER SYSTEM IMPORT CATALOG {}{name}{allow}", quoted(&absolute(uri)?))
        }
        CatalogCommand::List => "SELECT * FROM CDB_STRANDLINE_IMPORTED_CATALOGS".to_owned(),
        CatalogCommand::Drop { uri } => format!("ALTER SYSTEM DROP CATALOG {}", quoted(&absolute(uri)?)),
    })
}

/// A text of SQL.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_is_typed_becomes_one_statement_and_never_two() {
        let import = |uri: &str, name: Option<&str>, allow_delete| {
            let name = name.map(str::to_owned);
            statement(&CatalogCommand::Import { uri: uri.to_owned(), name, allow_delete }).unwrap()
        };
        assert_eq!(import("file:///a", None, false), "ALTER SYSTEM IMPORT CATALOG 'file:///a'");
        assert_eq!(
            import("file:///a' ALLOW DELETE", Some("x"), true),
            "ALTER SYSTEM IMPORT CATALOG 'file:///a'' ALLOW DELETE' AS x ALLOW DELETE"
        );
    }
}
