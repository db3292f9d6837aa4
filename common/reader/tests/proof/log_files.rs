//! Log files and their parts: any range of a file in any shape is that range of the plain file, and what is missing, damaged
//! or sealed is told apart.

use crate::support::archive::{Archive, LOG_START, Round, SYS, Shape, USER, key, log_path};
use crate::support::look::{key_of_test, with_key};
use crate::support::tree::{Change, Tree};
use crate::support::{PASSPHRASE, SALT, keys, packed, sealed};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use strandline_format::DataType;
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::{PartForm, PartPlace, encode_part};
use strandline_format::paths::ArchivePath;
use strandline_format::secret::format_meta;
use strandline_format::small::write_small;
use strandline_media::Medium;
use strandline_reader::Keys;
use strandline_reader::log::chain::{LogObject, ObjectRole};
use strandline_reader::log::{LogFiles, LogSource, log_object, open_part};
use strandline_types::limits::ARCHIVE_FILE_HEADER_BYTES;
use strandline_types::{ErrorClass, Failure, FileId, Lsn, Scn};

async fn files_of(tree: &Tree, pieces: impl IntoIterator<Item = u64>, from: Lsn) -> Result<LogFiles, Failure> {
    let medium = tree.medium().await;
    let sources = pieces.into_iter().map(|n| LogSource { medium: Arc::clone(&medium), piece: key(1, n) }).collect();
    LogFiles::list(sources, USER, from, with_key(key_of_test())).await
}

#[tokio::test]
async fn files_are_listed_in_the_order_of_the_pieces_from_the_block_that_holds_the_start() {
    let tree = Archive::usual().tree();
    let names = |files: &LogFiles| files.files().iter().map(|(f, _)| (f.piece, f.file_id.0)).collect::<Vec<_>>();
    let all = files_of(&tree, 1..=3, LOG_START.lsn).await.unwrap();
    assert_eq!(names(&all), [(key(1, 1), 1), (key(1, 1), 2), (key(1, 2), 2), (key(1, 3), 2)]);
    assert_eq!(all.files()[0].1, LOG_START.lsn);
    assert_eq!(all.files()[1].1, LOG_START.lsn.block_end(), "the second file begins with its block");
    for (n, (file, _)) in all.files().iter().enumerate() {
        let path = log_path(file.piece, USER, file.file_id.0);
        assert_eq!((file.bytes, all.object(n)), (tree.bytes(&path).len() as u64, format!("mem://tree/{path}")));
    }
    let later = files_of(&tree, 1..=3, LOG_START.lsn.block_end()).await.unwrap();
    assert_eq!(names(&later), [(key(1, 1), 2), (key(1, 2), 2), (key(1, 3), 2)]);
    let behind = files_of(&tree, 1..=3, LOG_START.lsn.block_end().block_end()).await.unwrap();
    assert_eq!(names(&behind), []);
}

#[tokio::test]
async fn a_range_without_bytes_is_empty_and_one_beyond_the_end_is_an_error() {
    let plain = Archive::usual().tree();
    let bytes = plain.bytes(&log_path(key(1, 2), USER, 2)).len() as u64;
    for (shape, class) in [
        (Shape::Plain, ErrorClass::Corrupt),
        (Shape::Parts(PartForm::RAW, 900), ErrorClass::NotFound),
        (Shape::Parts(packed(Compressor::Lz4), 900), ErrorClass::NotFound),
    ] {
        let files = files_of(&Archive::usual().shaped(shape.clone()).tree(), [2], Lsn::ZERO).await.unwrap();
        for at in [0, 1, 899, 900, 901, bytes] {
            assert_eq!(files.read(0, at..at).await.unwrap(), Bytes::new(), "{shape:?} at {at}");
        }
        let refused = files.read(0, bytes - 1..bytes + 1).await.unwrap_err();
        assert_eq!(refused.class, class, "{shape:?}: {refused}");
    }
}

#[tokio::test]
async fn a_file_that_holds_no_whole_header_yet_holds_no_log() {
    let tree = Archive::usual().tree();
    let path = log_path(key(1, 3), USER, 2);
    for len in [0, 10, ARCHIVE_FILE_HEADER_BYTES as usize - 1] {
        let torn = tree.with(&path, tree.bytes(&path).slice(..len));
        assert_eq!(files_of(&torn, [3], Lsn::ZERO).await.unwrap().files(), [], "{len} bytes");
    }
    let zeros = tree.with(&path, vec![0; 5000]);
    let refused = files_of(&zeros, [3], Lsn::ZERO).await.unwrap_err();
    assert!(refused.class == ErrorClass::Corrupt && refused.object.ends_with(&path), "{refused}");
}

