//! Files that are none of ours, files that may not be read, and things that are no files, in destinations: what is not
//! needed hides nothing, what is needed is named, and nothing waits.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use support::{Cluster, medium, restore, strandline, text, uri, wait};

const SOUND: i32 = 0;
const NOT_ALL_SEEN: i32 = 1;
const DAMAGED: i32 = 3;
const FOREIGN_FILES: i32 = 5;
const INVALID: i32 = 10;
/// A user without any right of its own.
const NOBODY_UID: u32 = 65_534;
/// What backup programs, desktops and file systems leave behind.
const EXTRAS: [&str; 6] =
    [".DS_Store", "notes.txt~", ".nfs000000000001", ".1.obarc.Xa8f2K", ".snapshot/old", "lost+found/x"];

/// A tenant with a backup and an archive that grows; copies of both, and the cluster that they are of.
struct Bed {
    cluster: &'static Cluster,
    data: PathBuf,
    archive: PathBuf,
}

fn bed() -> &'static Bed {
    static BED: std::sync::OnceLock<Bed> = std::sync::OnceLock::new();
    BED.get_or_init(|| {
        let cluster = Cluster::shared();
        let id = cluster.tenant("t1", 1);
        let (data, archive) = (cluster.dir("live/data"), cluster.dir("live/archive"));
        cluster.set_data_dest("t1", &data);
        cluster.set_archive_dest("t1", &archive);
        cluster.archive("t1", id);
        assert_eq!(text(&cluster.back_up("t1", id), "STATUS"), "COMPLETED");
        cluster.wait_until_archived(id, cluster.put("t1", "k", "2"));
        let (d, a) = (cluster.dir("kept/data"), cluster.dir("kept/archive"));
        medium::copy(&data, &d);
        medium::copy(&archive, &a);
        Bed { cluster, data: d, archive: a }
    })
}

impl Bed {
    /// A copy of both destinations.
    fn copy(&self, name: &str) -> (PathBuf, PathBuf) {
        let (data, archive) = (self.cluster.dir(&format!("{name}/data")), self.cluster.dir(&format!("{name}/archive")));
        medium::copy(&self.data, &data);
        medium::copy(&self.archive, &archive);
        (data, archive)
    }

    fn restores(&self, name: &str, (data, archive): &(PathBuf, PathBuf)) {
        self.cluster.sql(&restore(name, data, archive, ""));
        let history = format!("SELECT * FROM CDB_OB_RESTORE_HISTORY WHERE RESTORE_TENANT_NAME = '{name}'");
        let job = wait(&format!("the restore {name}"), || self.cluster.rows(&history).pop());
        assert!(text(&job, "STATUS").ends_with("SUCCESS"), "{name}: {job}");
        assert_eq!(self.cluster.get(name, "k").trim(), "2");
        self.cluster.sql(&format!("DROP TENANT {name}"));
    }
}

fn verify(dest: &Path) -> (i32, String) {
    message(&strandline(&["verify", &uri(dest)]))
}

fn message(output: &Output) -> (i32, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn intervals(output: &Output) -> usize {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let window: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    window["intervals"].as_array().unwrap().len()
}

fn window((data, archive): &(PathBuf, PathBuf)) -> Output {
    strandline(&["window", "--json", &uri(data), &uri(archive)])
}

/// Every directory of a destination.
fn dirs(root: &Path) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    let mut at = 0;
    while at < found.len() {
        let below = std::fs::read_dir(&found[at]).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
        let below: Vec<PathBuf> = below.collect();
        found.extend(below);
        at += 1;
    }
    found
}

#[test]
fn a_sound_destination_with_files_of_others_in_every_folder_is_sound_and_says_so_apart() {
    let bed = bed();
    let both = bed.copy("extras");
    for dest in [&both.0, &both.1] {
        assert_eq!(verify(dest).0, SOUND);
        for dir in dirs(dest) {
            for extra in EXTRAS {
                let path = dir.join(extra);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, b"not ours").unwrap();
            }
            std::fs::write(dir.join(OsStr::from_bytes(b"caf\xe9")), b"not ours").unwrap();
            symlink("circle", dir.join("circle")).unwrap();
        }
        let (code, text) = verify(dest);
        assert!(
            code == FOREIGN_FILES && text.contains("sound, with") && text.contains("foreign file"),
            "{code}: {text}"
        );
        assert!(text.contains(".DS_Store") && text.contains("not UTF-8") && text.contains("circle"), "{text}");
    }
    assert_eq!(intervals(&window(&both)), 1);
    bed.restores("extras", &both);
    // Damage stays damage.
    std::fs::remove_file(both.0.join("backup_set_1_full/infos/locality_info.obbak")).unwrap();
    let (code, text) = verify(&both.0);
    assert!(code == DAMAGED && text.contains("locality_info.obbak") && text.contains(".DS_Store"), "{code}: {text}");
}

