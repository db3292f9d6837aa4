//! Runs statements for every door. Any node takes one; the leader serves it: a follower passes it on once.
//!
//! Statements are asynchronous as in the original: they return when the command is applied, progress is in the views.

mod archive;
mod backup;
mod catalog;
mod clean;
mod destinations;
pub mod forward;
mod reads;
mod recover_table;
pub(crate) mod restore;
mod standby;
mod statements;
mod tenants;
mod validate;

pub use statements::jobs_named;

use crate::node::SchedulerNode;
use crate::session::Session;
use crate::sql::parse::parse;
use crate::sql::request::{AdminRequest, Show};
use crate::sql::select::Rows;
use crate::sql::variables;
use std::sync::Arc;
use std::time::Duration;
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// A statement waits this long for a leader before it is refused.
const LEADER_WAIT: Duration = Duration::from_secs(5);

/// Reads that compute at once.
const READS_MAX: usize = 4;
/// Pause before a statement is passed on again.
const FORWARD_PAUSE: Duration = Duration::from_millis(50);
/// The original's number for "this server is not the leader".
const NOT_MASTER_CODE: i32 = -4038;

/// What a statement answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done; the text says what.
    Done(String),
    /// Rows.
    Rows(Rows),
}

/// Runs statements on one node.
pub struct Executor {
    node: Arc<SchedulerNode>,
    forward: forward::Forward,
    /// Statements that name a destination, one at a time: two of them must not look at one empty path together.
    destinations: Mutex<()>,
    /// Reads compute; more than this many at once would starve the loops of this process.
    reads: Semaphore,
}

impl Executor {
    /// For one node.
    pub fn new(node: Arc<SchedulerNode>) -> Arc<Self> {
        Arc::new(Self {
            node,
            forward: forward::Forward::default(),
            destinations: Mutex::new(()),
            reads: Semaphore::new(READS_MAX),
        })
    }

    /// The node.
    pub fn node(&self) -> &Arc<SchedulerNode> {
        &self.node
    }

    /// Runs a statement of a client.
    ///
    /// # Errors
    /// What was refused, on which object, and what to do.
    pub async fn execute(&self, statement: &str, session: &mut Session) -> Result<Answer, Failure> {
        self.run(statement, session, true).await
    }

    /// Runs a statement that another node has passed on: it is not passed on again.
    ///
    /// # Errors
    /// As [`Executor::execute`].
    pub async fn execute_forwarded(&self, statement: &str, session: &mut Session) -> Result<Answer, Failure> {
        self.run(statement, session, false).await
    }

    async fn run(&self, statement: &str, session: &mut Session, may_forward: bool) -> Result<Answer, Failure> {
        let request = parse(statement)?;
        match &request {
            AdminRequest::Nothing => return Ok(Answer::Done(String::new())),
            AdminRequest::Session(_) => {
                session.remember(statement)?;
                return Ok(Answer::Done("kept for this session".to_owned()));
            }
            AdminRequest::Show(Show::List { list, filter }) => {
                return reads::show(list, filter).await.map(Answer::Rows);
            }
            AdminRequest::Select(sql) => {
                if let Some(rows) = variables::answer(sql)? {
                    return Ok(Answer::Rows(rows));
                }
            }
            _ => {}
        }
        // Only what surely was not done is sent again: reads, and what the other node refused as no leader.
        let is_read =
            matches!(request, AdminRequest::Select(_) | AdminRequest::Show(_) | AdminRequest::RestorePreview(_));
        let deadline = Instant::now() + LEADER_WAIT;
        loop {
            let Some(address) = self.find_leader(may_forward, deadline).await? else {
                return self.serve(request, statement, session).await;
            };
            let answer = self.forward.sql(&address, statement, session).await;
            let again = match &answer {
                Ok(Err(failure)) => failure.code == NOT_MASTER_CODE,
                Ok(Ok(_)) => false,
                Err(failure) => is_read || failure.code == NOT_MASTER_CODE,
            };
            if !again || Instant::now() >= deadline {
                return answer.and_then(|a| a);
            }
            tokio::time::sleep(FORWARD_PAUSE).await;
        }
    }

    /// The topology as the leader knows it, when that is another node and answers.
    pub async fn leaders_topology(&self, tenant: &str) -> Option<v1::TopologyReply> {
        if self.node.leads() {
            return None;
        }
        self.forward.topology(&self.node.leader_address()?, tenant).await.ok()
    }

    /// Whether a tenant of this name is there: as this node knows it, else as the leader does.
    pub async fn knows_tenant(&self, name: &str) -> bool {
        if self.node.read(|state| state.tenant_by_name(name).is_ok()) {
            return true;
        }
        self.leaders_topology(name).await.is_some_and(|there| there.failure.is_none())
    }

    async fn serve(&self, request: AdminRequest, statement: &str, session: &mut Session) -> Result<Answer, Failure> {
        if let Some(name) = session.tenant() {
            self.node.read(|state| state.tenant_by_name(name).map(|_| ()))?;
        }
        match request {
            AdminRequest::Select(sql) => self.select(sql, session.tenant()).await.map(Answer::Rows),
            AdminRequest::RestorePreview(preview) => {
                session.remember(statement)?;
                self.preview(&preview, &session.settings()?).await.map(Answer::Rows)
            }
            AdminRequest::Show(_) => {
                let settings = session.settings()?;
                match &settings.preview {
                    Some(preview) => self.preview(preview, &settings).await.map(Answer::Rows),
                    None => Ok(Answer::Rows(Rows { columns: vec!["BACKUP_TYPE".to_owned()], rows: Vec::new() })),
                }
            }
            AdminRequest::Restore(restore) => {
                let said = self.restore(restore, &session.settings()?).await?;
                session.forget_sources();
                Ok(Answer::Done(said))
            }
            AdminRequest::RecoverTable(request) => {
                let said = self.recover_table(request, &session.settings()?).await?;
                session.forget_sources();
                Ok(Answer::Done(said))
            }
            AdminRequest::Validate(request) => {
                let passwords = session.settings()?.decryption;
                self.validate(request, session.tenant(), &passwords).await.map(Answer::Done)
            }
            AdminRequest::Clean(request) => self.clean(request, session.tenant()).await,
            AdminRequest::Backup(request) => {
                let password = session.settings()?.encryption;
                self.backup(request, session.tenant(), password.as_deref()).await.map(Answer::Done)
            }
            other => self.administer(other, session.tenant()).await.map(Answer::Done),
        }
    }

    /// `None` when this node leads, else the leader's address. Waits for one to be elected.
    async fn find_leader(&self, may_forward: bool, deadline: Instant) -> Result<Option<String>, Failure> {
        let mut changes = self.node.changes();
        let mut role = self.node.role_watch();
        loop {
            changes.borrow_and_update();
            let now = role.role();
            if self.node.leads() {
                return Ok(None);
            }
            if !now.is_leader
                && may_forward
                && let Some(address) = self.node.leader_address()
            {
                return Ok(Some(address));
            }
            if !may_forward && !now.is_leader {
                return Err(no_leader("this node does not lead any more"));
            }
            tokio::select! {
                _ = changes.changed() => {}
                changed = role.leadership_changed(&now) => {
                    if changed.is_none() {
                        return Err(no_leader("this scheduler node has stopped"));
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Err(no_leader("the scheduler group has no leader")),
            }
        }
    }
}

fn no_leader(what: &str) -> Failure {
    let todo = "try again in a moment; if it lasts, check that a majority of the scheduler nodes runs";
    Failure::new(ErrorClass::Transient, what, "scheduler group", todo).with_code(NOT_MASTER_CODE)
}
