//! `EXTERNAL_STORAGE_DEST`: new keys or attributes of a destination that is in use.

use super::answered;
use crate::clock;
use crate::effects::{self, destination};
use crate::sql::cursor::Cursor;
use crate::statements::answer::done_text;
use crate::statements::context::Context;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::state::Destination;
use strandline_scheduler_core::{Action, DestRef, dest_ref};
use strandline_types::{Access, Address, DestUri, ErrorClass, Failure};

/// The original's number for a zone, idc or region that it does not know.
const LOCALITY_CODE: i32 = -9133;

pub const CHANGE: Syntax = Syntax {
    words: &[
        "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST",
        "ALTER SYSTEM CHANGE EXTERNAL_STORAGE_DEST",
        "ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST",
    ],
    rest: "PATH = '<uri>' SET ACCESS_INFO = '<keys>' | SET ATTRIBUTE = '<name>=<value>'",
    about: "Gives a destination that is in use new keys or attributes, after it was opened with them.",
    parse,
};

/// `EXTERNAL_STORAGE_DEST`.
#[derive(Debug, PartialEq, Eq)]
pub struct ChangeExternalStorage {
    /// The destination as it was set, its host included.
    pub path: String,
    /// What changes.
    pub change: StorageChange,
}

/// What `EXTERNAL_STORAGE_DEST` changes.
#[derive(Clone, PartialEq, Eq)]
pub enum StorageChange {
    /// `SET ACCESS_INFO`: keys.
    Access(String),
    /// `SET ATTRIBUTE`: attributes of the address.
    Attribute(String),
}

impl std::fmt::Debug for StorageChange {
    /// Keys are not shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Access(_) => f.write_str("Access(******)"),
            Self::Attribute(text) => f.debug_tuple("Attribute").field(text).finish(),
        }
    }
}

fn parse(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    c.need("PATH")?;
    let path = c.text_value("a text with the address of the destination, its host included")?;
    c.need("SET")?;
    let change = if c.accept("ACCESS_INFO") {
        StorageChange::Access(c.text_value("a text 'access_id=…&access_key=…'")?)
    } else {
        c.need("ATTRIBUTE")?;
        StorageChange::Attribute(c.text_value("a text 'name=value'")?)
    };
    Statement::command(c, ChangeExternalStorage { path, change })
}

#[async_trait]
impl Command for ChangeExternalStorage {
    /// The new keys or attributes are verified first: the destination must open with them and be the same one.
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let path = Address::parse(&self.path)?.uri;
        let _one_at_a_time = cx.destinations.lock().await;
        let (dest, known) = in_use(cx, &path)?;
        let (uri, access) = match &self.change {
            StorageChange::Access(keys) => (dest.uri.clone(), Access::new(keys.trim())),
            StorageChange::Attribute(text) => (changed_attributes(&dest.uri, text)?, dest.access.clone()),
        };
        // `examine` compares the identity first, and writes nothing where it differs.
        let medium = effects::open_unclaimed(&uri, &access)?;
        let dest_ref = DestRef { uri: uri.clone(), access: access.clone(), ..known };
        let verified = destination::examine(medium.as_ref(), &dest_ref, dest.kind, dest.was_claimed(), clock::now());
        let check_file = answered(&uri, verified).await?;
        let done = cx.node.act(Action::ChangeStorage { dest: dest.id, uri: uri.to_string(), access }).await?;
        cx.node.act(Action::DestChecked { dest: dest.id, check_file }).await?;
        Ok(format!("destination {} ({uri}) goes on with what was set: {}", dest.id, done_text(&done)))
    }
}

/// The destination at a path, of the session's tenant or, in a session of `sys`, of any.
fn in_use(cx: &Context<'_>, path: &DestUri) -> Result<(Destination, DestRef), Failure> {
    cx.node.read(|state| {
        let tenant = cx.tenant().map(|name| state.tenant_by_name(name).map(|t| t.id)).transpose()?;
        let is_it = |d: &&Destination| tenant.is_none_or(|t| t == d.tenant_id) && d.uri.is_same_place(path);
        let found = state.destinations.values().find(is_it).ok_or_else(|| no_such_dest(path))?;
        Ok((found.clone(), dest_ref(state, found)))
    })
}

fn changed_attributes(uri: &DestUri, text: &str) -> Result<DestUri, Failure> {
    let mut names = text.split('&').filter_map(|a| a.split_once('=')).map(|(n, _)| n.trim());
    if let Some(name) = names.find(|n| matches!(*n, "zone" | "idc" | "region")) {
        let todo = "workers have no zones here: every worker must reach the destination";
        let what = format!("the {name} is not known");
        return Err(Failure::new(ErrorClass::Invalid, what, text, todo).with_code(LOCALITY_CODE));
    }
    uri.with_attributes(text)
}

fn no_such_dest(path: &DestUri) -> Failure {
    let todo = "write it as CDB_OB_BACKUP_STORAGE_INFO shows it, its host included";
    Failure::new(ErrorClass::NotFound, "no destination has this path", path.to_string(), todo)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;

    #[test]
    fn keys_and_attributes_are_changed() {
        let change = |path: &str, change| Ok(ChangeExternalStorage { path: path.to_owned(), change });
        let text = "ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = 's3://b/x?host=h' SET ACCESS_INFO = \
                    'access_id=a&access_key=b'";
        let keys = StorageChange::Access("access_id=a&access_key=b".into());
        assert_eq!(command(text), change("s3://b/x?host=h", keys));
        let text = "ALTER SYSTEM MODIFY EXTERNAL_STORAGE_DEST PATH 's3://b/x' SET ATTRIBUTE 'max_iops=9'";
        assert_eq!(command(text), change("s3://b/x", StorageChange::Attribute("max_iops=9".into())));
    }
}