#[test]
fn very_many_strange_names_are_named_and_hide_nothing() {
    let bed = bed();
    let both = bed.copy("many");
    for n in 0..10_000 {
        std::fs::write(both.1.join(format!("pieces/stray{n}")), b"").unwrap();
    }
    let (code, text) = verify(&both.1);
    assert!(code == FOREIGN_FILES && text.contains("sound, with 10000 foreign files"), "{code}");
    assert_eq!(intervals(&window(&both)), 1);
}

#[test]
fn a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for() {
    let bed = bed();
    let both = bed.copy("pipe");
    let format = both.0.join("format.obbak");
    std::fs::remove_file(&format).unwrap();
    assert!(Command::new("mkfifo").arg(&format).status().unwrap().success());
    bed.cluster.sql_refused(&restore("pipe", &both.0, &both.1, "")).is(INVALID, &["a named pipe", "format.obbak"]);
    let (code, text) = verify(&both.0);
    assert!(code == DAMAGED && text.contains("format.obbak") && text.contains("a named pipe"), "{code}: {text}");
}

/// Runs a command as somebody without the rights of root. `program`: where everybody may run it.
fn without_rights(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_remove("STRANDLINE_ENDPOINTS").env_remove("STRANDLINE_DEV_DIR").stdin(Stdio::null());
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY_UID).gid(NOBODY_UID);
    }
    command.output().unwrap()
}

#[test]
fn what_may_not_be_read_is_named_and_everything_else_is_looked_at() {
    let bed = bed();
    let both = bed.copy("rights");
    // Everybody may come as far as to the copy; what lies above the directories of this test is not ours.
    let scratch = bed.cluster.dir("");
    for dir in both.0.ancestors().take_while(|d| d.starts_with(&scratch)) {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let program = scratch.join("strandline");
    std::fs::copy(env!("CARGO_BIN_EXE_strandline"), &program).unwrap();
    mode(&program, 0o755);
    let look = |dest: &Path| message(&without_rights(&program, &["verify", &uri(dest)]));
    let (code, text) = look(&both.0);
    assert_eq!(code, SOUND, "{text}");
    for (dest, path) in [
        (&both.0, "format.obbak"),
        (&both.0, "backup_set_1_full/single_backup_set_info.obbak"),
        (&both.0, "backup_set_1_full/infos"),
        (&both.0, "backup_sets"),
        (&both.1, "pieces"),
        (&both.1, "rounds"),
    ] {
        let at = dest.join(path);
        let before = std::fs::metadata(&at).unwrap().permissions().mode();
        mode(&at, 0);
        std::fs::write(dest.join("check_file_of_mine"), b"x").unwrap();
        let (code, text) = look(dest);
        assert_eq!(code, NOT_ALL_SEEN, "{path}: {text}");
        assert!(text.contains(path) && text.contains("unreadable"), "{path}: {text}");
        assert!(text.contains("check_file_of_mine"), "{path}: the rest is looked at: {text}");
        let output = without_rights(&program, &["window", "--json", &uri(&both.0), &uri(&both.1)]);
        let (code, text) = message(&output);
        assert!(text.contains(path.rsplit('/').next().unwrap()), "{path}: window names it: {text}");
        // Without its placeholders a frozen piece is looked at instead; of whom a destination is, only one file tells.
        match path {
            "pieces" => assert_eq!(intervals(&output), 1, "{text}"),
            "format.obbak" => assert_eq!(code, 12, "{text}"),
            _ => assert_eq!(code, SOUND, "{path}: {text}"),
        }
        std::fs::remove_file(dest.join("check_file_of_mine")).unwrap();
        mode(&at, before & 0o777);
    }
}
