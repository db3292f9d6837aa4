//! `SET LOG_ARCHIVE_DEST` and `SET LOG_ARCHIVE_DEST_STATE`.

use super::dest_text::{ArchiveDest, archive_dest};
use crate::sql::cursor::Cursor;
use crate::statements::context::Context;
use crate::statements::destination::set_dest;
use crate::statements::statement::{Command, Statement, Syntax};
use async_trait::async_trait;
use strandline_scheduler_core::Action;
use strandline_scheduler_core::state::{DestKind, DestState};
use strandline_types::{Address, DestNo, ErrorClass, Failure};

pub const SET: Syntax = Syntax {
    words: &["ALTER SYSTEM SET LOG_ARCHIVE_DEST[_n]"],
    rest: "= 'LOCATION=<uri> …' [TENANT = <tenant>]",
    about: "Sets one of the tenant's archive destinations; '' clears it, and its files stay.",
    parse: parse_dest,
};

pub const SET_STATE: Syntax = Syntax {
    words: &["ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE[_n]"],
    rest: "= 'ENABLE' | 'DEFER' [TENANT = <tenant>]",
    about: "Pauses the archive of a destination, or goes on in the same round.",
    parse: parse_state,
};

/// `SET LOG_ARCHIVE_DEST[_n]`.
#[derive(Debug, PartialEq, Eq)]
pub struct SetArchiveDest {
    /// The tenant that gets it.
    pub tenant: Option<String>,
    /// The number of the destination.
    pub no: DestNo,
    /// The destination and its options; `None` clears it.
    pub dest: Option<ArchiveDest>,
}

/// `SET LOG_ARCHIVE_DEST_STATE[_n]`.
#[derive(Debug, PartialEq, Eq)]
pub struct SetArchiveDestState {
    /// The tenant that has it.
    pub tenant: Option<String>,
    /// The number of the destination.
    pub no: DestNo,
    /// The new state.
    pub state: DestState,
}

fn parse_dest(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let no = dest_no(c);
    let dest = archive_dest(&c.text_value("a text 'LOCATION=<uri> …'")?)?;
    let tenant = c.tenant_clause()?;
    Statement::command(c, SetArchiveDest { tenant, no, dest })
}

fn parse_state(c: &mut Cursor<'_>) -> Result<Statement, Failure> {
    let no = dest_no(c);
    let text = c.word_value("'ENABLE' or 'DEFER'")?;
    let state = match text.to_ascii_uppercase().as_str() {
        "ENABLE" => DestState::Enable,
        "DEFER" => DestState::Defer,
        _ => {
            let what = format!("'{text}' is not a state of LOG_ARCHIVE_DEST_STATE");
            return Err(Failure::new(ErrorClass::Invalid, what, text, "write 'ENABLE' or 'DEFER'"));
        }
    };
    let tenant = c.tenant_clause()?;
    Statement::command(c, SetArchiveDestState { tenant, no, state })
}

/// The number at the end of the word that was taken last; without one it is destination 0.
fn dest_no(c: &Cursor<'_>) -> DestNo {
    let number = c.last_word().rsplit_once('_').and_then(|(_, number)| number.parse().ok());
    DestNo(number.unwrap_or(0))
}

#[async_trait]
impl Command for SetArchiveDest {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let tenant = cx.one_tenant(self.tenant.as_deref())?;
        let dest = self.dest.as_ref();
        let action = |address: Option<Address>| {
            let dest = dest.zip(address).map(|(dest, address)| dest.spec_at(address));
            Action::SetArchiveDest { tenant: tenant.0, no: self.no, dest }
        };
        let key_source = dest.map_or("", |d| d.options.encryption.key_source());
        set_dest(cx, &tenant, dest.map(|d| d.location.as_str()), DestKind::Archive, key_source, action).await
    }
}

#[async_trait]
impl Command for SetArchiveDestState {
    async fn run(self: Box<Self>, cx: &Context<'_>) -> Result<String, Failure> {
        let (tenant, name) = cx.one_tenant(self.tenant.as_deref())?;
        let Self { no, state, .. } = *self;
        cx.node.act(Action::SetArchiveDestState { tenant, no, state }).await?;
        Ok(format!("archive destination {no} of {name} is {state}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::command;
    use strandline_scheduler_core::state::DestOptions;
    use strandline_types::Binding;

    #[test]
    fn an_archive_destination_is_set_and_cleared() {
        let options = DestOptions { binding: Binding::Mandatory, piece_interval_s: 60, ..DestOptions::default() };
        let dest = ArchiveDest { location: "file:///a".into(), options };
        let (tenant, zero) = (Some("t1".to_owned()), DestNo(0));
        for (text, expected) in [
            (
                "ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION=file:///a BINDING=Mandatory PIECE_SWITCH_INTERVAL=1m' \
                 TENANT = t1;",
                SetArchiveDest { tenant, no: zero, dest: Some(dest.clone()) },
            ),
            (
                "alter system set log_archive_dest 'location=file:///a binding=mandatory piece_switch_interval=60s'",
                SetArchiveDest { tenant: None, no: zero, dest: Some(dest) },
            ),
            ("ALTER SYSTEM SET LOG_ARCHIVE_DEST=''", SetArchiveDest { tenant: None, no: zero, dest: None }),
            ("ALTER SYSTEM SET log_archive_dest_3 = ''", SetArchiveDest { tenant: None, no: DestNo(3), dest: None }),
        ] {
            assert_eq!(command(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn the_state_of_each_destination_is_set() {
        let state = |tenant: Option<&str>, no, state| {
            Ok(SetArchiveDestState { tenant: tenant.map(str::to_owned), no: DestNo(no), state })
        };
        let (enable, defer) = (DestState::Enable, DestState::Defer);
        assert_eq!(command("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_3 = 'ENABLE'"), state(None, 3, enable));
        assert_eq!(command("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE='DEFER' TENANT t1"), state(Some("t1"), 0, defer));
        assert_eq!(command("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE=enable"), state(None, 0, enable));
        assert!(command::<SetArchiveDestState>("ALTER SYSTEM SET LOG_ARCHIVE_DEST_STATE_8 = 'ENABLE'").is_err());
    }
}
