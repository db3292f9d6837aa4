//! An exported archive is the plain archive, byte for byte, or an error says what is wrong with which object.

use crate::support::archive::{Archive, Round, Shape, USER, key, log_path};
use crate::support::backup::Backup;
use crate::support::look::{faulty, key_of_test, refusing, verify_of, with_key};
use crate::support::packed;
use crate::support::tree::{Change, Tree};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use strandline_format::cipher::Key;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Medium, MemoryMedium, Op};
use strandline_reader::verify::Level;
use strandline_reader::{Exported, export_plain};
use strandline_types::{ErrorClass, Failure};

fn empty() -> Arc<dyn Medium> {
    Arc::new(MemoryMedium::new("exported"))
}

async fn export(from: &Arc<dyn Medium>, to: &Arc<dyn Medium>) -> Result<Exported, Failure> {
    export_plain(from, to, &with_key(key_of_test()), |_, _| {}).await
}

async fn tree_of(medium: &Arc<dyn Medium>) -> Tree {
    let mut objects = BTreeMap::new();
    for object in medium.list("").await.unwrap() {
        objects.insert(object.path.clone(), medium.get(&object.path).await.unwrap());
    }
    Tree(objects)
}

#[tokio::test]
async fn whatever_its_form_an_archive_becomes_the_plain_one_and_is_sound() {
    let archive = Archive::of([Round::stopped(1, 1, 0, 14), Round::open(2, 3, 11, 33)]);
    let plain = archive.tree();
    let sealed = PartForm { compressor: Compressor::Zstd, key: Some(key_of_test()) };
    for shape in [
        Shape::Plain,
        Shape::Parts(PartForm::RAW, 333),
        Shape::Parts(packed(Compressor::Lz4), 1500),
        Shape::Parts(sealed, 4100),
    ] {
        let (from, to) = (archive.clone().shaped(shape).tree().medium().await, empty());
        let done = export(&from, &to).await.unwrap();
        let exported = tree_of(&to).await;
        assert_eq!(exported, plain);
        assert_eq!(done.objects, plain.0.len() as u64);
        assert_eq!(done.bytes, plain.0.values().map(|b| b.len() as u64).sum::<u64>());
        assert!(verify_of(&exported, Level::Physical).await.is_sound());
    }
}

#[tokio::test]
async fn progress_rises_object_by_object_up_to_what_was_written() {
    let (from, to) = (Archive::usual().tree().medium().await, empty());
    let told = Mutex::new(Vec::new());
    let progress = |objects, bytes| told.lock().unwrap().push(Exported { objects, bytes });
    let done = export_plain(&from, &to, &Arc::default(), progress).await.unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!((told.len() as u64, told.last()), (done.objects, Some(&done)));
    assert!(told.windows(2).all(|w| w[0].objects + 1 == w[1].objects && w[0].bytes <= w[1].bytes));
}

#[tokio::test]
async fn an_export_that_was_cut_off_is_repeated_and_other_bytes_are_never_replaced() {
    let plain = Archive::usual().tree();
    let from = plain.medium().await;
    for nth in [0, 5, 20] {
        let (inner, plan) = (empty(), FaultPlan::new(1));
        let fault = Fault::Refuse(ErrorClass::Transient);
        plan.add(FaultRule { op: Some(Op::Put), path_part: String::new(), skip: nth, times: 1, fault });
        let to: Arc<dyn Medium> = Arc::new(Faulty::new(inner, plan));
        assert_eq!(export(&from, &to).await.unwrap_err().class, ErrorClass::Transient, "write {nth}");
        export(&from, &to).await.unwrap();
        assert_eq!(tree_of(&to).await, plain);
    }
    for path in [log_path(key(1, 1), USER, 2), plain.path("p1/single_piece_info")] {
        let to = empty();
        to.put(&path, vec![1, 2, 3].into()).await.unwrap();
        assert_eq!(export(&from, &to).await.unwrap_err().class, ErrorClass::Fenced, "{path}");
        assert_eq!(to.get(&path).await.unwrap(), vec![1, 2, 3]);
    }
}

