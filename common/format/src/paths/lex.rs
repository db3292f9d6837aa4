//! Reading the parts of a name. Strict: what these functions accept is exactly what the builders write.

use super::time_tag::TimeTag;
use strandline_types::PieceKey;

/// A decimal number without sign and without leading zeros.
pub(super) fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The same, for ids of 32 bits.
pub(super) fn number32(text: &str) -> Option<u32> {
    number(text).and_then(|n| u32::try_from(n).ok())
}

/// `YYYYMMDDThhmmss`.
pub(super) fn time(text: &str) -> Option<TimeTag> {
    let (date, clock) = text.split_once('T')?;
    let digits = |s: &str, n: usize| s.len() == n && s.bytes().all(|b| b.is_ascii_digit());
    (digits(date, 8) && digits(clock, 6)).then(|| TimeTag(text.to_owned()))
}

/// `d<D>r<R>p<P>`.
pub(super) fn piece_key(text: &str) -> Option<PieceKey> {
    let (dest, rest) = text.strip_prefix('d')?.split_once('r')?;
    let (round, piece) = rest.split_once('p')?;
    Some(PieceKey { dest_id: number(dest)?.into(), round_id: number(round)?.into(), piece_id: number(piece)?.into() })
}

/// `<tenant>_connect_file_<time>.obbak`.
pub(super) fn check_file(name: &str) -> Option<(u64, TimeTag)> {
    let (tenant, tag) = name.strip_suffix(".obbak")?.split_once("_connect_file_")?;
    Some((number(tenant)?, time(tag)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strict() {
        assert_eq!(number("0"), Some(0));
        assert_eq!(number("18446744073709551615"), Some(u64::MAX));
        for bad in ["", "00", "01", "+1", "-1", " 1", "1 ", "1a", "18446744073709551616"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
        assert_eq!(number32("4294967296"), None);
    }

    #[test]
    fn tags_are_strict() {
        assert!(time("20230111T193049").is_some());
        for bad in ["", "20230111", "20230111T19304", "2023-111T193049", "20230111t193049", "20230111T1930490"] {
            assert_eq!(time(bad), None, "{bad:?}");
        }
    }
}
