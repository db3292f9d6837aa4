//! Clauses that many statements share, as methods of [`Cursor`]: the tenants, the description, ids, values behind an `=`.
//!
//! The `=` before a value is optional, as in the original.

use super::cursor::Cursor;
use strandline_types::{ErrorClass, Failure};

/// The tenants that a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tenants {
    /// The session's tenant, or every user tenant in a session of `sys`.
    Session,
    /// `TENANT = all` or `all_user`.
    All,
    /// The named ones.
    Named(Vec<String>),
}

impl Cursor<'_> {
    /// `value`, if the statement ends here.
    ///
    /// # Errors
    /// `Invalid` when it goes on.
    pub fn ended<T>(&mut self, value: T) -> Result<T, Failure> {
        self.end()?;
        Ok(value)
    }

    /// `= '<text>'`. `what` names the text in an error message.
    ///
    /// # Errors
    /// As [`Cursor::text`].
    pub fn text_value(&mut self, what: &str) -> Result<String, Failure> {
        self.optional_equals();
        self.text(what)
    }

    /// `= '<text>'`, without blanks at its ends.
    ///
    /// # Errors
    /// As [`Cursor::text`].
    pub fn trimmed_value(&mut self, what: &str) -> Result<String, Failure> {
        Ok(self.text_value(what)?.trim().to_owned())
    }

    /// `= '<text>'` or `= word`.
    ///
    /// # Errors
    /// As [`Cursor::text_or_word`].
    pub fn word_value(&mut self, what: &str) -> Result<String, Failure> {
        self.optional_equals();
        self.text_or_word(what)
    }

    /// `= <number>`.
    ///
    /// # Errors
    /// As [`Cursor::number`].
    pub fn number_value(&mut self, what: &str) -> Result<u64, Failure> {
        self.optional_equals();
        self.number(what)
    }

    /// `[TENANT = <name>]`, for a statement about one tenant.
    ///
    /// # Errors
    /// `Invalid` when no name follows `TENANT`.
    pub fn tenant_clause(&mut self) -> Result<Option<String>, Failure> {
        if !self.accept("TENANT") {
            return Ok(None);
        }
        self.optional_equals();
        self.name("a tenant name").map(Some)
    }

    /// `[TENANT = <name>, … | all | all_user]`, for a statement about several tenants.
    ///
    /// # Errors
    /// `Invalid` when no name follows `TENANT`.
    pub fn tenants_clause(&mut self) -> Result<Tenants, Failure> {
        if !self.accept("TENANT") {
            return Ok(Tenants::Session);
        }
        self.optional_equals();
        self.tenant_list()
    }

    /// `<name>, … | all | all_user`.
    ///
    /// # Errors
    /// `Invalid` when no name stands here.
    pub fn tenant_list(&mut self) -> Result<Tenants, Failure> {
        if self.accept("ALL") || self.accept("ALL_USER") {
            return Ok(Tenants::All);
        }
        let mut names = vec![self.name("a tenant name")?];
        while self.accept_symbol(',') {
            names.push(self.name("a tenant name")?);
        }
        Ok(Tenants::Named(names))
    }

    /// `[DESCRIPTION = '<text>']`; without it the empty text.
    ///
    /// # Errors
    /// `Invalid` when no text follows.
    pub fn description(&mut self) -> Result<String, Failure> {
        if !self.accept("DESCRIPTION") {
            return Ok(String::new());
        }
        self.text_value("a text")
    }

    /// `[TIME ZONE = '<zone>']`, after `TIME`.
    ///
    /// # Errors
    /// `Invalid` when something else stands here.
    pub fn zone_value(&mut self) -> Result<String, Failure> {
        self.need("ZONE")?;
        self.text_value("a text with the time zone")
    }

    /// `'1,2'` or `1, 2`.
    ///
    /// # Errors
    /// `Invalid` for what is no number.
    pub fn ids(&mut self) -> Result<Vec<u64>, Failure> {
        if let Ok(text) = self.text("ids") {
            let one = |part: &str| {
                part.trim().parse::<u64>().map_err(|_| {
                    Failure::new(ErrorClass::Invalid, format!("'{part}' is not an id"), text.clone(), "write '1,2,3'")
                })
            };
            return text.split(',').map(one).collect();
        }
        let mut ids = vec![self.number("an id")?];
        while self.accept_symbol(',') {
            ids.push(self.number("an id")?);
        }
        Ok(ids)
    }
}
