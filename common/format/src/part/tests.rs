//! Parts: golden bytes, all forms there and back, every damage seen.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use strandline_types::{DestId, PieceId, RoundId};

const PIECE: PieceKey = PieceKey { dest_id: DestId(1002), round_id: RoundId(1), piece_id: PieceId(1) };

fn place(start: u64, len: usize) -> PartPlace {
    PartPlace { piece: PIECE, ls: LsId(1001), file_id: FileId(1), start, end: start + len as u64 }
}

fn key() -> Key {
    let mut bytes = [0; cipher::KEY_BYTES];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = i as u8;
    }
    Key::from_bytes(bytes)
}

fn forms() -> Vec<PartForm> {
    let compressors = [Compressor::None, Compressor::Lz4, Compressor::Zstd];
    compressors.iter().flat_map(|c| [None, Some(key())].map(|key| PartForm { compressor: *c, key })).collect()
}

/// Made by another implementation: header, then AES-256-GCM of `strandline` for this place.
#[test]
fn a_sealed_part_has_the_golden_bytes() {
    let form = PartForm { compressor: Compressor::Zstd, key: Some(key()) };
    let part = encode_part(&place(4096, 10), &Bytes::from_static(b"strandline"), &form).unwrap();
    let golden = "ee030100e80301003000f37b000000000a000000000000003200000000000000bdee4095000000000000000000000000\
                  682082475b3b27482a49ba6b41f29c603eee41e8c5490200e93c7c013338223d7ec653e661e6f525f90504473b9c8a4420d8";
    let hex: String = part.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, golden);
}

#[test]
fn a_raw_part_is_its_plain_bytes() {
    let plain = Bytes::from_static(b"strandline");
    assert_eq!(encode_part(&place(0, 10), &plain, &PartForm::RAW).unwrap(), plain);
    assert!(PartForm::RAW.is_raw());
    let e = encode_part(&place(0, 11), &plain, &PartForm::RAW).unwrap_err();
    assert!(e.to_string().contains("10 bytes for the range 0-11"), "{e}");
}

#[test]
fn data_that_does_not_shrink_enough_stays_raw() {
    for compressor in [Compressor::Lz4, Compressor::Zstd] {
        let form = PartForm { compressor, key: None };
        // Shrinks, but by less than the header takes.
        let plain = Bytes::from_static(b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(encode_part(&place(0, plain.len()), &plain, &form).unwrap(), plain);
    }
}

#[test]
fn a_sealed_part_without_its_key_says_which_one_it_wants() {
    let plain = Bytes::from_static(b"strandline");
    let form = PartForm { compressor: Compressor::None, key: Some(key()) };
    let part = encode_part(&place(0, 10), &plain, &form).unwrap();
    let missing = decode_part(&place(0, 10), &part, None).unwrap_err();
    assert!(matches!(missing, FormatError::KeyMissing { .. }));
    assert!(missing.to_string().contains("682082475b3b2748"), "{missing}");
    let other = Key::from_bytes([1; cipher::KEY_BYTES]);
    assert!(matches!(decode_part(&place(0, 10), &part, Some(&other)), Err(FormatError::WrongKey { .. })));
    let moved = PartPlace { start: 10, end: 20, ..place(0, 10) };
    assert!(decode_part(&moved, &part, Some(&key())).is_err(), "another range of the same file is another place");
}

#[test]
fn a_part_knows_its_path() {
    let at = place(4096, 10);
    assert_eq!(at.path(), "piece_d1002r1p1/logstream_1001/log/1.obarc/@APD_PART@4096-4106.obarc");
    assert_eq!(PartPlace::parse(&at.path()), Some(at));
    assert_eq!(PartPlace::parse("piece_d1002r1p1/logstream_1001/log/1.obarc"), None);
}

proptest! {
    #[test]
    fn every_form_comes_back_and_is_written_the_same_twice(
        plain in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..400),
            proptest::collection::vec(0u8..2, 1..4000),
        ],
    ) {
        let (at, plain) = (place(77, plain.len()), Bytes::from(plain));
        for form in forms() {
            let part = encode_part(&at, &plain, &form).unwrap();
            prop_assert_eq!(&part, &encode_part(&at, &plain, &form).unwrap());
            prop_assert_eq!(&decode_part(&at, &part, Some(&key())).unwrap(), &plain);
            let is_raw = part == plain;
            prop_assert!(is_raw || part.len() != plain.len(), "a packed part never has the length of a raw one");
        }
    }

    #[test]
    fn every_flip_and_cut_of_a_packed_part_is_seen(
        plain in proptest::collection::vec(0u8..2, 1..2000), at: prop::sample::Index, mask in 1u8..,
    ) {
        let (whole, plain) = (place(0, plain.len()), Bytes::from(plain));
        for form in forms() {
            let part = encode_part(&whole, &plain, &form).unwrap();
            if part == plain {
                continue;
            }
            let at = at.index(part.len());
            let mut bad = part.to_vec();
            bad[at] ^= mask;
            let e = decode_part(&whole, &bad.into(), Some(&key())).unwrap_err();
            prop_assert!(!matches!(e, FormatError::WrongKey { .. }), "{}", e);
            // A cut to exactly the plain length reads as a raw part; the log's own checksums catch that one.
            if at as u64 != whole.plain_bytes() {
                prop_assert!(decode_part(&whole, &part.slice(..at), Some(&key())).is_err());
            }
        }
    }
}
