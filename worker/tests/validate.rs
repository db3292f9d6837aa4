//! Validation as a task: orders that make no sense are refused before anything is read.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::sync::Arc;
use strandline_proto::v1::ValidateSpec;
use strandline_types::ErrorClass;
use strandline_worker::validate::run_validate;
use support::{FakeEngine, task_ctx};

#[tokio::test]
async fn an_order_without_a_level_or_without_an_object_is_refused() {
    let ctx = task_ctx(&Arc::new(FakeEngine::default()), std::path::Path::new("/nowhere"));
    let spec = ValidateSpec { uri: "mem://nothing-to-validate".into(), level: 2, ..Default::default() };
    let nothing = run_validate(&ctx, &spec).await.unwrap_err();
    assert_eq!(nothing.class, ErrorClass::Invalid, "{nothing}");
    let deep = run_validate(&ctx, &ValidateSpec { backup_set_id: 1, level: 7, ..spec }).await.unwrap_err();
    assert_eq!(deep.class, ErrorClass::Invalid, "{deep}");
    assert!(deep.what.contains('7') && !deep.todo.is_empty(), "{deep}");
}
