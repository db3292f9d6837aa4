//! The parts of one log file on a medium without append, joined to the file that they make.
//!
//! Parts may overlap, as two leaders and merging write them; where they do, they must hold the same bytes.

use crate::invariants::Broken;
use std::collections::BTreeMap;

/// Parts by the range `[start, end)` in their name.
pub type Parts = BTreeMap<(u64, u64), Vec<u8>>;

/// The bytes from the file's begin up to the first that no part holds.
///
/// # Errors
/// A part is not as long as its name says; two parts disagree.
pub fn joined(parts: &Parts) -> Result<Vec<u8>, Broken> {
    let mut whole: Vec<u8> = Vec::new();
    for (&(start, end), bytes) in parts {
        if bytes.len() as u64 != end.saturating_sub(start) {
            return Err(format!("part {start}-{end} holds {} bytes", bytes.len()));
        }
        let Some(known) = whole.get(start as usize..) else { break };
        let both = known.len().min(bytes.len());
        if known[..both] != bytes[..both] {
            return Err(format!("part {start}-{end} holds other bytes than the parts before it: the log forked"));
        }
        whole.extend_from_slice(&bytes[both..]);
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parts(parts: &[(u64, u64, &str)]) -> Parts {
        parts.iter().map(|(start, end, text)| ((*start, *end), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn parts_are_joined_up_to_the_first_hole() {
        assert_eq!(joined(&parts(&[(0, 2, "ab"), (2, 4, "cd"), (5, 6, "f")])).unwrap(), b"abcd");
        assert_eq!(joined(&parts(&[(0, 2, "ab"), (0, 4, "abcd"), (1, 3, "bc"), (3, 6, "def")])).unwrap(), b"abcdef");
        assert_eq!(joined(&parts(&[(2, 4, "cd")])).unwrap(), b"");
    }

    #[test]
    fn parts_that_disagree_or_lie_about_their_length_are_a_fork() {
        joined(&parts(&[(0, 2, "ab"), (1, 3, "xc")])).unwrap_err();
        joined(&parts(&[(0, 4, "abcd"), (1, 3, "bx")])).unwrap_err();
        joined(&parts(&[(0, 3, "ab")])).unwrap_err();
    }
}
