//! No write reaches a directory that is not, or not any more, the destination that the writer means.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::FileMedium;
use crate::identity::{DestType, Identity};
use std::path::{Path, PathBuf};
use strandline_types::Scn;

fn owner(tenant: u64) -> DestOwner {
    DestOwner { cluster_id: ClusterId(7), tenant_id: TenantId(tenant), dest_id: DestId(1001) }
}

async fn claim(root: &Path, tenant: u64) -> Arc<dyn Medium> {
    let medium: Arc<dyn Medium> = Arc::new(FileMedium::new(root.to_str().unwrap()));
    let identity = Identity {
        cluster_name: "c".into(),
        tenant_name: "t".into(),
        cluster_id: ClusterId(7),
        tenant_id: TenantId(tenant),
        dest_id: DestId(1001),
        dest_type: DestType::Archive,
    };
    identity::claim(&*medium, &identity, Scn(1)).await.unwrap();
    medium
}

/// Everything below a directory, so that nothing that was written can hide.
fn everything(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every call that changes something, and the code that it is refused with; 0 = it passed.
async fn every_write(medium: &dyn Medium) -> Vec<(&'static str, i32)> {
    fn code<T>(outcome: Result<T, MediaError>) -> i32 {
        match outcome {
            Ok(_) => 0,
            Err(e) if e.code == 0 => e.class.number().try_into().unwrap(),
            Err(e) => e.code,
        }
    }
    let data = Bytes::from_static(b"bytes");
    let left = Unfinished { path: "a/left".into(), id: "none".into(), started_ms: 0 };
    let copied = medium.copy("format.obbak", "a/copy").await;
    vec![
        ("put", code(medium.put("a/put", data.clone()).await)),
        ("put_if_absent", code(medium.put_if_absent("a/absent", data.clone()).await)),
        ("append", code(medium.append("a/log", 0, data.clone()).await)),
        ("writer", code(medium.open_writer("a/big").await)),
        ("copy", code(copied)),
        ("delete", code(medium.delete("a/put").await)),
        ("prune", code(medium.prune("b").await)),
        ("abort", code(medium.abort(&left).await)),
        ("prove", code(medium.prove().await)),
    ]
}

#[tokio::test]
async fn what_was_opened_to_be_read_takes_no_write() {
    let dir = tempfile::tempdir().unwrap();
    let medium = Guarded::new(claim(dir.path(), 1002).await, Right::Read);
    let before = everything(dir.path());
    let refused = i32::try_from(ErrorClass::Invalid.number()).unwrap();
    for (call, code) in every_write(&medium).await {
        assert_eq!(code, refused, "{call}");
    }
    assert_eq!(everything(dir.path()), before);
    assert!(identity::read(&medium).await.unwrap().is_some());
}

#[tokio::test]
async fn the_owner_writes_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let inner = claim(dir.path(), 1002).await;
    let ours = Guarded::new(Arc::clone(&inner), Right::Write(owner(1002)));
    for (call, code) in every_write(&ours).await {
        // There is nothing to abort and nothing to prune.
        assert!(code == 0 || matches!(call, "abort" | "prune"), "{call}: {code}");
    }
    let before = everything(dir.path());
    let theirs = Guarded::new(inner, Right::Write(owner(1003)));
    for (call, code) in every_write(&theirs).await {
        assert_eq!(code, CODE_FORMAT_MISMATCH, "{call}");
    }
    assert_eq!(everything(dir.path()), before);
}

#[tokio::test]
async fn nothing_is_written_below_a_mount_point_without_its_mount_nor_into_another_destination_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mounted, away, other) = (dir.path().join("mnt"), dir.path().join("away"), dir.path().join("other"));
    for path in [&mounted, &other] {
        std::fs::create_dir(path).unwrap();
    }
    claim(&other, 1003).await;
    let medium = Guarded::new(claim(&mounted, 1002).await, Right::Write(owner(1002)));
    medium.put("a/first", Bytes::from_static(b"1")).await.unwrap();
    let half_done = medium.open_writer("a/half").await.unwrap();

    std::fs::rename(&mounted, &away).unwrap();
    std::fs::create_dir(&mounted).unwrap();
    for (call, code) in every_write(&medium).await {
        assert_eq!(code, CODE_FORMAT_MISSING, "{call}");
    }
    assert_eq!(half_done.finish().await.unwrap_err().code, CODE_FORMAT_MISSING);
    assert_eq!(everything(&mounted), Vec::<PathBuf>::new());

    std::fs::remove_dir(&mounted).unwrap();
    std::fs::rename(&other, &mounted).unwrap();
    let before = everything(&mounted);
    for (call, code) in every_write(&medium).await {
        assert_eq!(code, CODE_FORMAT_MISMATCH, "{call}");
    }
    assert_eq!(everything(&mounted), before);

    std::fs::rename(&mounted, &other).unwrap();
    std::fs::rename(&away, &mounted).unwrap();
    medium.put("a/second", Bytes::from_static(b"2")).await.unwrap();
}

/// A medium that goes away between the question whose it is and the write.
#[derive(Debug)]
struct Vanishes {
    inner: FileMedium,
    here: PathBuf,
    away: PathBuf,
}

#[async_trait]
impl Medium for Vanishes {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.inner.put(path, data).await
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.inner.put_if_absent(path, data).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.inner.get(path).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.inner.get_range(path, range).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.inner.head(path).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.inner.list(dir).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.inner.survey(dir).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.inner.list_dirs(dir).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.inner.delete(path).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        std::fs::rename(&self.here, &self.away).unwrap();
        self.inner.append(path, at, data).await
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        self.inner.open_writer(path).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.inner.unfinished().await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.inner.abort(unfinished).await
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

#[tokio::test]
async fn an_append_under_which_the_destination_goes_away_says_so_and_nothing_of_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let (here, away) = (dir.path().join("mnt"), dir.path().join("away"));
    std::fs::create_dir(&here).unwrap();
    claim(&here, 1002).await.append("a/log", 0, Bytes::from_static(b"first")).await.unwrap();
    let inner = FileMedium::new(here.to_str().unwrap());
    let vanishes = Vanishes { inner, here: here.clone(), away: away.clone() };
    let medium = Guarded::new(Arc::new(vanishes), Right::Write(owner(1002)));
    let told = medium.append("a/log", 5, Bytes::from_static(b"second")).await.unwrap_err();
    assert_eq!((told.class, told.code), (ErrorClass::NotFound, CODE_FORMAT_MISSING), "{told}");
    assert!(told.to_string().contains("not mounted, or was emptied"), "{told}");

    // A destination that is there and lacks the bytes keeps its own words.
    std::fs::rename(&away, &here).unwrap();
    let plain = Guarded::new(Arc::new(FileMedium::new(here.to_str().unwrap())), Right::Write(owner(1002)));
    let told = plain.append("a/log", 9, Bytes::from_static(b"third")).await.unwrap_err();
    assert!(told.to_string().contains("would leave a hole"), "{told}");
}
