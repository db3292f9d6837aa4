//! The settings of a session, read from its statements.

use crate::session::Session;
use crate::statements::{SessionSetting, Settings, Statement, parse};
use strandline_types::Failure;

/// What the statements of a session add up to, in their order.
///
/// # Errors
/// `Invalid` for a text that is no statement.
pub fn settings_of(session: &Session) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    for statement in session.statements() {
        if let Some(setting) = setting_of(parse(statement)?) {
            settings.take(setting);
        }
    }
    Ok(settings)
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
        let settings = settings_of(&session).unwrap();
        assert_eq!(settings.sources, ["file:///b", "file:///c"]);
        assert_eq!(settings.decryption, ["one", "two"]);
        assert!(settings.preview.is_some() && settings.encryption.is_none());
        forget_sources(&mut session);
        let settings = settings_of(&session).unwrap();
        assert!(settings.sources.is_empty() && !settings.decryption.is_empty());
    }
}
