//! What a client's session has said before and later statements go by: passwords, sources of a restore.
//!
//! Statements are run by whichever node leads, so a session is plain text that travels with every statement: the
//! session statements given so far, in order. No node keeps it. It holds passwords: it is never printed or logged.

use crate::sql::parse::parse;
use crate::sql::request::restore::RestorePreview;
use crate::sql::request::{AdminRequest, SessionWord};
use std::fmt;
use strandline_types::{ErrorClass, Failure, limits};

/// One session.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Session {
    tenant: Option<String>,
    said: Vec<String>,
}

/// What the statements of a session add up to.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `SET ENCRYPTION`: password of the sets to come.
    pub encryption: Option<String>,
    /// `SET DECRYPTION`: passwords of encrypted sets.
    pub decryption: Vec<String>,
    /// `ADD RESTORE SOURCE`.
    pub sources: Vec<String>,
    /// The newest `RESTORE … PREVIEW`, for `SHOW RESTORE PREVIEW`.
    pub preview: Option<RestorePreview>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?}, {} statements)", self.tenant, self.said.len())
    }
}

impl Session {
    /// A session of a tenant (`None` = `sys`) that has said something already.
    #[must_use]
    pub fn new(tenant: Option<&str>, said: Vec<String>) -> Self {
        Self { tenant: tenant.map(str::to_owned), said }
    }

    /// The tenant that statements without a TENANT clause are about; `None` = `sys`.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The session statements so far, for the next node or the client to keep.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// Another node ran the statement and says what the session is now.
    pub fn replace_said(&mut self, said: Vec<String>) {
        self.said = said;
    }

    /// Keeps a session statement.
    ///
    /// # Errors
    /// `Exhausted` when the session has said too much.
    pub fn remember(&mut self, statement: &str) -> Result<(), Failure> {
        let bytes: usize = self.said.iter().map(String::len).sum();
        if self.said.len() >= limits::SESSION_STATEMENTS_MAX || bytes + statement.len() > limits::SQL_BYTES_MAX {
            let todo = "open a new session";
            return Err(Failure::new(ErrorClass::Exhausted, "the session holds too many settings", "session", todo));
        }
        self.said.push(statement.to_owned());
        Ok(())
    }

    /// Sources of a restore are for one restore (fact sheet 1.7).
    pub fn forget_sources(&mut self) {
        let is_source = |s: &String| matches!(parse(s), Ok(AdminRequest::Session(SessionWord::AddSources(_))));
        self.said.retain(|s| !is_source(s));
    }

    /// What all of it adds up to.
    ///
    /// # Errors
    /// `Invalid` for a statement that is none.
    pub fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::default();
        for statement in &self.said {
            match parse(statement)? {
                AdminRequest::Session(SessionWord::Encryption(password)) => settings.encryption = password,
                AdminRequest::Session(SessionWord::Decryption(passwords)) => settings.decryption = passwords,
                AdminRequest::Session(SessionWord::AddSources(uris)) => settings.sources.extend(uris),
                AdminRequest::Session(SessionWord::ClearSources) => settings.sources.clear(),
                AdminRequest::RestorePreview(preview) => settings.preview = Some(preview),
                _ => {}
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[test]
    fn what_a_session_said_adds_up_in_order() {
        let mut session = Session::new(Some("t1"), Vec::new());
        for said in [
            "ALTER SYSTEM ADD RESTORE SOURCE 'file:///a'",
            "ALTER SYSTEM CLEAR RESTORE SOURCE",
            "ALTER SYSTEM ADD RESTORE SOURCE 'file:///b, file:///c'",
            "SET DECRYPTION IDENTIFIED BY 'one', 'two'",
        ] {
            session.remember(said).unwrap();
        }
        let settings = session.settings().unwrap();
        assert_eq!(settings.sources, ["file:///b", "file:///c"]);
        assert_eq!(settings.decryption, ["one", "two"]);
        session.forget_sources();
        assert!(session.settings().unwrap().sources.is_empty());
        assert!(!format!("{session:?}").contains("one"), "a session is never printed");
    }
}
