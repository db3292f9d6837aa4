//! Makes a medium fail on purpose, for tests and simulations.
//!
//! Faults come from a script of rules and from a probability with a seeded generator; the same seed and the same
//! calls fail the same way. A *lost reply* does the write and then says that it failed; a *torn* append writes only a
//! part first. Answers can be wrong without an error, too: a changed bit, an end that is missing.

use crate::{Listed, LogForm, MediaError, Medium, ObjectWriter, Op, PutOutcome, Survey, Unfinished};
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use strandline_types::ErrorClass;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is done; an error of this class comes back.
    Refuse(ErrorClass),
    /// The call is done, durably; the caller is told `Transient`.
    LostReply,
    /// An append writes this many bytes and then fails as `Transient`; other calls are refused as `Transient`.
    Torn(usize),
    /// The call does not answer until the plan is healed; then it is done.
    Hang,
    /// The answer to a read has this bit changed (counted from its start, and over again when it is shorter).
    Flip(u64),
    /// The answer to a read lacks so many bytes at its end, that to a listing so many objects; no error shows it.
    Short(usize),
}

impl Fault {
    /// The answer to a read.
    fn spoil(self, answer: Bytes) -> Bytes {
        match self {
            Self::Flip(bit) if !answer.is_empty() => {
                let mut bytes = answer.to_vec();
                let at = bit % (bytes.len() as u64 * 8);
                bytes[(at / 8) as usize] ^= 1 << (at % 8);
                bytes.into()
            }
            Self::Short(by) => answer.slice(..answer.len().saturating_sub(by)),
            _ => answer,
        }
    }
}

/// One line of a script: which calls fail, and how often.
#[derive(Clone, Debug)]
pub struct FaultRule {
    /// Only this operation; `None` = every one.
    pub op: Option<Op>,
    /// Only paths that contain this text.
    pub path_part: String,
    /// So many matching calls go well first.
    pub skip: u32,
    /// So many fail then.
    pub times: u32,
    /// How.
    pub fault: Fault,
}

#[derive(Debug)]
struct Script {
    rules: Vec<FaultRule>,
    rng: StdRng,
    probability: f64,
    delay: Duration,
    injected: u64,
}

/// The switchboard of one [`Faulty`] medium; cloned handles share it.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    script: Arc<Mutex<Script>>,
}

