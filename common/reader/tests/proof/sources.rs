//! What users name, keys, and the names of sets: each public function with its errors by meaning.

use crate::support::archive::key;
use crate::support::backup::{Backup, RETRY, TURN};
use crate::support::look::{key_of_test, refusing};
use proptest::prelude::*;
use strandline_format::cipher::{self, Key, SALT_BYTES};
use strandline_format::index::PhysicalId;
use strandline_format::paths::{BackupPath, SetName};
use strandline_format::secret::KeySecret;
use strandline_media::{Looks, Op};
use strandline_reader::{Keys, Only, SetNames, Source, data_file, object_name, open_sources, split_uri};
use strandline_types::{
    Address, BackupSetId, BackupSetKind, DataKind, DestUri, ErrorClass, FileId, LsId, PieceKey, Scn,
};

const fn set(id: u64, kind: BackupSetKind) -> SetName {
    SetName { id: BackupSetId(id), kind }
}

#[tokio::test]
async fn a_whole_destination_counts_everything_and_a_part_only_what_was_named() {
    let medium = Backup::chain().tree().medium().await;
    let (one, two) = (set(1, BackupSetKind::Full), set(2, BackupSetKind::Inc));
    let whole = Source::whole(medium.clone());
    assert!(whole.has_set(one) && whole.has_piece(key(1, 1)));
    let part = Source { medium, only: vec![Only::Set(one), Only::Piece(key(1, 2))] };
    assert_eq!([part.has_set(one), part.has_set(two)], [true, false]);
    assert!(!part.has_set(set(1, BackupSetKind::Inc)), "the same number of another kind");
    assert_eq!([part.has_piece(key(1, 2)), part.has_piece(key(2, 2))], [true, false]);
}

#[test]
fn naming_a_whole_destination_anywhere_makes_all_of_it_count() {
    let address = |text: &str| Address::parse(text).unwrap();
    let set = "file:///b/backup_set_1_full";
    let only = |named: &[&str]| {
        let addresses: Vec<Address> = named.iter().map(|text| address(text)).collect();
        let opened = open_sources(&addresses).unwrap();
        opened.iter().map(|s| (s.address.uri.to_string(), s.source.only.len())).collect::<Vec<_>>()
    };
    let of = |count| vec![("file:///b".to_owned(), count)];
    assert_eq!(only(&[set]), of(1));
    assert_eq!(only(&[set, "file:///b/backup_set_2_inc"]), of(2));
    assert_eq!(only(&[set, "file:///b"]), of(0));
    assert_eq!(only(&["file:///b", set]), of(0));
    assert_eq!(only(&["file:///b/", set, "file:///b/backup_set_2_inc"]), of(0));
    assert_eq!(only(&["file:///a", "file:///c"]).len(), 2);
    assert_eq!(only(&[]), []);
}

#[test]
fn an_address_that_no_medium_takes_is_invalid() {
    let address = Address::parse("mem://x?log_form=sideways").unwrap();
    let refused = open_sources(&[address]).unwrap_err();
    assert_eq!(refused.class, ErrorClass::Invalid, "{refused}");
}

#[test]
fn a_folder_that_only_looks_like_a_set_or_piece_is_a_destination() {
    for text in [
        "file:///b/backup_set_1",
        "file:///b/backup_set_x_full",
        "file:///b/backup_set_01_full",
        "file:///b/piece_d1001r1",
        "file:///b/piece_d1001r1p",
        "file:///b/backup_set_1_full/infos",
        "s3://bucket?host=h",
    ] {
        let uri = DestUri::parse(text).unwrap();
        assert_eq!(split_uri(&uri), (uri.clone(), None), "{text}");
    }
}

proptest! {
    #[test]
    fn a_set_or_piece_is_split_off_its_destination_and_names_it_again(id in 1u64..1000, round in 1u64..50, inc: bool) {
        let root = DestUri::parse("s3://bucket/a/b?host=h&s3_region=r").unwrap();
        let name = set(id, if inc { BackupSetKind::Inc } else { BackupSetKind::Full });
        let piece: PieceKey = key(round, id);
        for (last, only) in [(name.to_string(), Only::Set(name)), (format!("piece_{piece}"), Only::Piece(piece))] {
            let uri = DestUri::parse(&format!("s3://bucket/a/b/{last}?host=h&s3_region=r")).unwrap();
            prop_assert_eq!(split_uri(&uri), (root.clone(), Some(only)));
        }
    }

    #[test]
    fn an_object_is_named_with_one_slash_and_without_attributes(path in "[a-z]{1,8}(/[a-z]{1,8}){0,3}") {
        for uri in ["file:///b", "file:///b/", "file:///b?x=y", "file:///b/?x=y"] {
            prop_assert_eq!(object_name(uri, &path), format!("file:///b/{path}"));
        }
    }
}

