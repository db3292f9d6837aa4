//! A restore without UNTIL means the end of the archive: where damage keeps it from there it is refused with the damaged
//! object and with the moment that can be reached, and that moment is accepted. `window` promises the same moment.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use support::{Cluster, medium, restore, text, uri, wait};

const CORRUPT: i32 = 13;

/// The pieces of an archive in order.
fn pieces(archive: &Path) -> Vec<PathBuf> {
    let number = |p: &Path| p.to_str().unwrap().rsplit('p').next().unwrap().parse::<u64>().unwrap();
    let dirs = std::fs::read_dir(archive).unwrap().map(|e| e.unwrap().path());
    let mut found: Vec<PathBuf> =
        dirs.filter(|p| p.file_name().unwrap().to_str().unwrap().starts_with("piece_")).collect();
    found.sort_by_key(|p| number(p));
    found
}

/// Pieces that the checkpoint has entered. Those that a stopped round had begun ahead hold nothing: without them nothing is
/// lost.
fn entered(archive: &Path) -> Vec<PathBuf> {
    pieces(archive).into_iter().filter(|p| p.join("checkpoint").exists()).collect()
}

/// The newest piece that the checkpoint has entered.
fn newest(archive: &Path) -> PathBuf {
    entered(archive).pop().unwrap()
}

