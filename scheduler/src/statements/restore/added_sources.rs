//! `ADD RESTORE SOURCE` and `CLEAR RESTORE SOURCE`: single sets and pieces in place of `FROM`.

use crate::statements::settings::SessionSetting;
use crate::statements::statement::{Statement, Syntax};
use strandline_types::split_destinations;

pub const ADD: Syntax = Syntax {
    words: &["ALTER SYSTEM ADD RESTORE SOURCE"],
    rest: "'<directory of a set or piece>, …'",
    about: "Names sources for the next restore of this session.",
    parse: |c| {
        let text = c.text("a text '<directory of a set or piece>[,…]'")?;
        let uris = split_destinations(&text).into_iter().map(str::to_owned).collect();
        Statement::setting(c, SessionSetting::AddSources(uris))
    },
};

pub const CLEAR: Syntax = Syntax {
    words: &["ALTER SYSTEM CLEAR RESTORE SOURCE"],
    rest: "",
    about: "Forgets the sources that the session has named.",
    parse: |c| Statement::setting(c, SessionSetting::ClearSources),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::testing::setting;

    #[test]
    fn sources_are_added_and_cleared() {
        let uris = vec!["file:///x/a".to_owned(), "file:///x/b".to_owned()];
        let text = "ALTER SYSTEM ADD RESTORE SOURCE 'file:///x/a, file:///x/b'";
        assert_eq!(setting(text), Ok(SessionSetting::AddSources(uris)));
        assert_eq!(setting("ALTER SYSTEM CLEAR RESTORE SOURCE"), Ok(SessionSetting::ClearSources));
    }
}
