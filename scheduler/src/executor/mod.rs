//! Runs the statements of every client. Any node takes one; the leader serves it, and a follower passes it on once.
//!
//! Statements are asynchronous as in the original: they return when the command is applied, progress is in the views.

pub mod forward;
mod reads;

use crate::node::SchedulerNode;
use crate::session::Session;
use crate::sql::select::Rows;
use crate::sql::variables;
use crate::statements::{Command, Context, Read, Statement, forget_sources, parse};
use std::sync::Arc;
use std::time::Duration;
use strandline_proto::v1;
use strandline_types::{ErrorClass, Failure};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

/// A statement waits this long for a leader before it is refused.
const LEADER_WAIT: Duration = Duration::from_secs(5);

/// Reads that compute at the same time.
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

/// What the leader answers.
enum LeaderWork {
    Select(String),
    Read(Box<dyn Read>),
    Command(Box<dyn Command>),
}

impl LeaderWork {
    fn is_read(&self) -> bool {
        match self {
            Self::Select(_) | Self::Read(_) => true,
            Self::Command(_) => false,
        }
    }
}

/// Runs statements on one node.
pub struct Executor {
    node: Arc<SchedulerNode>,
    forward: forward::Forward,
    /// Held by statements that name a destination: two of them must not examine one empty path at the same time.
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
        let work = match parse(statement)? {
            Statement::NoEffect => return Ok(Answer::Done(String::new())),
            Statement::Setting(_) => {
                session.remember(statement)?;
                return Ok(Answer::Done("set for this session".to_owned()));
            }
            Statement::List { list, filter } => return reads::show(&list, &filter).await.map(Answer::Rows),
            Statement::Select(sql) => match variables::answer(&sql)? {
                Some(rows) => return Ok(Answer::Rows(rows)),
                None => LeaderWork::Select(sql),
            },
            Statement::Read(read) => LeaderWork::Read(read),
            Statement::Command(command) => LeaderWork::Command(command),
        };
        let deadline = Instant::now() + LEADER_WAIT;
        loop {
            let Some(address) = self.find_leader(may_forward, deadline).await? else {
                return self.serve(work, statement, session).await;
            };
            let answer = self.forward.sql(&address, statement, session).await;
            // Only what surely was not done is sent again: reads, and what the other node refused as no leader.
            let again = match &answer {
                Ok(Err(failure)) => failure.code == NOT_MASTER_CODE,
                Ok(Ok(_)) => false,
                Err(failure) => work.is_read() || failure.code == NOT_MASTER_CODE,
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

    async fn serve(&self, work: LeaderWork, statement: &str, session: &mut Session) -> Result<Answer, Failure> {
        if let Some(name) = session.tenant() {
            self.node.read(|state| state.tenant_by_name(name).map(|_| ()))?;
        }
        match work {
            LeaderWork::Select(sql) => self.select(sql, session.tenant()).await.map(Answer::Rows),
            LeaderWork::Read(read) => {
                if read.setting().is_some() {
                    session.remember(statement)?;
                }
                read.rows(&self.context(session)).await.map(Answer::Rows)
            }
            LeaderWork::Command(command) => {
                let uses_up_sources = command.uses_up_sources();
                let done = command.run(&self.context(session)).await?;
                if uses_up_sources {
                    forget_sources(session);
                }
                Ok(Answer::Done(done))
            }
        }
    }

    fn context<'a>(&'a self, session: &'a Session) -> Context<'a> {
        Context { node: &self.node, session, destinations: &self.destinations }
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
