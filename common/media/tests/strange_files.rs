//! What lies in a directory that is a destination and is no object: nothing of it hides an object, and nothing is waited for.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use bytes::Bytes;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use strandline_media::{FileMedium, Medium};
use strandline_types::ErrorClass;

/// A reader of a pipe without a writer waits for ever.
const AT_ONCE: Duration = Duration::from_secs(20);

fn medium(dir: &Path) -> Arc<dyn Medium> {
    Arc::new(FileMedium::new(dir.to_str().unwrap()))
}

fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_ONCE, what).await.expect("it waits for the other end of a pipe")
}

/// One object and every stray thing that a directory can hold.
fn strange(root: &Path) {
    std::fs::create_dir_all(root.join("sub/dir")).unwrap();
    std::fs::write(root.join("sub/object"), b"here").unwrap();
    for dir in ["", "sub"] {
        std::fs::write(root.join(dir).join(OsStr::from_bytes(b"caf\xe9")), b"x").unwrap();
    }
    std::fs::create_dir(root.join(OsStr::from_bytes(b"d\xe9r"))).unwrap();
    pipe(&root.join("sub/pipe"));
    symlink("pipe", root.join("sub/to_pipe")).unwrap();
    symlink("itself", root.join("itself")).unwrap();
    symlink("..", root.join("sub/up")).unwrap();
    symlink("nowhere", root.join("sub/dangling")).unwrap();
    symlink("/dev/null", root.join("sub/null")).unwrap();
    // Of what is behind a link, objects are objects.
    symlink("object", root.join("sub/linked")).unwrap();
}

#[tokio::test]
async fn a_listing_shows_every_object_beside_whatever_lies_there() {
    let dir = tempfile::tempdir().unwrap();
    strange(dir.path());
    let _socket = UnixListener::bind(dir.path().join("sub/socket")).unwrap();
    let m = medium(dir.path());
    for at in ["", "sub"] {
        let listed = in_time(m.list(at)).await.unwrap();
        let paths: Vec<&str> = listed.iter().map(|o| o.path.as_str()).collect();
        assert_eq!(paths, ["sub/linked", "sub/object"], "below '{at}'");
        assert!(listed.iter().all(|o| o.bytes == 4));
    }
    assert_eq!(m.list_dirs("").await.unwrap(), ["sub"]);
    let found = m.survey("").await.unwrap();
    assert_eq!(found.objects.len(), 2);
    for (path, word) in [
        ("caf\u{fffd}", "UTF-8"),
        ("itself", "followed"),
        ("sub/dangling", "followed"),
        ("sub/null", "a device"),
        ("sub/pipe", "a named pipe"),
        ("sub/socket", "a socket"),
        ("sub/to_pipe", "a named pipe"),
        ("sub/up", "a directory above it"),
    ] {
        let stray = found.strays.iter().find(|s| s.path == path).unwrap_or_else(|| panic!("{path} is not named"));
        assert!(stray.what.contains(word) && !stray.hides, "{stray:?}");
    }
}

#[tokio::test]
async fn a_pipe_a_socket_and_a_device_in_the_place_of_an_object_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    strange(dir.path());
    let m = medium(dir.path());
    for (path, word) in [("sub/pipe", "named pipe"), ("sub/to_pipe", "named pipe"), ("sub/null", "device")] {
        let data = Bytes::from_static(b"ours");
        let refusals = [
            in_time(m.get(path)).await.unwrap_err(),
            in_time(m.get_range(path, 0..1)).await.unwrap_err(),
            in_time(m.head(path)).await.unwrap_err(),
            in_time(m.put(path, data.clone())).await.unwrap_err(),
        ];
        for e in refusals {
            assert!(e.class == ErrorClass::Invalid && e.reason.contains(word), "{path}: {e}");
        }
    }
    let e = m.get("itself").await.unwrap_err();
    assert_eq!(e.class, ErrorClass::Invalid, "a link in a circle does not pass by itself: {e}");
    assert!(m.get("sub/dir").await.unwrap_err().is_not_found(), "a directory is no object");
    assert_eq!(m.get("sub/object").await.unwrap(), "here");
}