fn window_end(data: &Path, archive: &Path) -> u64 {
    let output = support::strandline(&["window", "--json", &uri(data), &uri(archive)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let window: Value = serde_json::from_slice(&output.stdout).unwrap();
    window["intervals"].as_array().unwrap().last().expect("an interval")["to_scn"].as_u64().unwrap()
}

/// The SCN that a refusal says.
fn until(refusal: &str) -> u64 {
    let behind = refusal.split("UNTIL SCN = ").nth(1).unwrap_or_else(|| panic!("no moment in: {refusal}"));
    behind.split(' ').next().unwrap().parse().unwrap()
}

/// What is done to the copy of an archive, and the object that has to be named then.
type Damage = (&'static str, fn(&Path), &'static str);

fn exchange_single_infos(archive: &Path) {
    let all = entered(archive);
    let frozen: Vec<&PathBuf> = all.iter().filter(|p| p.join("single_piece_info.obarc").exists()).collect();
    let [.., a, b] = frozen.as_slice() else { panic!("two frozen pieces") };
    let (a, b) = (a.join("single_piece_info.obarc"), b.join("single_piece_info.obarc"));
    let (x, y) = (std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
    std::fs::write(a, y).unwrap();
    std::fs::write(b, x).unwrap();
}

fn empty_infos(archive: &Path) {
    std::fs::write(newest(archive).join("tenant_archive_piece_infos.obarc"), b"").unwrap();
}

fn remove_infos(archive: &Path) {
    std::fs::remove_file(newest(archive).join("tenant_archive_piece_infos.obarc")).unwrap();
}

fn cut_log(archive: &Path) {
    let log = medium::largest(&newest(archive), &["/log/"]);
    let bytes = std::fs::metadata(&log).unwrap().len();
    medium::truncate(&log, bytes - 1);
}

fn remove_piece(archive: &Path) {
    std::fs::remove_dir_all(newest(archive)).unwrap();
}

const GROWING: [Damage; 3] = [
    ("emptied infos", empty_infos, "tenant_archive_piece_infos.obarc"),
    ("removed infos", remove_infos, "tenant_archive_piece_infos.obarc"),
    ("cut log", cut_log, ".obarc"),
];
const STOPPED: [Damage; 2] = [("cut log", cut_log, ".obarc"), ("removed piece", remove_piece, "piece_")];
/// The content of these files is repeated by the pieces that a stopped round had begun ahead, too.
const STOPPED_AND_HARMLESS: [Damage; 2] = [
    ("emptied infos", empty_infos, "tenant_archive_piece_infos.obarc"),
    ("exchanged infos of two pieces", exchange_single_infos, "single_piece_info.obarc"),
];

struct Bed<'a> {
    cluster: &'a Cluster,
    data: PathBuf,
    archive: PathBuf,
}

impl Bed<'_> {
    /// Damages a copy, and looks at the report.
    fn check(&self, state: &str, (what, damage, named): Damage) {
        let name = format!("{state}_{}", what.replace(' ', "_"));
        let copy = self.cluster.dir(&name);
        medium::copy(&self.archive, &copy);
        let sound_end = window_end(&self.data, &copy);
        damage(&copy);
        let refused = self.cluster.sql_refused(&restore(&name, &self.data, &copy, ""));
        refused.is(CORRUPT, &["cannot be restored to its end", named]);
        let reach = until(&refused.text);
        assert!(reach < sound_end, "{name}: {}", refused.text);
        assert_eq!(window_end(&self.data, &copy), reach, "{name}");
        self.restored(&name, &copy, &format!("UNTIL SCN = {reach}"));
    }

    /// Hurts a copy that all the same is restored to its end.
    fn check_harmless(&self, (what, damage, named): Damage) {
        let name = format!("harmless_{}", what.replace(' ', "_"));
        let copy = self.cluster.dir(&name);
        medium::copy(&self.archive, &copy);
        let sound_end = window_end(&self.data, &copy);
        damage(&copy);
        assert_eq!(window_end(&self.data, &copy), sound_end, "{name}");
        self.restored(&name, &copy, "");
        let verify = support::strandline(&["verify", &uri(&copy)]);
        let message = String::from_utf8_lossy(&verify.stdout).into_owned();
        assert!(!verify.status.success() && message.contains(named), "{name}: {message}");
    }

    fn restored(&self, name: &str, archive: &Path, until: &str) {
        self.cluster.sql(&restore(name, &self.data, archive, until));
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{name}'");
        let job = wait(&format!("the restore {name}"), || self.cluster.rows(&history).pop());
        assert!(text(&job, "STATUS").ends_with("SUCCESS"), "{name}: {job}");
        assert_eq!(self.cluster.get(name, "first").trim(), "value");
        self.cluster.sql(&format!("DROP TENANT {name}"));
    }
}

#[test]
fn a_restore_to_an_end_that_damage_hides_is_refused_with_the_moment_that_can_be_reached() {
    let cluster = Cluster::shared();
    let id = cluster.tenant("t1", 1);
    let (data, archive) = (cluster.dir("data"), cluster.dir("archive"));
    cluster.set_data_dest("t1", &data);
    let location = format!("LOCATION={} PIECE_SWITCH_INTERVAL=2s", uri(&archive));
    cluster.sql(&format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = '{location}' TENANT = t1"));
    cluster.archive("t1", id);
    assert_eq!(text(&cluster.back_up("t1", id), "STATUS"), "COMPLETED");
    let begin = cluster.put("t1", "k", "1");
    let three_pieces = 6_000_000_000;
    let last = wait("log of three pieces", || Some(cluster.put("t1", "k", "2")).filter(|s| *s > begin + three_pieces));
    cluster.wait_until_archived(id, last);

    let growing = cluster.dir("growing");
    medium::copy(&archive, &growing);
    let bed = Bed { cluster, data: data.clone(), archive: growing };
    bed.restored("sound", &bed.archive, "");
    GROWING.into_iter().for_each(|damage| bed.check("growing", damage));

    // A name is not believed: the end is that of the log.
    let copy = cluster.dir("stray_checkpoint");
    medium::copy(&bed.archive, &copy);
    let end = window_end(&data, &copy);
    std::fs::write(newest(&copy).join("checkpoint/checkpoint.1893456000000000000.obarc"), b"").unwrap();
    assert_eq!(window_end(&data, &copy), end);
    bed.restored("stray_checkpoint", &copy, "");

    cluster.sql("ALTER SYSTEM NOARCHIVELOG TENANT = t1");
    wait("the round ends", || (text(&cluster.round(id), "STATUS") == "STOP").then_some(()));
    let bed = Bed { cluster, data, archive };
    bed.restored("stopped_sound", &bed.archive, "");
    STOPPED.into_iter().for_each(|damage| bed.check("stopped", damage));
    STOPPED_AND_HARMLESS.into_iter().for_each(|damage| bed.check_harmless(damage));
}
