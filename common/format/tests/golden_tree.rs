//! The trees that the seed documents draw, name by name: both directions, both media forms.
//!
//! `golden/seed_*.txt` are the drawings themselves (their indentation is lost), `golden/*.txt` the same trees as full
//! paths. The drawings prove the paths, the paths prove the code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use strandline_format::paths::{self, ArchivePath, BackupPath, IndexKind, InfoKind, LogPart, SetName};
use strandline_types::{
    BackupSetId, BackupSetKind, DataKind, DestId, FileId, LsId, PieceId, PieceKey, RetryId, RoundId, Scn, TenantId,
    TurnId, parse_time_text,
};

const KEY: PieceKey = PieceKey { dest_id: DestId(1002), round_id: RoundId(1), piece_id: PieceId(1) };
const TENANT: TenantId = TenantId(1002);
const SET: SetName = SetName { id: BackupSetId(1), kind: BackupSetKind::Full };
const INC: SetName = SetName { id: BackupSetId(2), kind: BackupSetKind::Inc };
const TURN: TurnId = TurnId(1);
const RETRY: RetryId = RetryId(0);

fn at(clock: &str) -> Scn {
    parse_time_text(&format!("2023-01-11 {clock}")).unwrap()
}

/// Names in the order of a drawing: branches, notes and left-out parts removed.
fn drawn(drawing: &str) -> Vec<String> {
    drawing
        .lines()
        .skip(1)
        .map(|line| line.trim_start_matches(|c: char| "├│└─| ".contains(c)))
        .map(|name| name.split([' ', '/', '#']).next().unwrap_or_default().to_owned())
        .filter(|name| name != "......")
        .collect()
}

/// Names in the order in which a listing of these paths shows them: every directory before what is in it.
fn listed(paths: &[&str]) -> Vec<String> {
    let (mut out, mut open) = (Vec::new(), Vec::<&str>::new());
    for path in paths {
        let parts: Vec<&str> = path.split('/').collect();
        let same = open.iter().zip(&parts).take_while(|(a, b)| a == b).count();
        out.extend(parts[same..].iter().map(|s| (*s).to_owned()));
        open = parts;
    }
    out
}

fn archive_tree() -> Vec<ArchivePath> {
    let (sys, user) = (LsId::SYS, LsId::FIRST_USER);
    vec![
        ArchivePath::CheckFile { tenant: TENANT, time: at("19:30:49") },
        ArchivePath::Format,
        ArchivePath::RoundStart { dest: DestId(1002), round: RoundId(1) },
        ArchivePath::PieceStart { key: KEY, time_scn: at("19:30:49") },
        ArchivePath::PieceEnd { key: KEY, time_scn: at("19:32:49") },
        ArchivePath::PieceInner { key: KEY, start_scn: at("19:30:49"), checkpoint_scn: at("19:32:49") },
        ArchivePath::Checkpoint { key: KEY, scn: Scn(1_673_436_649_723_677_822) },
        ArchivePath::CheckpointInfo { key: KEY },
        ArchivePath::SinglePieceInfo { key: KEY },
        ArchivePath::TenantArchivePieceInfos { key: KEY },
        ArchivePath::PieceFileInfo { key: KEY },
        ArchivePath::LsFileInfo { key: KEY, ls: sys },
        ArchivePath::Log { key: KEY, ls: sys, file_id: FileId(1) },
        ArchivePath::SchemaMeta { key: KEY, scn: Scn(1_677_588_501_408_765_915) },
        ArchivePath::LsFileInfo { key: KEY, ls: user },
        ArchivePath::Log { key: KEY, ls: user, file_id: FileId(1) },
    ]
}

fn archive_tree_s3() -> Vec<ArchivePath> {
    let (ls, file_id) = (LsId::SYS, FileId(1));
    vec![
        ArchivePath::LsFileInfo { key: KEY, ls },
        ArchivePath::LogPart { key: KEY, ls, file_id, part: LogPart::Data { start: 0, end: 32_472_973 } },
        ArchivePath::LogPart { key: KEY, ls, file_id, part: LogPart::FormatMeta },
        ArchivePath::LogPart { key: KEY, ls, file_id, part: LogPart::SealMeta },
        ArchivePath::SchemaMeta { key: KEY, scn: Scn(1_677_588_501_408_765_915) },
        ArchivePath::LsFileInfo { key: KEY, ls: LsId::FIRST_USER },
        ArchivePath::Log { key: KEY, ls: LsId::FIRST_USER, file_id },
    ]
}

fn backup_tree() -> Vec<BackupPath> {
    let scn = Scn(1_702_352_553_000_000_000);
    let mut tree = vec![
        BackupPath::Format,
        BackupPath::CheckFile { tenant: TENANT, time: at("19:30:20") },
        BackupPath::SetEnd { set: SET, success: true, time_scn: at("19:34:20") },
        BackupPath::SetStart { set: SET },
        BackupPath::SetStart { set: INC },
        BackupPath::SetEnd { set: INC, success: true, time_scn: at("19:44:20") },
        BackupPath::SetInner { set: SET, start: at("19:33:30"), end: at("19:34:20") },
        BackupPath::SingleSetInfo { set: SET },
        BackupPath::TenantSetInfos { set: SET },
        BackupPath::TableList { set: SET, scn, n: 1 },
        BackupPath::TableList { set: SET, scn, n: 2 },
        BackupPath::TableListMeta { set: SET, scn },
    ];
    for kind in InfoKind::ALL {
        tree.push(BackupPath::TabletLsInfo { set: SET, kind, turn: TURN });
        for index in IndexKind::ALL {
            tree.push(BackupPath::TenantIndex { set: SET, kind, turn: TURN, index, retry: RETRY });
        }
    }
    tree.extend([
        BackupPath::DiagnoseInfo { set: SET },
        BackupPath::TenantParameter { set: SET },
        BackupPath::LocalityInfo { set: SET },
        BackupPath::LsAttrInfo { set: SET, turn: TURN },
        BackupPath::LsMetaInfos { set: SET },
    ]);
    for ls in [LsId::SYS, LsId::FIRST_USER] {
        tree.extend(data_files(ls, DataKind::Major));
        tree.push(BackupPath::LsMetaInfo { set: SET, ls, turn: TURN, retry: RETRY });
        tree.push(BackupPath::TabletInfo { set: SET, ls, turn: TURN, retry: RETRY, n: 1 });
        tree.extend(data_files(ls, DataKind::Minor));
        tree.extend(data_files(ls, DataKind::Sys));
    }
    tree
}

