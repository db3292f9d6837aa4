//! A piece that still grows, its log files in parts (raw, compressed, sealed): basic verification finds every missing and
//! every shortened object up to the checkpoint, though no list names any of them yet.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use strandline_format::compress::Compressor;
use strandline_format::part::PartForm;
use strandline_media::{Looks, Medium, MemoryMedium};
use strandline_reader::Keys;
use strandline_reader::verify::{self, Level, Options, Report};
use support::{LAST, growing_archive, keys, packed, sealed};

async fn verify(medium: &Arc<MemoryMedium>, level: Level, keys: Arc<Keys>) -> Report {
    let medium: Arc<dyn Medium> = medium.clone();
    verify::destination(&medium, &Options { keys, looks: Looks::at_once(), ..Options::new(level) }).await.unwrap()
}

async fn replace(medium: &MemoryMedium, path: &str, bytes: Option<Vec<u8>>) {
    medium.delete(path).await.unwrap();
    if let Some(bytes) = bytes {
        medium.put(path, bytes.into()).await.unwrap();
    }
}

/// Objects whose removal or cut goes unseen at basic level, and how many damages were tried.
async fn missed(medium: &Arc<MemoryMedium>, keys: &Arc<Keys>) -> (usize, Vec<String>) {
    let (mut tried, mut missed) = (0, Vec::new());
    for object in medium.list("").await.unwrap().into_iter().filter(|o| o.bytes > 0) {
        let good = medium.get(&object.path).await.unwrap().to_vec();
        let cuts =
            [Some(good[..good.len() - 1].to_vec()), Some(good[..good.len() / 3].to_vec()), Some(Vec::new()), None];
        for (what, bytes) in ["cut by one", "cut to a third", "emptied", "removed"].into_iter().zip(cuts) {
            replace(medium, &object.path, bytes).await;
            tried += 1;
            if verify(medium, Level::Basic, Arc::clone(keys)).await.is_sound() {
                missed.push(format!("{} {what}", object.path));
            }
        }
        replace(medium, &object.path, Some(good)).await;
    }
    // Whole files, and all of them.
    let log: Vec<String> =
        medium.list("").await.unwrap().into_iter().map(|o| o.path).filter(|p| p.contains("/log/")).collect();
    for file in ["/log/1.obarc", "/log/2.obarc", "/log/"] {
        let of_file: Vec<&String> = log.iter().filter(|p| p.contains(file)).collect();
        let mut kept = Vec::new();
        for path in &of_file {
            kept.push(medium.get(path).await.unwrap().to_vec());
            medium.delete(path).await.unwrap();
        }
        tried += 1;
        if verify(medium, Level::Basic, Arc::clone(keys)).await.is_sound() {
            missed.push(format!("{file} removed whole"));
        }
        for (path, bytes) in of_file.into_iter().zip(kept) {
            medium.put(path, bytes.into()).await.unwrap();
        }
    }
    assert!(verify(medium, Level::Basic, Arc::clone(keys)).await.is_sound(), "it was put back");
    (tried, missed)
}

#[tokio::test]
async fn whatever_is_missing_before_the_checkpoint_of_a_growing_piece_is_found() {
    let forms = [
        ("raw", PartForm::RAW),
        ("lz4", packed(Compressor::Lz4)),
        ("zstd", packed(Compressor::Zstd)),
        ("sealed", sealed()),
    ];
    for (name, form) in forms {
        let medium = growing_archive(&form, LAST).await;
        for level in [Level::Basic, Level::Physical] {
            let report = verify(&medium, level, keys()).await;
            assert!(report.is_sound(), "{name}, undamaged, {level:?}: {:?}", report.damages);
        }
        let (tried, missed) = missed(&medium, &keys()).await;
        println!("a growing piece, {name}: {} of {tried} found", tried - missed.len());
        assert!(tried > 30 && missed.is_empty(), "{name}: {missed:#?}");
    }
}

#[tokio::test]
async fn without_the_key_only_the_end_of_the_log_goes_unseen() {
    let medium = growing_archive(&sealed(), LAST).await;
    let none = Arc::<Keys>::default();
    let report = verify(&medium, Level::Basic, Arc::clone(&none)).await;
    assert!(report.is_sound() && !report.notes.is_empty(), "{report:?}");
    let (tried, missed) = missed(&medium, &none).await;
    println!("a growing piece, sealed, no key: {} of {tried} found", tried - missed.len());
    let parts: Vec<String> = medium.list("").await.unwrap().into_iter().map(|o| o.path).collect();
    let number = |p: &&String| p.split(['@', '-', '.']).filter_map(|n| n.parse::<u64>().ok()).next_back();
    let last = parts.iter().filter(|p| p.contains("/log/2.obarc")).max_by_key(number).unwrap();
    let tail = [format!("{last} removed"), "/log/2.obarc removed whole".to_owned()];
    assert_eq!(missed, tail, "a shorter log is also what an archive looked like a moment before");
}

#[tokio::test]
async fn what_lies_after_the_checkpoint_may_be_missing() {
    let medium = growing_archive(&packed(Compressor::Lz4), 1200).await;
    let parts: Vec<String> = medium.list("").await.unwrap().into_iter().map(|o| o.path).collect();
    let number = |p: &&String| p.split(['@', '-', '.']).filter_map(|n| n.parse::<u64>().ok()).next_back();
    let last = parts.iter().filter(|p| p.contains("/log/2.obarc")).max_by_key(number).unwrap();
    medium.delete(last).await.unwrap();
    for level in [Level::Basic, Level::Physical] {
        let report = verify(&medium, level, keys()).await;
        assert!(report.is_sound(), "{level:?}: {:?}", report.damages);
    }
}
