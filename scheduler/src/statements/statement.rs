//! What a statement is after it is parsed, by what it needs to be answered. The executor matches it without a rest: a
//! statement cannot be parsed as one kind and answered as another.

use super::context::Context;
use super::settings::SessionSetting;
use crate::sql::cursor::Cursor;
use crate::sql::lists::{Filter, ShowList};
use crate::sql::select::Rows;
use async_trait::async_trait;
use std::any::Any;
use std::fmt;
use strandline_types::Failure;

/// One statement.
pub enum Statement {
    /// Clients send it by themselves, and it changes nothing here: `USE`, `BEGIN`, `SET autocommit`.
    NoEffect,
    /// Kept for later statements of the session.
    Setting(SessionSetting),
    /// `SHOW` of a list that is the same on every node.
    List {
        /// The list.
        list: ShowList,
        /// The rows of it.
        filter: Filter,
    },
    /// A read over the views, as SQLite understands it.
    Select(String),
    /// Rows that the leader computes. It changes nothing: it may be sent again.
    Read(Box<dyn Read>),
    /// A change. The leader makes it, once.
    Command(Box<dyn Command>),
}

impl Statement {
    /// A command.
    ///
    /// # Errors
    /// `Invalid` when the statement does not end here.
    pub fn command(c: &mut Cursor<'_>, command: impl Command) -> Result<Self, Failure> {
        c.ended(Self::Command(Box::new(command)))
    }

    /// A read.
    ///
    /// # Errors
    /// `Invalid` when the statement does not end here.
    pub fn read(c: &mut Cursor<'_>, read: impl Read) -> Result<Self, Failure> {
        c.ended(Self::Read(Box::new(read)))
    }

    /// A setting of the session.
    ///
    /// # Errors
    /// `Invalid` when the statement does not end here.
    pub fn setting(c: &mut Cursor<'_>, setting: SessionSetting) -> Result<Self, Failure> {
        c.ended(Self::Setting(setting))
    }
}

impl fmt::Debug for Statement {
    /// The kind alone: a statement may hold keys and passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEffect => "NoEffect",
            Self::Setting(_) => "Setting",
            Self::List { .. } => "List",
            Self::Select(_) => "Select",
            Self::Read(_) => "Read",
            Self::Command(_) => "Command",
        })
    }
}

/// A statement that changes something.
#[async_trait]
pub trait Command: Any + Send + Sync {
    /// Makes the change; the answer says what was done. It runs on the leader only.
    ///
    /// # Errors
    /// What was refused, on which object, and what to do.
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure>;

    /// True for a statement that reads the sources of `ADD RESTORE SOURCE`: they are for one restore, and the session
    /// forgets them when it has succeeded.
    fn uses_up_sources(&self) -> bool {
        false
    }
}

/// A statement that answers rows and changes nothing.
#[async_trait]
pub trait Read: Any + Send + Sync {
    /// The rows. It runs on the leader only.
    ///
    /// # Errors
    /// What was refused, on which object, and what to do.
    async fn rows(&self, cx: &Context<'_>) -> Result<Rows, Failure>;

    /// What later statements of the session use of it.
    fn setting(&self) -> Option<SessionSetting> {
        None
    }
}

/// One form of a statement: the words by which it is found, its parser, and its lines in the reference.
pub struct Syntax {
    /// The words that it begins with; several spellings of one statement stand beside each other. `NAME[_n]` stands for
    /// `NAME` and `NAME_1` to `NAME_7`.
    pub words: &'static [&'static str],
    /// What may follow the words, for the reference.
    pub rest: &'static str,
    /// What it does, for the reference: one sentence.
    pub about: &'static str,
    /// Reads what follows the words.
    pub parse: fn(&mut Cursor<'_>) -> Result<Statement, Failure>,
}

/// Statements of one subject, for the reference.
pub struct Topic {
    /// Heading.
    pub title: &'static str,
    /// The statements.
    pub statements: &'static [Syntax],
}
