//! A digest of key-value content that does not depend on order: the same pairs, in any order and cut
//! into whatever parts, gets the same digest.
//!
//! The sum (mod 2^128) of one 128-bit hash per pair. It proves sameness against accidents, not against an adversary.

/// The original's "snapshot is discarded": a digest was asked for at an SCN that the content has passed.
pub const CODE_SCN_PASSED: i32 = -4138;

/// Digest and number of the pairs that went in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// Pairs.
    pub keys: u64,
    /// Sum of their hashes.
    pub sum: u128,
}

impl Fingerprint {
    /// Takes in one pair by its hash.
    pub const fn add(&mut self, hash: u128) {
        self.keys += 1;
        self.sum = self.sum.wrapping_add(hash);
    }

    /// The digest of two parts together.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, sum: self.sum.wrapping_add(other.sum) }
    }

    /// As it travels: 16 bytes, big-endian.
    #[must_use]
    pub const fn digest(self) -> [u8; 16] {
        self.sum.to_be_bytes()
    }

    /// Back from the wire; `None` when the digest is not 16 bytes long.
    #[must_use]
    pub fn from_wire(keys: u64, digest: &[u8]) -> Option<Self> {
        let sum = u128::from_be_bytes(digest.try_into().ok()?);
        Some(Self { keys, sum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_and_the_cut_of_the_pairs_do_not_matter() {
        let hashes = [u128::MAX, 7, u128::MAX - 3, 1 << 100];
        let of = |hashes: &[u128]| {
            let mut f = Fingerprint::default();
            hashes.iter().for_each(|h| f.add(*h));
            f
        };
        let (mut reversed, whole) = (hashes, of(&hashes));
        reversed.reverse();
        assert_eq!(of(&reversed), whole);
        assert_eq!(of(&hashes[2..]).merge(of(&hashes[..2])), whole);
        assert_ne!(of(&hashes[1..]), whole);
        assert_eq!(Fingerprint::from_wire(4, &whole.digest()), Some(whole));
        assert_eq!(Fingerprint::from_wire(4, b"short"), None);
    }
}
