//! The clauses that RESTORE, its preview and RECOVER TABLE share: `FROM` the sources, `UNTIL` a point in time.

use crate::effects::restore_source::{Found, Sources, find};
use crate::sql::cursor::Cursor;
use strandline_catalogue::Target;
use strandline_types::{Address, ErrorClass, Failure, Scn, parse_time_text, split_destinations};

/// What a restore reads, and up to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestorePoint {
    /// The sources.
    pub from: RestoreFrom,
    /// The point in time.
    pub until: Target,
}

/// Where a restore comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreFrom {
    /// `FROM '<data uri>[,<archive uri>]'`: without an archive, the sets' own log is used.
    Destinations {
        /// Data backup destination.
        data: String,
        /// Archive destination.
        archive: Option<String>,
    },
    /// What `ADD RESTORE SOURCE` has named in this session.
    Added,
}

impl RestorePoint {
    /// Finds what the restore reads. `added`: the sources that the session has added. `key_source`: where the key of an
    /// encrypted archive comes from.
    ///
    /// # Errors
    /// `Invalid` for what is no destination; what is missing on the media.
    pub async fn find(&self, added: &[String], key_source: &str) -> Result<Found, Failure> {
        find(&self.from.sources(added)?, self.until, key_source).await
    }
}

impl RestoreFrom {
    fn sources(&self, added: &[String]) -> Result<Sources, Failure> {
        Ok(match self {
            Self::Destinations { data, archive } => {
                let archive = archive.as_deref().map(Address::parse).transpose()?;
                Sources::Named { data: Address::parse(data)?, archive }
            }
            Self::Added => Sources::Added(added.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>()?),
        })
    }
}

/// `[FROM '<data uri>[,<archive uri>]'] [UNTIL …]`.
///
/// # Errors
/// `Invalid` for another number of uris, and for what is no point in time.
pub fn restore_point(c: &mut Cursor<'_>) -> Result<RestorePoint, Failure> {
    let from = if c.accept("FROM") { destinations(c)? } else { RestoreFrom::Added };
    let until = if c.accept("UNTIL") { Target::Scn(until_scn(c)?) } else { Target::Newest };
    Ok(RestorePoint { from, until })
}

fn destinations(c: &mut Cursor<'_>) -> Result<RestoreFrom, Failure> {
    let text = c.text("a text '<data uri>,<archive uri>'")?;
    match split_destinations(&text).as_slice() {
        [data] => Ok(RestoreFrom::Destinations { data: (*data).to_owned(), archive: None }),
        [data, archive] => {
            Ok(RestoreFrom::Destinations { data: (*data).to_owned(), archive: Some((*archive).to_owned()) })
        }
        other => Err(Failure::new(
            ErrorClass::Invalid,
            format!("RESTORE … FROM needs one or two URIs and got {}", other.len()),
            text.clone(),
            "write FROM '<data backup uri>,<archive uri>'; several archives, sets and pieces are named with ALTER SYSTEM \
             ADD RESTORE SOURCE '<uri>,<uri>,…', and RESTORE then goes without FROM",
        )),
    }
}

/// `SCN = <n>` or `TIME = '<time>'`, after `UNTIL`.
///
/// # Errors
/// `Invalid` for what is neither.
pub fn until_scn(c: &mut Cursor<'_>) -> Result<Scn, Failure> {
    if c.accept("SCN") {
        return c.number_value("an SCN").map(Scn);
    }
    c.need("TIME")?;
    let text = c.text_value("a time 'YYYY-MM-DD hh:mm:ss[.fffffffff]' (UTC)")?;
    parse_time_text(&text).map_err(|e| {
        let todo = "without a zone it is read as UTC; an SCN is written UNTIL SCN = <number>";
        Failure::new(ErrorClass::Invalid, e.to_string(), text, todo)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<RestorePoint, String> {
        restore_point(&mut Cursor::new(text).unwrap()).map_err(|f| f.to_string())
    }

    #[test]
    fn one_or_two_destinations_are_taken_apart() {
        let from = |data: &str, archive: Option<&str>| RestorePoint {
            from: RestoreFrom::Destinations { data: data.into(), archive: archive.map(str::to_owned) },
            until: Target::Newest,
        };
        assert_eq!(read("FROM ' file:///d , file:///a '"), Ok(from("file:///d", Some("file:///a"))));
        assert_eq!(read("FROM 'file:///d'"), Ok(from("file:///d", None)));
        assert!(read("FROM 'file:///a,file:///b,file:///c'").is_err() && read("FROM ' '").is_err());
    }

    #[test]
    fn the_point_in_time_is_an_scn_or_a_time() {
        let until = |until| Ok(RestorePoint { from: RestoreFrom::Added, until });
        assert_eq!(read(""), until(Target::Newest));
        assert_eq!(read("UNTIL SCN = 77"), until(Target::Scn(Scn(77))));
        assert_eq!(read("UNTIL TIME='1970-01-01 00:00:01.5'"), until(Target::Scn(Scn(1_500_000_000))));
        assert!(read("UNTIL TIME = 'yesterday'").is_err());
    }
}
