//! What the statements of a session add up to: passwords, and sources of a restore.

use super::parse;
use super::restore::source::RestorePoint;
use super::statement::Statement;
use crate::session::Session;
use std::fmt;
use strandline_types::Failure;

/// Something that later statements of the same session use.
#[derive(Clone, PartialEq, Eq)]
pub enum SessionSetting {
    /// `SET ENCRYPTION ON IDENTIFIED BY … ONLY`; `None` = `OFF`.
    Encryption(Option<String>),
    /// `SET DECRYPTION IDENTIFIED BY …`.
    Decryption(Vec<String>),
    /// `ADD RESTORE SOURCE`.
    AddSources(Vec<String>),
    /// `CLEAR RESTORE SOURCE`.
    ClearSources,
    /// `RESTORE … PREVIEW`.
    Preview(RestorePoint),
}

impl fmt::Debug for SessionSetting {
    /// Without the passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encryption(password) => write!(f, "Encryption({})", if password.is_some() { "on" } else { "off" }),
            Self::Decryption(all) => write!(f, "Decryption({} passwords)", all.len()),
            Self::AddSources(uris) => write!(f, "AddSources({} uris)", uris.len()),
            Self::ClearSources => f.write_str("ClearSources"),
            Self::Preview(_) => f.write_str("Preview"),
        }
    }
}

/// The settings of a session. They hold passwords: they are never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `SET ENCRYPTION`: password of the sets to come.
    pub encryption: Option<String>,
    /// `SET DECRYPTION`: passwords of encrypted sets.
    pub decryption: Vec<String>,
    /// `ADD RESTORE SOURCE`.
    pub sources: Vec<String>,
    /// The newest `RESTORE … PREVIEW`, for `SHOW RESTORE PREVIEW`.
    pub preview: Option<RestorePoint>,
}

impl Settings {
    /// What the statements of a session add up to, in their order.
    ///
    /// # Errors
    /// `Invalid` for a text that is no statement.
    pub fn of(session: &Session) -> Result<Self, Failure> {
        let mut settings = Self::default();
        for statement in session.statements() {
            if let Some(setting) = setting_of(parse(statement)?) {
                settings.take(setting);
            }
        }
        Ok(settings)
    }

    /// Takes one more setting: a later one replaces an earlier one, except that sources are added up.
    fn take(&mut self, setting: SessionSetting) {
        match setting {
            SessionSetting::Encryption(password) => self.encryption = password,
            SessionSetting::Decryption(passwords) => self.decryption = passwords,
            SessionSetting::AddSources(uris) => self.sources.extend(uris),
            SessionSetting::ClearSources => self.sources.clear(),
            SessionSetting::Preview(preview) => self.preview = Some(preview),
        }
    }
}

/// Sources of a restore are for one restore.
pub fn forget_sources(session: &mut Session) {
    let is_source = |s: &str| matches!(parse(s), Ok(Statement::Setting(SessionSetting::AddSources(_))));
    session.forget(is_source);
}

fn setting_of(statement: Statement) -> Option<SessionSetting> {
    match statement {
        Statement::Setting(setting) => Some(setting),
        Statement::Read(read) => read.setting(),
        Statement::NoEffect | Statement::List { .. } | Statement::Select(_) | Statement::Command(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_statements_of_a_session_add_up_in_order() {
        let mut session = Session::new(Some("t1"), Vec::new());
        for statement in [
            "ALTER SYSTEM ADD RESTORE SOURCE 'file:///a'",
            "ALTER SYSTEM CLEAR RESTORE SOURCE",
            "ALTER SYSTEM ADD RESTORE SOURCE 'file:///b, file:///c'",
            "SET DECRYPTION IDENTIFIED BY 'one', 'two'",
            "ALTER SYSTEM RESTORE UNTIL SCN = 5 PREVIEW",
        ] {
            session.remember(statement).unwrap();
        }
        let settings = Settings::of(&session).unwrap();
        assert_eq!(settings.sources, ["file:///b", "file:///c"]);
        assert_eq!(settings.decryption, ["one", "two"]);
        assert!(settings.preview.is_some() && settings.encryption.is_none());
        forget_sources(&mut session);
        let settings = Settings::of(&session).unwrap();
        assert!(settings.sources.is_empty() && !settings.decryption.is_empty());
    }
}