#[test]
fn a_key_is_found_by_its_fingerprint_alone_and_no_secret_is_shown() {
    let other = Key::from_bytes([9; 32]);
    let keys = Keys::new([KeySecret::Key(key_of_test()), KeySecret::Passphrase("open sesame".to_owned())]);
    let print = cipher::fingerprint(&key_of_test());
    assert_eq!(keys.find(&print), Some(key_of_test()));
    assert_eq!(keys.find(&cipher::fingerprint(&other)), None);
    assert_eq!(format!("{keys:?}"), "Keys(2 secrets)");
    assert!(Keys::none().is_empty() && !keys.is_empty());
    assert_eq!(Keys::none().derive(&[1; SALT_BYTES], &print), None);
}

#[test]
fn each_passphrase_gives_a_key_of_its_own_for_each_salt_that_it_meets() {
    let (one, two) = ("first secret", "second secret");
    let keys = Keys::new([one, two].map(|text| KeySecret::Passphrase(text.to_owned())));
    let (a, b) = ([1; SALT_BYTES], [2; SALT_BYTES]);
    let print = |text, salt| cipher::fingerprint(&cipher::derive_key(text, salt));
    assert_eq!(keys.find(&print(one, &a)), None, "no salt was met yet");
    keys.meet(&a);
    assert_eq!(keys.find(&print(one, &a)), Some(cipher::derive_key(one, &a)));
    assert_eq!(keys.find(&print(two, &a)), Some(cipher::derive_key(two, &a)));
    assert_eq!(keys.find(&print(one, &b)), None);
    assert_eq!(keys.derive(&b, &print(two, &b)), Some(cipher::derive_key(two, &b)));
    assert_eq!(keys.derive(&b, &print("another", &b)), None);
}

fn place(set: u64) -> PhysicalId {
    let (ls_id, kind, turn, retry) = (LsId(1001), DataKind::Major, TURN, RETRY);
    PhysicalId { backup_set_id: BackupSetId(set), ls_id, kind, turn, retry, file_id: FileId(4), offset: 0, length: 1 }
}

#[tokio::test]
async fn a_block_of_an_earlier_set_lies_where_the_kind_of_that_set_says() {
    let medium = Backup::chain().tree().medium().await;
    let names = SetNames::new(medium, Looks::at_once(), []);
    assert_eq!(names.found(BackupSetId(2)), None, "nothing was looked up yet");
    let path = |set| BackupPath::<Scn>::MacroBlockData {
        set,
        ls: LsId(1001),
        kind: DataKind::Major,
        turn: TURN,
        retry: RETRY,
        n: 4,
    };
    for (id, kind) in [(1, BackupSetKind::Full), (2, BackupSetKind::Inc)] {
        let name = set(id, kind);
        assert_eq!(names.data_file(&place(id)).await.unwrap(), path(name).path());
        assert_eq!((names.found(BackupSetId(id)), data_file(name, &place(id))), (Some(name), path(name).path()));
    }
    let refused = names.data_file(&place(7)).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    assert!(refused.what.contains("backup set 7") && refused.todo.contains("new full backup"), "{refused}");
}

#[tokio::test]
async fn a_set_that_was_known_is_not_looked_for_and_a_dead_medium_is_no_verdict() {
    let dead = refusing(Backup::chain().tree().medium().await, Op::List, "", ErrorClass::Transient);
    let name = set(2, BackupSetKind::Inc);
    let names = SetNames::new(dead, Looks::at_once(), [name]);
    assert_eq!(names.find(BackupSetId(2)).await.unwrap(), Some(name));
    assert_eq!(names.find(BackupSetId(1)).await.unwrap_err().class, ErrorClass::Transient);
    assert_eq!(names.name(BackupSetId(1)).await.unwrap_err().class, ErrorClass::Transient);
}
