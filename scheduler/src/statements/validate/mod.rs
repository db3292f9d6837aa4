//! `VALIDATE` and `CANCEL VALIDATE BACKUP`.

pub mod objects;

use super::answer::done_text;
use super::context::Context;
use super::statement::{Command, Statement, Syntax};
use super::tenants::Named;
use crate::effects::restore_source::{in_time, keys_of};
use crate::sql::clauses::Tenants;
use crate::sql::cursor::Cursor;
use async_trait::async_trait;
use objects::{by_ids, found_at, needed, objects_of};
use strandline_scheduler_core::state::{JobKind, ValidateKind};
use strandline_scheduler_core::{Action, StartValidate};
use strandline_types::{Address, ErrorClass, Failure, ValidateLevel};

pub const VALIDATE: Syntax = Syntax {
    words: &["ALTER SYSTEM VALIDATE"],
    rest: "BACKUP | BACKUPSET [= '<ids>'] | ARCHIVELOG_PIECE [= '<ids>'] \
           [DATA_BACKUP_DEST = '<uri>' | LOG_ARCHIVE_DEST = '<uri>'] [KEY = 'file:<path>' | 'command:<path>'] \
           [LEVEL = 'basic' | 'physical'] [TENANT = <tenant>, … | all] [DESCRIPTION = '<text>']",
    about: "Reads sets and pieces on the workers and reports what is damaged or missing.",
    parse,
};

pub const CANCEL: Syntax = Syntax {
    words: &["ALTER SYSTEM CANCEL VALIDATE BACKUP"],
    rest: "[TENANT = <tenant>, … | all]",
    about: "Ends the running validations of the tenants.",
    parse: |c| {
        let tenants = c.tenants_clause()?;
        Statement::command(c, CancelValidate { tenants })
    },
};

/// `VALIDATE …`.
#[derive(Debug, PartialEq, Eq)]
pub struct ValidateRequest {
    /// The tenants.
    pub tenants: Tenants,
    /// The sets and pieces.
    pub what: ValidateWhat,
    /// A destination other than the tenant's own, of any cluster.
    pub dest: Option<String>,
    /// `KEY = 'file:/path|command:…'`: where the key of an encrypted archive comes from that this cluster did not write.
    pub key_source: String,
    /// The depth.
    pub level: ValidateLevel,
    /// `DESCRIPTION`.
    pub description: String,
}

/// What to validate; an empty list of ids means all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValidateWhat {
    /// `BACKUP`: all sets and pieces.
    Database,
    /// `BACKUPSET [= '1,2']`.
    Sets(Vec<u64>),
    /// `ARCHIVELOG_PIECE [= '1,2']`.
    Pieces(Vec<u64>),
}

/// `CANCEL VALIDATE BACKUP`.
#[derive(Debug, PartialEq, Eq)]
pub struct CancelValidate {
    /// The tenants.
    pub tenants: Tenants,
}

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let (what, dest_word) = if c.accept("BACKUP") {
        (ValidateWhat::Database, "DATA_BACKUP_DEST")
    } else if c.accept("BACKUPSET") {
        (ValidateWhat::Sets(optional_ids(c)?), "DATA_BACKUP_DEST")
    } else if c.accept("ARCHIVELOG_PIECE") {
        (ValidateWhat::Pieces(optional_ids(c)?), "LOG_ARCHIVE_DEST")
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
    loop {
        if c.option(dest_word)? {
            request.dest = Some(c.trimmed_value("a text with the uri")?);
        } else if c.option("KEY")? {
            request.key_source = c.trimmed_value("a text 'file:/path' or 'command:…'")?;
        } else if c.option("LEVEL")? {
            request.level = level(&c.word_value("'basic' or 'physical'")?)?;
        } else {
            break;
        }
    }
    request.tenants = c.tenants_clause()?;
    request.description = c.description()?;
    Statement::command(c, request)
}

