//! What the statements of a session add up to: passwords, and sources of a restore.

use super::restore::source::RestorePoint;
use std::fmt;

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
    /// Takes one more setting: a later one replaces an earlier one, except that sources are added up.
    pub fn take(&mut self, setting: SessionSetting) {
        match setting {
            SessionSetting::Encryption(password) => self.encryption = password,
            SessionSetting::Decryption(passwords) => self.decryption = passwords,
            SessionSetting::AddSources(uris) => self.sources.extend(uris),
            SessionSetting::ClearSources => self.sources.clear(),
            SessionSetting::Preview(preview) => self.preview = Some(preview),
        }
    }
}
