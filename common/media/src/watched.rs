//! Notes every call on a medium while it is under way, so that the waiting job can report it ([`Waits`]).
//!
//! It must never change an outcome.

use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished, Waits};
use async_trait::async_trait;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// A medium whose calls are noted.
#[derive(Debug)]
pub struct Watched {
    inner: Arc<dyn Medium>,
    uri: Arc<str>,
    waits: Arc<Waits>,
}

impl Watched {
    /// Notes the calls on `inner` in `waits`.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>, waits: Arc<Waits>) -> Self {
        let uri = inner.uri().into();
        Self { inner, uri, waits }
    }

    async fn noted<T>(
        &self,
        op: Op,
        path: &str,
        call: impl Future<Output = Result<T, MediaError>>,
    ) -> Result<T, MediaError> {
        let waiting = self.waits.call(op, &self.uri, path);
        waiting.end(call.await)
    }
}

#[async_trait]
impl Medium for Watched {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.noted(Op::Put, path, self.inner.put(path, data)).await
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.noted(Op::Put, path, self.inner.put_if_absent(path, data)).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        self.noted(Op::Get, path, self.inner.get(path)).await
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        self.noted(Op::Get, path, self.inner.get_range(path, range)).await
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.noted(Op::Head, path, self.inner.head(path)).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        self.noted(Op::List, dir, self.inner.list(dir)).await
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        self.noted(Op::List, dir, self.inner.survey(dir)).await
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        self.noted(Op::List, dir, self.inner.list_dirs(dir)).await
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.noted(Op::Delete, path, self.inner.delete(path)).await
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        self.noted(Op::Delete, path, self.inner.tag(path)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        self.noted(Op::Copy, to, self.inner.copy(from, to)).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.noted(Op::List, "", self.inner.unfinished()).await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.noted(Op::Abort, &unfinished.path, self.inner.abort(unfinished)).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        let waiting = self.waits.call(Op::Open, &self.uri, "");
        match self.inner.prove().await {
            // Known from before, or from no call: the destination need not have answered for it.
            Ok(()) => Ok(()),
            refused => waiting.end(refused),
        }
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.noted(Op::Delete, dir, self.inner.prune(dir)).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        self.noted(Op::Append, path, self.inner.append(path, at, data)).await
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        let inner = self.noted(Op::Write, path, self.inner.open_writer(path)).await?;
        let (uri, waits) = (Arc::clone(&self.uri), Arc::clone(&self.waits));
        Ok(Box::new(WatchedWriter { inner, path: path.to_owned(), uri, waits }))
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

#[derive(Debug)]
struct WatchedWriter {
    inner: Box<dyn ObjectWriter>,
    path: String,
    uri: Arc<str>,
    waits: Arc<Waits>,
}

#[async_trait]
impl ObjectWriter for WatchedWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        let waiting = self.waits.call(Op::Write, &self.uri, &self.path);
        waiting.end(self.inner.write(data).await)
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        let waiting = self.waits.call(Op::Write, &self.uri, &self.path);
        waiting.end(self.inner.finish().await)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Fault, FaultPlan, FaultRule, Faulty, MemoryMedium};
    use std::time::Duration;
    use strandline_types::ErrorClass;
    use strandline_types::limits::MEDIUM_SILENT_MS;

    fn watched(fault: Fault, times: u32) -> (Watched, Arc<Waits>, FaultPlan) {
        let (plan, waits) = (FaultPlan::new(1), Arc::<Waits>::default());
        plan.add(FaultRule { op: None, path_part: "x".to_owned(), skip: 0, times, fault });
        let faulty = Faulty::new(Arc::new(MemoryMedium::new("watched")), plan.clone());
        (Watched::new(Arc::new(faulty), Arc::clone(&waits)), waits, plan)
    }

    /// What is told once it is, with the time that it took.
    async fn told(waits: &Waits) -> (String, Duration) {
        let deadline = std::time::Instant::now() + Duration::from_millis(4 * MEDIUM_SILENT_MS);
        loop {
            if let Some((failure, lasted)) = waits.told() {
                return (failure.to_string(), lasted);
            }
            assert!(std::time::Instant::now() < deadline, "nothing is told");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_call_that_hangs_is_told_with_its_object_until_it_is_answered() {
        let (medium, waits, plan) = watched(Fault::Hang, 1);
        let call = tokio::spawn(async move { medium.put("a/x", Bytes::from_static(b"1")).await });
        let (text, lasted) = told(&waits).await;
        assert!(text.contains("does not answer (put)") && text.contains("/a/x"), "{text}");
        assert!(lasted >= Duration::from_millis(MEDIUM_SILENT_MS) && !waits.has_answered());
        plan.heal();
        call.await.unwrap().unwrap();
        assert!(waits.told().is_none() && waits.has_answered());
    }

    #[tokio::test]
    async fn what_lies_there_and_is_no_object_is_passed_on() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("circle", dir.path().join("circle")).unwrap();
        let medium = crate::open(&format!("file://{}", dir.path().display())).unwrap();
        let waits = Arc::<Waits>::default();
        let survey = Watched::new(medium, Arc::clone(&waits)).survey("").await.unwrap();
        assert!(survey.strays.iter().any(|stray| stray.path == "circle"), "{:?}", survey.strays);
        assert!(waits.has_answered());
    }

    #[tokio::test]
    async fn a_trouble_lasts_over_all_tries_until_one_is_answered() {
        let (medium, waits, _) = watched(Fault::Refuse(ErrorClass::Transient), 2);
        let mut lasted = Duration::ZERO;
        for _ in 0..2 {
            assert!(medium.head("x").await.is_err());
            let (text, now) = told(&waits).await;
            assert!(text.contains("injected fault") && now >= lasted, "{text}");
            lasted = now;
        }
        // That an object is missing is an answer.
        assert_eq!(medium.head("x").await.unwrap_err().class, ErrorClass::NotFound);
        assert!(waits.told().is_none() && waits.has_answered());
    }

    #[tokio::test]
    async fn a_proof_that_asks_nobody_is_no_answer() {
        let (medium, waits, _) = watched(Fault::Hang, u32::MAX);
        medium.prove().await.unwrap();
        assert!(!waits.has_answered() && waits.told().is_none());
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_is_waited_for_no_more() {
        let (medium, waits, _) = watched(Fault::Hang, 1);
        let call = tokio::spawn(async move { medium.get("x").await });
        told(&waits).await;
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert!(waits.told().is_none() && !waits.has_answered());
    }
}