/// `= '1,2'`, or nothing.
fn optional_ids(c: &mut Cursor<'_>) -> Result<Vec<u64>, Failure> {
    if c.accept_symbol('=') { c.ids() } else { Ok(Vec::new()) }
}

fn level(text: &str) -> Result<ValidateLevel, Failure> {
    ValidateLevel::parse(text).ok_or_else(|| {
        let todo = "write LEVEL = 'basic' or 'physical'";
        Failure::new(ErrorClass::Invalid, format!("'{text}' is not a level"), "VALIDATE", todo)
    })
}

#[async_trait]
impl Command for ValidateRequest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let passwords = cx.settings()?.decryption;
        let mut done = Vec::new();
        for tenant in cx.tenants(&self.tenants)? {
            done.push(self.start(cx, tenant, &passwords).await?);
        }
        Ok(done.join("; "))
    }
}

impl ValidateRequest {
    /// Starts the job of one tenant. In a session without passwords, encrypted blocks are checked by the checksums of their
    /// stored bytes.
    async fn start(&self, cx: &Context<'_>, (tenant, name): Named, passwords: &[String]) -> Result<String, Failure> {
        let (kind, ids) = match &self.what {
            ValidateWhat::Database => (ValidateKind::Database, &[][..]),
            ValidateWhat::Sets(ids) => (ValidateKind::BackupSet, &ids[..]),
            ValidateWhat::Pieces(ids) => (ValidateKind::Piece, &ids[..]),
        };
        let named = self.dest.as_deref().map(Address::parse).transpose()?;
        let (objects, encrypted) = match &named {
            Some(at) => in_time(&at.uri, found_at(at, kind, &self.key_source)).await?,
            None => objects_of(cx, tenant, kind, &self.key_source).await?,
        };
        let objects = by_ids(objects, ids)?;
        let encrypted = if passwords.is_empty() { Vec::new() } else { needed(encrypted, &objects) };
        let start = StartValidate {
            tenant,
            kind,
            level: self.level,
            path: named.map(|at| at.to_string()).unwrap_or_default(),
            description: self.description.clone(),
            objects,
            keys: keys_of(encrypted, passwords).await?,
        };
        let done = cx.node.act(Action::StartValidate(Box::new(start))).await?;
        Ok(format!("{name}: {}", done_text(&done)))
    }
}

#[async_trait]
impl Command for CancelValidate {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        cx.for_each(&self.tenants, |tenant| Action::CancelJob { kind: JobKind::Validate, tenant }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn validations_are_read_and_cancelled() {
        let validate = |what, dest: Option<&str>, level, tenants| {
            let (dest, key_source) = (dest.map(str::to_owned), String::new());
            ValidateRequest { tenants, what, dest, key_source, level, description: String::new() }
        };
        let (basic, physical) = (ValidateLevel::Basic, ValidateLevel::Physical);
        let of_t = || Tenants::Named(vec!["t".into()]);
        for (text, expected) in [
            ("ALTER SYSTEM VALIDATE BACKUP", validate(ValidateWhat::Database, None, physical, Tenants::Session)),
            (
                "ALTER SYSTEM VALIDATE BACKUPSET = '1,2' DATA_BACKUP_DEST = 'file:///d' LEVEL = 'basic' TENANT = t",
                validate(ValidateWhat::Sets(vec![1, 2]), Some("file:///d"), basic, of_t()),
            ),
            (
                "ALTER SYSTEM VALIDATE ARCHIVELOG_PIECE LOG_ARCHIVE_DEST = 'file:///a'",
                validate(ValidateWhat::Pieces(Vec::new()), Some("file:///a"), physical, Tenants::Session),
            ),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
        let cancel = CancelValidate { tenants: of_t() };
        assert_eq!(command("ALTER SYSTEM CANCEL VALIDATE BACKUP TENANT = t"), Ok(cancel));
    }
}
