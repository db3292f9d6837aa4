//! How log and blocks are compressed, as users say it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A compression of archived log or of the blocks of a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Fast.
    Lz4,
    /// Small.
    Zstd,
}

impl Compression {
    /// Every compression.
    pub const ALL: [Self; 3] = [Self::None, Self::Lz4, Self::Zstd];

    /// By its name, without case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.name().eq_ignore_ascii_case(text))
    }

    /// As statements read it and views show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compression_is_read_as_it_is_shown() {
        for compression in Compression::ALL {
            assert_eq!(Compression::parse(&compression.to_string().to_uppercase()), Some(compression));
        }
        assert_eq!(Compression::parse("rar"), None);
    }
}
