//! Cleaning: everything below the directories and nothing beside them, again and again.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use bytes::Bytes;
use std::sync::Arc;
use strandline_media::{Medium, MemoryMedium};
use strandline_proto::v1::{CleanResult, CleanSpec};
use strandline_types::{ErrorClass, Failure};
use strandline_worker::clean::run_clean;
use strandline_worker::task_ctx::TaskCtx;
use support::{FakeEngine, task_ctx};

async fn run(ctx: &TaskCtx, directories: &[&str]) -> Result<CleanResult, Failure> {
    let directories = directories.iter().map(|d| (*d).to_owned()).collect();
    run_clean(ctx, &CleanSpec { uri: "mem://cleaning".into(), access: String::new(), directories, owner: None }).await
}

#[tokio::test]
async fn exactly_what_lies_below_the_directories_goes_and_a_second_run_finds_nothing() {
    let medium = MemoryMedium::named("cleaning");
    for n in 0..100 {
        medium.put(&format!("set_1/logstream_1/a/{n}"), Bytes::from(vec![1; 10])).await.unwrap();
        medium.put(&format!("set_1/logstream_10/{n}"), Bytes::from(vec![1; 10])).await.unwrap();
    }
    medium.put("set_1/infos/x", Bytes::from_static(b"xx")).await.unwrap();
    let ctx = task_ctx(&Arc::new(FakeEngine::default()), std::path::Path::new("/nowhere"));
    let done = run(&ctx, &["set_1/logstream_1", "set_1/infos"]).await.unwrap();
    assert_eq!((done.objects, done.bytes), (101, 1002));
    assert_eq!((ctx.progress.done(), ctx.progress.total()), (1002, 1002));
    let left = medium.list("").await.unwrap();
    assert_eq!(left.len(), 100);
    assert!(left.iter().all(|o| o.path.starts_with("set_1/logstream_10/")));
    assert_eq!(run(&ctx, &["set_1/logstream_1"]).await.unwrap().objects, 0);
    for root in ["", "/"] {
        assert_eq!(run(&ctx, &[root]).await.unwrap_err().class, ErrorClass::Invalid);
    }
    assert_eq!(medium.list("").await.unwrap().len(), 100);
}
