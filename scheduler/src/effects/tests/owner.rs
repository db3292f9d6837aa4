//! No work of the scheduler is done on a destination that is not there: below a mount point without its mount there is
//! nothing afterwards, and the work says why.
use super::*;
use std::path::{Path, PathBuf};
use strandline_scheduler_core::{ComplementLog, FollowWork};
use strandline_types::DestOwner;

/// Where work is done. A new kind of work does not compile before it is in `every_work` below.
fn dest_of_work(work: &mut MediumWork) -> Option<&mut DestRef> {
    Some(match work {
        MediumWork::Format { dest, .. }
        | MediumWork::RoundStart { dest, .. }
        | MediumWork::PieceStart { dest, .. }
        | MediumWork::PieceInfos { dest, .. }
        | MediumWork::PublishCheckpoint { dest, .. }
        | MediumWork::RoundEnd { dest, .. }
        | MediumWork::SetStart { dest, .. }
        | MediumWork::SetEnd { dest, .. }
        | MediumWork::SetAbort { dest, .. }
        | MediumWork::CleanDest { dest } => dest,
        MediumWork::FreezePiece(freeze) => &mut freeze.dest,
        MediumWork::ComplementLog(log) => &mut log.dest,
        MediumWork::SetInfos(infos) => &mut infos.dest,
        MediumWork::CleanBegin(work) | MediumWork::CleanRest(work) => &mut work.dest,
        MediumWork::Sweep(work) => &mut work.dest,
        MediumWork::Follow(work) => &mut work.dest,
        // They read through the executor's own ways and write nothing.
        MediumWork::Drill(_) | MediumWork::SealRun(_) => return None,
    })
}

/// Every kind of work on a destination that exists already.
fn every_work(uri: &str) -> Vec<MediumWork> {
    let clean = || Box::new(CleanWork { dest: dest(), name: MediumName::Piece(key(1)), ends_round: true });
    let log = ComplementLog {
        dest: dest(),
        archive_dest_id: DestId(1002),
        set_id: BackupSetId(1),
        kind: BackupSetKind::Full,
        created_ms: 1,
        clock: CLOCK,
        round_id: RoundId(1),
        checkpoint_scn: Scn(1_090),
        pieces: vec![row(1, 1_090, true)],
        log_streams: vec![LsId(1)],
    };
    let sweep = SweepWork { dest: dest(), gone: [].into(), remove: Vec::new(), abort_before_ms: 0 };
    let follow = FollowWork { dest: dest(), source_tenant: TenantId(1002), from: Scn(1), known_scn: Scn(1) };
    let others = vec![
        MediumWork::Format { dest: dest(), kind: DestKind::Archive, created_ms: 1, again: true },
        MediumWork::RoundEnd { dest: dest(), round: RoundId(1), clock: CLOCK, checkpoint_scn: Scn(1_120) },
        MediumWork::ComplementLog(Box::new(log)),
        MediumWork::CleanBegin(clean()),
        MediumWork::CleanRest(clean()),
        MediumWork::Sweep(Box::new(sweep)),
        MediumWork::Follow(Box::new(follow)),
    ];
    let first = |work: &MediumWork| matches!(work, MediumWork::Format { again: false, .. });
    let mut works: Vec<MediumWork> = archive_life().into_iter().chain(backup_life()).filter(|w| !first(w)).collect();
    works.extend(others);
    for dest in works.iter_mut().filter_map(dest_of_work) {
        dest.uri = DestUri::parse(uri).unwrap();
        dest.owner = DestOwner { cluster_id: dest.cluster_id, tenant_id: dest.tenant_id, dest_id: dest.dest_id };
    }
    works
}

fn inside(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn directory(dir: &Path) -> DestUri {
    DestUri::parse(&format!("file://{}", dir.display())).unwrap()
}

async fn claim(dir: &Path, owner: &DestRef) {
    let medium = open_unclaimed(&directory(dir), &Access::default()).unwrap();
    destination::format(medium.as_ref(), owner, DestKind::Archive, 1).await.unwrap();
}

#[tokio::test]
async fn no_work_is_done_below_a_mount_point_without_its_mount() {
    let dir = tempfile::tempdir().unwrap();
    let uri = format!("file://{}", dir.path().display());
    for work in every_work(&uri) {
        let failure = run(&work).await.expect_err("nothing can be done where nothing is");
        let is_look = matches!(work, MediumWork::Follow(_));
        assert!(is_look || failure.code == identity::CODE_FORMAT_MISSING, "{work:?}: {failure}");
        assert!(is_look || failure.to_string().contains("not mounted"), "{work:?}: {failure}");
        assert_eq!(inside(dir.path()), Vec::<PathBuf>::new(), "{work:?}");
    }
}

#[tokio::test]
async fn no_work_is_done_in_another_destination_that_is_mounted_there() {
    let dir = tempfile::tempdir().unwrap();
    claim(dir.path(), &DestRef { tenant_id: TenantId(1003), ..dest() }).await;
    let uri = format!("file://{}", dir.path().display());
    let before = inside(dir.path());
    for work in every_work(&uri) {
        let failure = run(&work).await.expect_err("it is somebody else's");
        let is_look = matches!(work, MediumWork::Follow(_));
        assert!(is_look || failure.code == identity::CODE_FORMAT_MISMATCH, "{work:?}: {failure}");
        assert_eq!(inside(dir.path()), before, "{work:?}");
    }
}

#[tokio::test]
async fn a_known_destination_that_is_examined_without_its_mount_is_refused_and_not_claimed_anew() {
    let dir = tempfile::tempdir().unwrap();
    let medium = open_unclaimed(&directory(dir.path()), &Access::default()).unwrap();
    let now = Scn(5_000_000_000);
    let refused = destination::examine(medium.as_ref(), &dest(), DestKind::Archive, true, now).await.unwrap_err();
    assert_eq!(refused.code, identity::CODE_FORMAT_MISSING, "{refused}");
    assert_eq!(inside(dir.path()), Vec::<PathBuf>::new());
    claim(dir.path(), &dest()).await;
    destination::examine(medium.as_ref(), &dest(), DestKind::Archive, true, now).await.unwrap();
}

/// The same on a real mount: the work waits while it is away, and goes on when it is back.
#[tokio::test]
async fn a_real_mount_that_is_lost_keeps_its_mount_point_clean() {
    let dir = tempfile::tempdir().unwrap();
    let (kept, point) = (dir.path().join("kept"), dir.path().join("point"));
    for path in [&kept, &point] {
        std::fs::create_dir(path).unwrap();
    }
    let Some(mount) = Mount::bind(&kept, &point) else {
        println!("skipped: mounting needs root");
        return;
    };
    claim(&point, &dest()).await;
    let start = every_work(&format!("file://{}", point.display())).remove(1);
    assert!(matches!(start, MediumWork::PieceStart { .. }));
    drop(mount);
    assert_eq!(run(&start).await.unwrap_err().code, identity::CODE_FORMAT_MISSING);
    assert_eq!(inside(&point), Vec::<PathBuf>::new());
    let _mount = Mount::bind(&kept, &point).unwrap();
    run(&start).await.unwrap();
    assert!(kept.join("pieces").is_dir());
}

/// A directory that is mounted in another place until it is dropped.
struct Mount(PathBuf);

impl Mount {
    fn bind(from: &Path, to: &Path) -> Option<Self> {
        let mount = std::process::Command::new("mount").arg("--bind").args([from, to]).output().ok()?;
        mount.status.success().then(|| Self(to.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(&self.0).status().unwrap();
        assert!(unmounted.success());
    }
}