impl FaultPlan {
    /// No rules, no chance faults; `seed` feeds later chance faults.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self {
            script: Arc::new(Mutex::new(Script {
                rules: Vec::new(),
                rng,
                probability: 0.0,
                delay: Duration::ZERO,
                injected: 0,
            })),
        }
    }

    /// Adds a rule behind the ones that are there.
    pub fn add(&self, rule: FaultRule) {
        self.script().rules.push(rule);
    }

    /// From now on every call fails with this probability, as a refusal, a lost reply or a torn append.
    pub fn set_probability(&self, probability: f64) {
        self.script().probability = probability.clamp(0.0, 1.0);
    }

    /// From now on every call takes a random time up to this before it is done.
    pub fn set_delay(&self, most: Duration) {
        self.script().delay = most;
    }

    /// Forgets rules and probability: the medium is healthy.
    pub fn heal(&self) {
        let mut script = self.script();
        script.rules.clear();
        script.probability = 0.0;
    }

    /// Faults so far.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.script().injected
    }

    async fn delayed(&self) {
        let pause = {
            let mut script = self.script();
            let most = script.delay;
            if most.is_zero() { most } else { most.mul_f64(script.rng.random_range(0.0..1.0)) }
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits for [`FaultPlan::heal`].
    async fn healed(&self) {
        while !self.script().rules.is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    fn script(&self) -> parking_lot::MutexGuard<'_, Script> {
        self.script.lock()
    }

    fn draw(&self, op: Op, path: &str, bytes: usize) -> Option<Fault> {
        let mut script = self.script();
        let mut found = None;
        for rule in &mut script.rules {
            if rule.times == 0 || rule.op.is_some_and(|o| o != op) || !path.contains(&rule.path_part) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.times -= 1;
            found = Some(rule.fault);
            break;
        }
        let p = script.probability;
        if found.is_none() && p > 0.0 && script.rng.random_bool(p) {
            found = Some(match script.rng.random_range(0..3) {
                0 => Fault::Refuse(ErrorClass::Transient),
                1 => Fault::LostReply,
                _ => Fault::Torn(script.rng.random_range(0..=bytes)),
            });
        }
        script.injected += u64::from(found.is_some());
        found
    }
}

/// A medium that fails as its plan says.
#[derive(Debug)]
pub struct Faulty {
    inner: Arc<dyn Medium>,
    plan: FaultPlan,
}

impl Faulty {
    /// Lets calls on `inner` fail as `plan` says.
    #[must_use]
    pub fn new(inner: Arc<dyn Medium>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }

    fn error(&self, class: ErrorClass, op: Op, path: &str, reason: &str) -> MediaError {
        MediaError::new(class, op, &self.inner.uri(), path, reason)
    }

    async fn maybe<T>(
        &self,
        op: Op,
        path: &str,
        call: impl Future<Output = Result<T, MediaError>>,
    ) -> Result<T, MediaError> {
        self.with(self.plan.draw(op, path, 0), op, path, call).await
    }

    /// The call with a fault that was drawn for it; what it does to an answer is the caller's business.
    async fn with<T>(
        &self,
        fault: Option<Fault>,
        op: Op,
        path: &str,
        call: impl Future<Output = Result<T, MediaError>>,
    ) -> Result<T, MediaError> {
        self.plan.delayed().await;
        match fault {
            None | Some(Fault::Flip(_) | Fault::Short(_)) => call.await,
            Some(Fault::Hang) => {
                self.plan.healed().await;
                call.await
            }
            Some(Fault::Refuse(class)) => Err(self.error(class, op, path, "injected fault")),
            Some(Fault::Torn(_)) => Err(self.error(ErrorClass::Transient, op, path, "injected fault")),
            Some(Fault::LostReply) => {
                call.await?;
                Err(self.error(ErrorClass::Transient, op, path, "injected fault: the reply was lost"))
            }
        }
    }
}

#[async_trait]
impl Medium for Faulty {
    fn log_form(&self) -> LogForm {
        self.inner.log_form()
    }

    async fn put(&self, path: &str, data: Bytes) -> Result<(), MediaError> {
        self.maybe(Op::Put, path, self.inner.put(path, data)).await
    }

    async fn put_if_absent(&self, path: &str, data: Bytes) -> Result<PutOutcome, MediaError> {
        self.maybe(Op::Put, path, self.inner.put_if_absent(path, data)).await
    }

    async fn get(&self, path: &str) -> Result<Bytes, MediaError> {
        let fault = self.plan.draw(Op::Get, path, 0);
        let answer = self.with(fault, Op::Get, path, self.inner.get(path)).await?;
        Ok(if let Some(fault) = fault { fault.spoil(answer) } else { answer })
    }

    async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes, MediaError> {
        let fault = self.plan.draw(Op::Get, path, 0);
        let answer = self.with(fault, Op::Get, path, self.inner.get_range(path, range)).await?;
        match fault {
            // A medium promises exactly the range, and says so when it is not there.
            Some(Fault::Short(_)) => {
                Err(self.error(ErrorClass::Corrupt, Op::Get, path, "injected fault: it ends early"))
            }
            Some(fault) => Ok(fault.spoil(answer)),
            None => Ok(answer),
        }
    }

    async fn head(&self, path: &str) -> Result<u64, MediaError> {
        self.maybe(Op::Head, path, self.inner.head(path)).await
    }

    async fn list(&self, dir: &str) -> Result<Vec<Listed>, MediaError> {
        let fault = self.plan.draw(Op::List, dir, 0);
        let mut answer = self.with(fault, Op::List, dir, self.inner.list(dir)).await?;
        if let Some(Fault::Short(by)) = fault {
            answer.truncate(answer.len().saturating_sub(by));
        }
        Ok(answer)
    }

    async fn survey(&self, dir: &str) -> Result<Survey, MediaError> {
        let fault = self.plan.draw(Op::List, dir, 0);
        let mut answer = self.with(fault, Op::List, dir, self.inner.survey(dir)).await?;
        if let Some(Fault::Short(by)) = fault {
            answer.objects.truncate(answer.objects.len().saturating_sub(by));
        }
        Ok(answer)
    }

    async fn list_dirs(&self, dir: &str) -> Result<Vec<String>, MediaError> {
        let fault = self.plan.draw(Op::List, dir, 0);
        let mut answer = self.with(fault, Op::List, dir, self.inner.list_dirs(dir)).await?;
        if let Some(Fault::Short(by)) = fault {
            answer.truncate(answer.len().saturating_sub(by));
        }
        Ok(answer)
    }

    async fn delete(&self, path: &str) -> Result<(), MediaError> {
        self.maybe(Op::Delete, path, self.inner.delete(path)).await
    }

    async fn tag(&self, path: &str) -> Result<(), MediaError> {
        self.maybe(Op::Delete, path, self.inner.tag(path)).await
    }

    async fn copy(&self, from: &str, to: &str) -> Result<(), MediaError> {
        self.maybe(Op::Copy, to, self.inner.copy(from, to)).await
    }

    async fn unfinished(&self) -> Result<Vec<Unfinished>, MediaError> {
        self.maybe(Op::List, "", self.inner.unfinished()).await
    }

    async fn keeps_versions(&self) -> Option<bool> {
        self.inner.keeps_versions().await
    }

    async fn prove(&self) -> Result<(), MediaError> {
        self.inner.prove().await
    }

    async fn abort(&self, unfinished: &Unfinished) -> Result<(), MediaError> {
        self.maybe(Op::Abort, &unfinished.path, self.inner.abort(unfinished)).await
    }

    async fn prune(&self, dir: &str) -> Result<(), MediaError> {
        self.inner.prune(dir).await
    }

    async fn append(&self, path: &str, at: u64, data: Bytes) -> Result<u64, MediaError> {
        match self.plan.draw(Op::Append, path, data.len()) {
            None => self.inner.append(path, at, data).await,
            Some(Fault::Hang) => {
                self.plan.healed().await;
                self.inner.append(path, at, data).await
            }
            Some(Fault::Refuse(class)) => Err(self.error(class, Op::Append, path, "injected fault")),
            Some(Fault::Flip(_) | Fault::Short(_)) => self.inner.append(path, at, data).await,
            Some(fault) => {
                let done = if let Fault::Torn(n) = fault { n.min(data.len()) } else { data.len() };
                self.inner.append(path, at, data.slice(..done)).await?;
                let reason = format!("injected fault: the reply was lost after {done} bytes");
                Err(self.error(ErrorClass::Transient, Op::Append, path, &reason))
            }
        }
    }

    async fn open_writer(&self, path: &str) -> Result<Box<dyn ObjectWriter>, MediaError> {
        let inner = self.maybe(Op::Write, path, self.inner.open_writer(path)).await?;
        Ok(Box::new(FaultyWriter { inner, path: path.to_owned(), uri: self.inner.uri(), plan: self.plan.clone() }))
    }

    fn uri(&self) -> String {
        self.inner.uri()
    }
}

#[derive(Debug)]
struct FaultyWriter {
    inner: Box<dyn ObjectWriter>,
    path: String,
    uri: String,
    plan: FaultPlan,
}

impl FaultyWriter {
    /// How the next call fails, if it does. Borrows nothing: a writer need not be shared.
    fn drawn(&self) -> impl Future<Output = Option<MediaError>> + Send + use<> {
        let (plan, path, uri) = (self.plan.clone(), self.path.clone(), self.uri.clone());
        async move {
            let class = match plan.draw(Op::Write, &path, 0)? {
                Fault::Hang => {
                    plan.healed().await;
                    return None;
                }
                Fault::Refuse(class) => class,
                Fault::LostReply | Fault::Torn(_) => ErrorClass::Transient,
                Fault::Flip(_) | Fault::Short(_) => return None,
            };
            Some(MediaError::new(class, Op::Write, &uri, &path, "injected fault"))
        }
    }
}

#[async_trait]
impl ObjectWriter for FaultyWriter {
    async fn write(&mut self, data: Bytes) -> Result<(), MediaError> {
        match self.drawn().await {
            Some(e) => Err(e),
            None => self.inner.write(data).await,
        }
    }

    async fn finish(self: Box<Self>) -> Result<u64, MediaError> {
        match self.drawn().await {
            Some(e) => Err(e),
            None => self.inner.finish().await,
        }
    }
}
