//! No verdict on one answer, searched for: whichever request of a scan is answered wrongly, and the next ones too, nothing of
//! a sound archive is called broken, missing or damaged.
#![allow(clippy::unwrap_used)]

mod support;

use futures::stream::{self, StreamExt};
use std::sync::Arc;
use strandline_format::part::PartForm;
use strandline_media::{Fault, FaultPlan, FaultRule, Faulty, Looks, Medium, MemoryMedium, Op};
use strandline_reader::{Source, scan};
use strandline_types::{ErrorClass, FileStatus};
use support::{LAST, frozen_archive, growing_archive};

/// More requests than a scan of these archives makes.
const REQUESTS_MAX: u32 = 120;

fn wrong_answers() -> [(Op, Fault); 4] {
    [
        (Op::List, Fault::Short(usize::MAX)),
        (Op::List, Fault::Short(1)),
        (Op::Get, Fault::Refuse(ErrorClass::NotFound)),
        (Op::Get, Fault::Flip(77)),
    ]
}

/// What a scan makes of a sound archive when its answers from the `skip`th on are wrong. False when it asks for fewer.
async fn judged(sound: &Arc<MemoryMedium>, (op, fault): (Op, Fault), skip: u32, times: u32) -> bool {
    let plan = FaultPlan::new(1);
    plan.add(FaultRule { op: Some(op), path_part: String::new(), skip, times, fault });
    let medium: Arc<dyn Medium> = Arc::new(Faulty::new(sound.clone(), plan.clone()));
    let found = scan(&Source::whole(medium)).await;
    let found = found.unwrap_or_else(|e| panic!("{op}, {fault:?} from {skip} on, {times} times: {e}"));
    let broken = found.catalogue.pieces.iter().filter(|p| p.file_status == FileStatus::Broken);
    let verdicts: Vec<String> = broken
        .map(|p| format!("piece {} is BROKEN", p.key))
        .chain(found.problems.iter().map(|p| format!("{}: {}", p.object, p.what)))
        .collect();
    assert!(verdicts.is_empty(), "{op}, {fault:?} from {skip} on, {times} times: {verdicts:#?}");
    plan.injected() > 0
}

#[tokio::test]
async fn no_wrong_answers_make_a_sound_archive_look_damaged() {
    let growing = growing_archive(&PartForm::RAW, LAST).await;
    let frozen = frozen_archive("wrong answers", true, FileStatus::Available).await;
    let most = Looks::default().most - 1;
    let mut met = 0;
    for sound in [growing, frozen] {
        let cases = wrong_answers()
            .into_iter()
            .flat_map(|answer| (0..REQUESTS_MAX).flat_map(move |skip| [1, 2, most].map(|times| (answer, skip, times))));
        let sound = &sound;
        let looks = stream::iter(cases).map(|(answer, skip, times)| judged(sound, answer, skip, times));
        met += looks.buffer_unordered(64).filter(|met| std::future::ready(*met)).count().await;
    }
    assert!(met > 100, "only {met} cases met a request");
}
