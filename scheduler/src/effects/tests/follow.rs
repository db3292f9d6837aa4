//! What a standby finds when its source's archive ends, for now or for good.

use super::super::follow::follow;
use super::*;
use strandline_scheduler_core::FollowWork;

/// The standby holds everything up to `known`.
fn work(known: u64) -> FollowWork {
    FollowWork { dest: dest(), source_tenant: TenantId(1002), from: Scn(1_050), known_scn: Scn(known) }
}

async fn reach(medium: &Arc<dyn Medium>, known: u64) -> Result<Scn, Failure> {
    match follow(medium, &work(known)).await? {
        Action::StandbySource { reach, pieces, .. } => {
            assert!(!pieces.is_empty());
            Ok(reach)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_round_that_was_stopped_is_followed_to_its_end_and_then_told_with_the_way_on() {
    let medium: Arc<dyn Medium> = empty();
    live(medium.as_ref(), &archive_life()).await.unwrap();
    assert_eq!(reach(&medium, 1_120).await, Ok(Scn(1_120)), "the archive may go on");

    let end = MediumWork::RoundEnd { dest: dest(), round: RoundId(1), clock: CLOCK, checkpoint_scn: Scn(1_120) };
    run_on(medium.as_ref(), &end).await.unwrap();
    assert_eq!(reach(&medium, 1_100).await, Ok(Scn(1_120)), "what is there is taken first");
    // With and without a newer round.
    let again = PieceClock { round_start: Scn(1_500), base_piece: PieceId(3), interval_ns: 100 };
    for next in [None, Some(MediumWork::RoundStart { dest: dest(), round: RoundId(2), clock: again })] {
        if let Some(next) = next {
            run_on(medium.as_ref(), &next).await.unwrap();
        }
        let told = reach(&medium, 1_120).await.unwrap_err();
        assert_eq!((told.class, told.code), (ErrorClass::NotFound, -4018), "{told}");
        for words in ["SCN 1120", "no further", "round 1 was stopped", "RESTORE it again", "ACTIVATE STANDBY"] {
            assert!(told.to_string().contains(words), "'{words}' is missing in {told}");
        }
    }
}
