//! `SET ENCRYPTION` and `SET DECRYPTION`: the passwords of a session.

use crate::sql::cursor::Cursor;
use crate::statements::settings::SessionSetting;
use crate::statements::statement::{Statement, Syntax};
use strandline_format::secret::passphrase;
use strandline_types::{ErrorClass, Failure};

pub const SET_ENCRYPTION: Syntax = Syntax {
    words: &["SET ENCRYPTION"],
    rest: "ON IDENTIFIED BY '<password>' ONLY | OFF",
    about: "Encrypts the backups of this session with a password.",
    parse: parse_encryption,
};

pub const SET_DECRYPTION: Syntax = Syntax {
    words: &["SET DECRYPTION"],
    rest: "IDENTIFIED BY '<password>', …",
    about: "Gives the passwords of encrypted sets to the restores and validations of this session.",
    parse: parse_decryption,
};

fn parse_encryption(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    if c.accept("OFF") {
        return Statement::setting(c, SessionSetting::Encryption(None));
    }
    c.need("ON")?;
    c.need("IDENTIFIED")?;
    c.need("BY")?;
    let password = c.text("a password")?;
    c.need("ONLY")?;
    if password.is_empty() {
        let todo = "write SET ENCRYPTION OFF to back up without encryption";
        return Err(Failure::new(ErrorClass::Invalid, "an empty password protects nothing", "SET ENCRYPTION", todo));
    }
    let password = checked(&password, "SET ENCRYPTION")?;
    Statement::setting(c, SessionSetting::Encryption(Some(password)))
}

fn parse_decryption(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    c.need("IDENTIFIED")?;
    c.need("BY")?;
    let mut passwords = Vec::new();
    loop {
        passwords.push(checked(&c.text("a password")?, "SET DECRYPTION")?);
        if !c.accept_symbol(',') {
            return Statement::setting(c, SessionSetting::Decryption(passwords));
        }
    }
}

/// A typed password. One that a password file could not hold is refused: blanks at its ends would be lost there.
fn checked(typed: &str, statement: &str) -> Result<String, Failure> {
    let read = passphrase(typed).map_err(|e| Failure {
        todo: "a password is one line of text, as in a password file".to_owned(),
        ..e.into_failure(statement)
    })?;
    if read == typed {
        return Ok(read.to_owned());
    }
    let todo = "leave them out: they do not count in a password file either";
    Err(Failure::new(ErrorClass::Invalid, "the password has blanks at its beginning or end", statement, todo))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::setting;

    #[test]
    fn passwords_are_settings_of_the_session() {
        let encryption = |password: Option<&str>| Ok(SessionSetting::Encryption(password.map(str::to_owned)));
        assert_eq!(setting("SET ENCRYPTION ON IDENTIFIED BY 'secret' ONLY"), encryption(Some("secret")));
        assert_eq!(setting("SET ENCRYPTION OFF"), encryption(None));
        let decryption = SessionSetting::Decryption(vec!["a".into(), "b".into()]);
        assert_eq!(setting("SET DECRYPTION IDENTIFIED BY 'a', 'b'"), Ok(decryption));
    }
}
