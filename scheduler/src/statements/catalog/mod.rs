//! `IMPORT CATALOG` and `DROP CATALOG`: what a destination of another cluster holds becomes rows here, so that it can be
//! listed, validated and cleaned like this cluster's own.

mod rows;

use super::answer::done_text;
use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use crate::effects::restore_source::in_time;
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_types::{Address, Failure};

pub const IMPORT: Syntax = Syntax {
    words: &["ALTER SYSTEM IMPORT CATALOG"],
    rest: "'<uri>' [AS <tenant>] [ALLOW DELETE]",
    about: "Lists what a destination of another cluster holds; ALLOW DELETE lets this cluster clean it.",
    parse: parse_import,
};

pub const DROP: Syntax = Syntax {
    words: &["ALTER SYSTEM DROP CATALOG"],
    rest: "'<uri>'",
    about: "Forgets an imported destination; its files stay.",
    parse: |c| {
        let uri = c.trimmed_value("a text with the uri of a destination")?;
        Statement::command(c, DropCatalog { uri })
    },
};

/// `IMPORT CATALOG`.
#[derive(Debug, PartialEq, Eq)]
pub struct ImportCatalogRequest {
    /// The destination.
    pub uri: String,
    /// `AS`: the name of the tenant that stands for its owner here.
    pub name: Option<String>,
    /// Its files may be deleted from here, because its cluster does not write it any more.
    pub allow_delete: bool,
}

/// `DROP CATALOG`.
#[derive(Debug, PartialEq, Eq)]
pub struct DropCatalog {
    /// The destination.
    pub uri: String,
}

fn parse_import(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let uri = c.trimmed_value("a text with the uri of a destination")?;
    let name = if c.accept("AS") { Some(c.name("a tenant name")?) } else { None };
    let allow_delete = c.accept("ALLOW");
    if allow_delete {
        c.need("DELETE")?;
    }
    Statement::command(c, ImportCatalogRequest { uri, name, allow_delete })
}

#[async_trait]
impl Command for ImportCatalogRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let named = Address::parse(&self.uri)?.uri;
        let mut import = in_time(&named, rows::read(&self.uri)).await?;
        import.name = self.name;
        import.from.allow_delete = self.allow_delete;
        let pieces: usize = import.rounds.iter().map(|r| r.pieces.len()).sum();
        let what = format!("{} sets and {pieces} pieces of {}", import.sets.len(), import.at);
        let done = cx.node.act(Action::ImportCatalog(Box::new(import))).await?;
        Ok(format!("{what}: {}", done_text(&done)))
    }
}

#[async_trait]
impl Command for DropCatalog {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let uri = Address::parse(&self.uri)?.uri;
        cx.node.act(Action::ForgetCatalog { uri: uri.clone() }).await?;
        Ok(format!("{uri} is forgotten; its files stay"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn catalogs_are_imported_and_dropped() {
        let import = |name: Option<&str>, allow_delete| {
            Ok(ImportCatalogRequest { uri: "file:///d".into(), name: name.map(str::to_owned), allow_delete })
        };
        assert_eq!(command("ALTER SYSTEM IMPORT CATALOG 'file:///d' ALLOW DELETE"), import(None, true));
        assert_eq!(command("ALTER SYSTEM IMPORT CATALOG = 'file:///d' AS old"), import(Some("old"), false));
        let drop = DropCatalog { uri: "file:///d".into() };
        assert_eq!(command("ALTER SYSTEM DROP CATALOG 'file:///d'"), Ok(drop));
    }
}
