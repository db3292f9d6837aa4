//! The session of a client: its tenant, and the statements that later statements of the session use.
//!
//! Statements are run by the node that leads, so a session is plain text that travels with every statement: the session
//! statements given so far, in order. No node keeps it. It holds passwords: it is never printed or logged.

use std::fmt;
use strandline_types::{ErrorClass, Failure, limits};

/// One session.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Session {
    tenant: Option<String>,
    statements: Vec<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({:?}, {} statements)", self.tenant, self.statements.len())
    }
}

impl Session {
    /// A session of a tenant (`None` = `sys`) with the session statements that it has given already.
    #[must_use]
    pub fn new(tenant: Option<&str>, statements: Vec<String>) -> Self {
        Self { tenant: tenant.map(str::to_owned), statements }
    }

    /// The tenant that statements without a TENANT clause are about; `None` = `sys`.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The session statements so far, for the next node or the client to keep.
    #[must_use]
    pub fn statements(&self) -> &[String] {
        &self.statements
    }

    /// Takes the session statements from the node that has run the statement.
    pub fn replace_statements(&mut self, statements: Vec<String>) {
        self.statements = statements;
    }

    /// Keeps a session statement.
    ///
    /// # Errors
    /// `Exhausted` when the session holds too many or too long ones.
    pub fn remember(&mut self, statement: &str) -> Result<(), Failure> {
        let bytes: usize = self.statements.iter().map(String::len).sum();
        if self.statements.len() >= limits::SESSION_STATEMENTS_MAX || bytes + statement.len() > limits::SQL_BYTES_MAX {
            let todo = "open a new session";
            return Err(Failure::new(ErrorClass::Exhausted, "the session holds too many settings", "session", todo));
        }
        self.statements.push(statement.to_owned());
        Ok(())
    }

    /// Forgets the session statements for which `is_over` is true.
    pub fn forget(&mut self, is_over: impl Fn(&str) -> bool) {
        self.statements.retain(|statement| !is_over(statement));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_session_is_bounded_and_never_printed() {
        let mut session = Session::new(Some("t1"), Vec::new());
        session.remember("SET DECRYPTION IDENTIFIED BY 'one'").unwrap();
        assert!(!format!("{session:?}").contains("one"));
        let refused = session.remember(&"x".repeat(limits::SQL_BYTES_MAX)).unwrap_err();
        assert_eq!(refused.class, ErrorClass::Exhausted);
        assert_eq!(session.statements().len(), 1);
    }
}
