//! Defects that were corrected and can be planted again: a test that searches has to find them.
//!
//! Only builds with the feature `planted` know them; everywhere else every answer is `false` at compile time. There the
//! environment variable `STRANDLINE_PLANTED` names them, for servers of a test as for the test itself
//! (`scripts/planted.sh`). This is the one place of the crate that looks outside, and never in a product.

/// A defect, by its number among the findings of the first attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// A store whose creation was cut off before its inner tablet is opened as it is.
    F6,
    /// A scheduler's log that lost its end is believed.
    D1,
    /// Metas of a data file that a synthetic set took over are called damage.
    F2,
    /// Parts are merged without a proof of their bytes.
    S1,
    /// One look decides.
    S2,
}

impl Defect {
    /// Every defect.
    pub const ALL: [Self; 5] = [Self::F6, Self::D1, Self::F2, Self::S1, Self::S2];

    /// True where it was planted.
    #[cfg(not(feature = "planted"))]
    #[must_use]
    pub const fn is_planted(self) -> bool {
        false
    }

    /// True where it was planted.
    #[cfg(feature = "planted")]
    #[must_use]
    // It exists in builds of the search for planted defects only, which no server is.
    #[allow(clippy::disallowed_methods)]
    pub fn is_planted(self) -> bool {
        static NAMED: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let named = NAMED.get_or_init(|| std::env::var("STRANDLINE_PLANTED").unwrap_or_default());
        named.split(',').any(|name| name == format!("{self:?}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]
    use super::*;

    #[test]
    fn nothing_is_planted_by_itself() {
        if std::env::var_os("STRANDLINE_PLANTED").is_none() {
            assert!(Defect::ALL.iter().all(|defect| !defect.is_planted()));
        }
    }
}