#[tokio::test]
async fn what_is_no_archive_is_refused_before_anything_is_written() {
    let archive = Archive::usual().tree();
    for tree in [Tree::default(), archive.without("format.obbak"), Backup::chain().tree()] {
        let to = empty();
        let refused = export(&tree.medium().await, &to).await.unwrap_err();
        assert_eq!((refused.class, refused.object.as_str()), (ErrorClass::Invalid, "mem://tree"), "{refused}");
        assert!(refused.todo.contains("format.obbak") && to.list("").await.unwrap().is_empty());
    }
    let spoiled = archive.changed("format.obbak", Change::Flipped(66)).medium().await;
    assert_eq!(export(&spoiled, &empty()).await.unwrap_err().class, ErrorClass::Corrupt);
}

#[tokio::test]
async fn damaged_log_is_not_carried_on_and_a_torn_end_of_a_growing_file_is() {
    let plain = Archive::usual().tree();
    let inner = log_path(key(1, 1), USER, 1);
    for at in [9, 4096, 4200, 5000] {
        let from = plain.changed(&inner, Change::Flipped(at)).medium().await;
        let refused = export(&from, &empty()).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Corrupt, "byte {at}: {refused}");
        assert!(refused.object.ends_with(&inner), "byte {at}: {refused}");
    }
    let last = log_path(key(1, 3), USER, 2);
    let torn = plain.changed(&last, Change::Cut(30));
    let to = empty();
    export(&torn.medium().await, &to).await.unwrap();
    assert_eq!(to.get(&last).await.unwrap(), torn.bytes(&last));
}

#[tokio::test]
async fn parts_that_are_missing_or_sealed_with_another_key_are_named() {
    let sealed = PartForm { compressor: Compressor::None, key: Some(key_of_test()) };
    let tree = Archive::usual().shaped(Shape::Parts(sealed, 800)).tree();
    let from = tree.medium().await;
    for keys in [Arc::default(), with_key(Key::from_bytes([3; 32]))] {
        let refused = export_plain(&from, &empty(), &keys, |_, _| {}).await.unwrap_err();
        assert_eq!((refused.class, refused.code), (ErrorClass::Permission, -9057), "{refused}");
    }
    let part = tree.paths(&format!("{}/@APD_PART@800-1600", log_path(key(1, 2), USER, 2))).remove(0);
    let refused = export(&tree.without(&part).medium().await, &empty()).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::NotFound);
    assert!(refused.what.contains("[800, 1600)"), "{refused}");
}

#[tokio::test]
async fn errors_of_either_medium_keep_their_meaning() {
    let from = Archive::usual().tree().medium().await;
    for (op, part) in [(Op::List, ""), (Op::Get, "single_piece_info"), (Op::Get, "log/2.obarc")] {
        for class in [ErrorClass::Transient, ErrorClass::Permission] {
            let bad = refusing(from.clone(), op, part, class);
            assert_eq!(export(&bad, &empty()).await.unwrap_err().class, class, "{op} {part}");
        }
    }
    for (op, class) in [(Op::Put, ErrorClass::Exhausted), (Op::Write, ErrorClass::Permission)] {
        let to = refusing(empty(), op, "", class);
        assert_eq!(export(&from, &to).await.unwrap_err().class, class, "{op}");
    }
}

#[tokio::test]
async fn what_one_answer_had_wrong_is_never_written() {
    let plain = Archive::usual().tree();
    let from = plain.medium().await;
    for part in ["p1/single_piece_info", "p1/logstream_1001/log/1.obarc", "format.obbak"] {
        for nth in 0..3 {
            let plan = FaultPlan::new(1);
            let fault = Fault::Flip(8 * 4300 + 5);
            plan.add(FaultRule { op: Some(Op::Get), path_part: part.to_owned(), skip: nth, times: 1, fault });
            let (once, to): (Arc<dyn Medium>, _) = (Arc::new(Faulty::new(from.clone(), plan.clone())), empty());
            export(&once, &to).await.unwrap();
            assert_eq!(tree_of(&to).await, plain, "answer {nth} of {part}");
        }
    }
    let always = faulty(from, Op::Get, "p1/logstream_1001/log/1.obarc", Fault::Flip(8 * 4300));
    assert_eq!(export(&always, &empty()).await.unwrap_err().class, ErrorClass::Corrupt);
}
