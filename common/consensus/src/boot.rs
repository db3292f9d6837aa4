//! Which boot of the kernel this is.
//!
//! As long as the kernel runs, what a killed process had written is in the page cache: nothing is torn but the end of the
//! very last write. Only a power cut or a crash of the kernel leaves pages that reached the disk in any order.

use std::sync::OnceLock;

const SOURCE: &str = "/proc/sys/kernel/random/boot_id";

/// An id of one boot. Two that are unknown are never the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// This boot's; unknown (all zero) where the kernel does not tell.
    #[must_use]
    pub fn now() -> Self {
        static NOW: OnceLock<BootId> = OnceLock::new();
        *NOW.get_or_init(|| std::fs::read_to_string(SOURCE).ok().and_then(|text| parse(&text)).unwrap_or_default())
    }

    /// True when nothing but a kill can have happened between the two.
    #[must_use]
    pub fn is_same_boot(self, other: Self) -> bool {
        self == other && self != Self::default()
    }
}

fn parse(text: &str) -> Option<BootId> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let mut id = [0; 16];
    if digits.len() != 2 * id.len() {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(BootId(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_boot_is_the_same_and_two_unknown_ones_are_not() {
        let id = parse("0e6c2a3f-3f9d-4b62-9a9e-7d3a8f0c11ff\n");
        assert_eq!(id.map(|id| (id.0[0], id.0[15])), Some((0x0e, 0xff)));
        assert_eq!(parse("0e6c"), None);
        assert!(id.is_some_and(|id| id.is_same_boot(id)));
        assert!(!BootId::default().is_same_boot(BootId::default()));
        assert_eq!(BootId::now(), BootId::now());
    }
}