fn data_files(ls: LsId, kind: DataKind) -> Vec<BackupPath> {
    let mut files = vec![BackupPath::MacroBlockData { set: SET, ls, kind, turn: TURN, retry: RETRY, n: 0 }];
    let index = |index| BackupPath::LsIndex { set: SET, ls, kind, turn: TURN, retry: RETRY, index };
    files.extend(IndexKind::ALL.map(index));
    files
}

#[test]
fn the_path_lists_are_the_drawings_of_the_seed() {
    for (drawing, paths) in [
        (include_str!("golden/seed_archive.txt"), include_str!("golden/archive.txt")),
        (include_str!("golden/seed_backup.txt"), include_str!("golden/backup.txt")),
        (include_str!("golden/seed_cluster_parameters.txt"), include_str!("golden/cluster_parameters.txt")),
    ] {
        assert_eq!(listed(&paths.lines().collect::<Vec<_>>()), drawn(drawing));
    }
    // The S3 drawing leaves out what is as on the other media and draws the log file a level too high.
    let s3 = drawn(include_str!("golden/seed_archive_s3.txt"));
    assert_eq!(listed(&include_str!("golden/archive_s3.txt").lines().collect::<Vec<_>>()), s3);
}

#[test]
fn the_archive_tree_is_the_seeds_in_both_directions() {
    for (golden, tree) in [
        (include_str!("golden/archive.txt"), archive_tree()),
        (include_str!("golden/archive_s3.txt"), archive_tree_s3()),
    ] {
        let built: Vec<String> = tree.iter().map(ArchivePath::path).collect();
        assert_eq!(built, golden.lines().collect::<Vec<_>>());
        for (line, path) in golden.lines().zip(tree) {
            let parsed = ArchivePath::parse(line).unwrap_or_else(|| panic!("{line} does not parse"));
            assert_eq!(parsed, path.tagged());
            assert_eq!(parsed.text(), line);
        }
    }
}

#[test]
fn the_data_backup_tree_is_the_seeds_in_both_directions() {
    let (golden, tree) = (include_str!("golden/backup.txt"), backup_tree());
    let built: Vec<String> = tree.iter().map(BackupPath::path).collect();
    assert_eq!(built, golden.lines().collect::<Vec<_>>());
    for (line, path) in golden.lines().zip(tree) {
        let parsed = BackupPath::parse(line).unwrap_or_else(|| panic!("{line} does not parse"));
        assert_eq!(parsed, path.tagged());
        assert_eq!(parsed.text(), line);
    }
}

#[test]
fn cluster_parameters_have_their_own_destination() {
    let built = paths::cluster_parameter(parse_time_text("2024-07-10 10:36:10").unwrap());
    let golden: Vec<&str> = include_str!("golden/cluster_parameters.txt").lines().collect();
    assert_eq!(built, golden[0]);
    assert_eq!(paths::parse_cluster_parameter(golden[1]).unwrap().as_str(), "20241018T140609");
    assert!(paths::parse_cluster_parameter("cluster_parameter.obbak").is_none());
}

#[test]
fn directories_are_the_parents_of_their_files() {
    use paths::{archive, backup};
    let parent = |path: String| path.rsplit_once('/').unwrap().0.to_owned();
    let ls = LsId::SYS;
    assert_eq!(parent(ArchivePath::SinglePieceInfo { key: KEY }.path()), archive::piece_dir(KEY));
    assert_eq!(parent(ArchivePath::CheckpointInfo { key: KEY }.path()), archive::checkpoint_dir(KEY));
    assert_eq!(parent(ArchivePath::LsFileInfo { key: KEY, ls }.path()), archive::ls_dir(KEY, ls));
    assert_eq!(parent(ArchivePath::Log { key: KEY, ls, file_id: FileId(3) }.path()), archive::ls_log_dir(KEY, ls));
    assert_eq!(parent(ArchivePath::SchemaMeta { key: KEY, scn: Scn(3) }.path()), archive::schema_meta_dir(KEY));
    assert_eq!(archive::parse_piece_dir(&archive::piece_dir(KEY)), Some(KEY));
    assert_eq!(parent(BackupPath::SingleSetInfo { set: SET }.path()), backup::set_dir(SET));
    let index =
        BackupPath::LsIndex { set: SET, ls, kind: DataKind::Sys, turn: TURN, retry: RETRY, index: IndexKind::Meta };
    assert_eq!(parent(index.path()), backup::ls_data_dir(SET, ls, DataKind::Sys, TURN, RETRY));
    assert_eq!(parent(parent(index.path())), backup::ls_dir(SET, ls));
    let meta = BackupPath::LsMetaInfo { set: SET, ls, turn: TURN, retry: RETRY };
    assert_eq!(parent(meta.path()), backup::ls_meta_dir(SET, ls, TURN, RETRY));
}