#[tokio::test]
async fn parts_that_make_no_file_are_named_by_what_is_wrong_with_them() {
    let tree = Archive::usual().shaped(Shape::Parts(PartForm::RAW, 900)).tree();
    let dir = log_path(key(1, 2), USER, 2);
    let first = format!("{dir}/@APD_PART@0-900.obarc");
    let cases = [
        (tree.without(&format!("{dir}/@APD_PART@FORMAT_META.obarc")), ErrorClass::Corrupt, "without FORMAT_META"),
        (tree.without(&format!("{dir}/@APD_PART@900-1800.obarc")), ErrorClass::NotFound, "[900, 1800)"),
        (tree.without(&first), ErrorClass::NotFound, "[0, 900)"),
        (tree.with(&format!("{dir}/@APD_PART@7-7.obarc"), vec![1]), ErrorClass::Corrupt, "holds nothing"),
    ];
    for (tree, class, what) in cases {
        let refused = files_of(&tree, [2], Lsn::ZERO).await.unwrap_err();
        assert_eq!(
            (refused.class, refused.object.as_str()),
            (class, format!("mem://tree/{dir}").as_str()),
            "{refused}"
        );
        assert!(refused.what.contains(what), "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_range_of_a_file_in_any_shape_is_that_range_of_the_plain_file(
        step in 50usize..7000,
        compressor in prop::sample::select(vec![Compressor::None, Compressor::Lz4, Compressor::Zstd]),
        is_sealed in any::<bool>(),
        (a, b) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let archive = Archive::of([Round::open(1, 1, 0, 9)]);
        let form = PartForm { compressor, key: is_sealed.then(key_of_test) };
        let (plain, in_parts) = (archive.tree(), archive.shaped(Shape::Parts(form, step)).tree());
        let whole = plain.bytes(&log_path(key(1, 1), USER, 1));
        let (a, b) = (a.index(whole.len() + 1), b.index(whole.len() + 1));
        let range = a.min(b)..a.max(b);
        let read = runtime.block_on(async {
            let files = files_of(&in_parts, [1], Lsn::ZERO).await?;
            files.read(0, range.start as u64..range.end as u64).await
        });
        prop_assert_eq!(read, Ok(whole.slice(range)));
    }
}

fn part() -> PartPlace {
    PartPlace { piece: key(1, 1), ls: USER, file_id: FileId(3), start: 100, end: 5100 }
}

fn plain_part() -> Bytes {
    b"what a log says ".repeat(400).into_iter().take(5000).collect::<Vec<u8>>().into()
}

async fn opened(stored: impl Into<Bytes>, medium: Tree, keys: &Keys) -> Result<Bytes, Failure> {
    let medium: Arc<dyn Medium> = medium.medium().await;
    open_part(&part(), &stored.into(), &medium, keys).await
}

#[tokio::test]
async fn a_part_opens_to_its_plain_bytes_and_a_damaged_one_is_named() {
    for form in [PartForm::RAW, packed(Compressor::Lz4), packed(Compressor::Zstd)] {
        let stored = encode_part(&part(), &plain_part(), &form).unwrap();
        assert_eq!(opened(stored.clone(), Tree::default(), &Keys::none()).await, Ok(plain_part()));
        if form.is_raw() {
            continue;
        }
        for change in [Change::Cut(1), Change::Emptied, Change::Flipped(5), Change::Flipped(stored.len() - 1)] {
            let bad = Tree::default().with("part", stored.clone()).changed("part", change);
            let refused = opened(bad.bytes("part").clone(), Tree::default(), &Keys::none()).await.unwrap_err();
            assert_eq!(refused.class, ErrorClass::Corrupt, "{change:?}: {refused}");
            assert_eq!(refused.object, format!("mem://tree/{}", part().path()));
        }
    }
}

#[tokio::test]
async fn a_sealed_part_opens_with_its_key_or_with_the_passphrase_and_the_salt_beside_it() {
    let form = sealed();
    let stored = encode_part(&part(), &plain_part(), &form).unwrap();
    let key = form.key.clone().unwrap();
    let path = ArchivePath::<Scn>::LogPart {
        key: part().piece,
        ls: USER,
        file_id: FileId(3),
        part: strandline_format::paths::LogPart::FormatMeta,
    };
    let meta = write_small(DataType::AppendFormatMeta, &format_meta(Some((&key, SALT))));
    let with_salt = Tree::default().with(&path.path(), meta.clone());
    assert_eq!(opened(stored.clone(), Tree::default(), &with_key(key)).await, Ok(plain_part()));
    assert_eq!(opened(stored.clone(), with_salt.clone(), &keys()).await, Ok(plain_part()), "{PASSPHRASE}");
    let spoiled = Tree::default().with(&path.path(), meta[..meta.len() - 1].to_vec());
    for (medium, keys) in [
        (Tree::default(), keys()),
        (spoiled, keys()),
        (with_salt.clone(), with_key(Key::from_bytes([1; 32]))),
        (with_salt, Arc::default()),
    ] {
        let refused = opened(stored.clone(), medium, &keys).await.unwrap_err();
        assert_eq!((refused.class, refused.code), (ErrorClass::Permission, -9057), "{refused}");
    }
}

#[test]
fn an_object_is_of_a_log_when_piece_and_log_stream_are_its_own() {
    let piece = key(1, 2);
    let file = log_path(piece, USER, 7);
    let part = |name: &str| format!("{file}/@APD_PART@{name}.obarc");
    let of = |role| Some(LogObject { file_id: FileId(7), role, bytes: 55 });
    let cases = [
        (file.clone(), of(ObjectRole::Plain)),
        (part("FORMAT_META"), of(ObjectRole::FormatMeta)),
        (part("SEAL_META"), of(ObjectRole::SealMeta)),
        (part("5-90"), of(ObjectRole::Part { start: 5, end: 90 })),
        (part("5-090"), None),
        (log_path(piece, SYS, 7), None),
        (log_path(key(1, 3), USER, 7), None),
        (log_path(key(2, 2), USER, 7), None),
        (format!("piece_{piece}/logstream_1001/file_info.obarc"), None),
        ("format.obbak".to_owned(), None),
    ];
    for (path, expected) in cases {
        assert_eq!(log_object(piece, USER, &path, 55), expected, "{path}");
    }
}
