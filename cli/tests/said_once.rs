//! A statement that was perhaps run is never sent a second time; what surely was not run is, and so is every read. A
//! scheduler that stands still is sent no statement, and the others are asked.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use strandline_cli::admin::Admin;
use strandline_proto::v1::admin_server::{Admin as Service, AdminServer};
use strandline_proto::v1::{SqlReply, SqlRequest, TopologyReply, TopologyRequest};
use strandline_types::{CODE_OUTCOME_UNKNOWN, ErrorClass, Failure};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Answers the first statement with a failure of this code, every later one with success.
struct Scheduler {
    code: i32,
    asked: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Service for Scheduler {
    async fn sql(&self, _: Request<SqlRequest>) -> Result<Response<SqlReply>, Status> {
        let is_first = self.asked.fetch_add(1, Ordering::SeqCst) == 0;
        let failure = Failure::new(ErrorClass::Transient, "no answer", "scheduler group", "look").with_code(self.code);
        let failure = is_first.then(|| failure.into());
        Ok(Response::new(SqlReply { failure, ..SqlReply::default() }))
    }

    async fn topology(&self, _: Request<TopologyRequest>) -> Result<Response<TopologyReply>, Status> {
        Ok(Response::new(TopologyReply::default()))
    }
}

/// Whether the statement succeeds in the end, and how often it was sent.
async fn sent(code: i32, statement: &str) -> (bool, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let service = AdminServer::new(Scheduler { code, asked: Arc::clone(&asked) });
    let server = tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    let mut admin = Admin::new(&[address]).unwrap().patient(Duration::from_secs(10));
    let is_ok = admin.sql(statement).await.is_ok();
    server.abort();
    (is_ok, asked.load(Ordering::SeqCst))
}

#[tokio::test]
async fn a_change_that_was_perhaps_made_is_not_sent_again() {
    assert_eq!(sent(CODE_OUTCOME_UNKNOWN, "ALTER SYSTEM BACKUP TENANT = t1").await, (false, 1));
}

#[tokio::test]
async fn a_read_and_what_surely_was_not_done_are_sent_again() {
    assert_eq!(sent(CODE_OUTCOME_UNKNOWN, "SELECT 1").await, (true, 2));
    assert_eq!(sent(0, "ALTER SYSTEM BACKUP TENANT = t1").await, (true, 2));
}

/// Starts a scheduler that answers every statement, or takes it and breaks off.
async fn start(breaks_off: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, asked) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let service = AdminServer::new(Steady { breaks_off, asked: Arc::clone(&asked) });
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    (address, asked)
}

struct Steady {
    breaks_off: bool,
    asked: Arc<AtomicUsize>,
}

#[tonic::async_trait]
impl Service for Steady {
    async fn sql(&self, _: Request<SqlRequest>) -> Result<Response<SqlReply>, Status> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.breaks_off { Err(Status::unavailable("broken off")) } else { Ok(Response::new(SqlReply::default())) }
    }

    async fn topology(&self, _: Request<TopologyRequest>) -> Result<Response<TopologyReply>, Status> {
        Ok(Response::new(TopologyReply::default()))
    }
}

/// Takes connections and says nothing, as a process that was stopped does.
async fn frozen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn schedulers_that_are_dead_or_stand_still_are_passed_by() {
    let (_listener, silent) = frozen().await;
    let (gone, dead) = frozen().await;
    drop(gone);
    let (good, asked) = start(false).await;
    let mut admin = Admin::new(&[dead, silent, good]).unwrap().patient(Duration::ZERO);
    for n in 1..=3 {
        admin.sql("ALTER SYSTEM BACKUP TENANT = t1").await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), n);
    }
}

#[tokio::test]
async fn a_scheduler_that_stands_still_is_sent_no_statement_and_the_refusal_says_so() {
    let (_listener, silent) = frozen().await;
    let mut admin = Admin::new(&[silent]).unwrap().patient(Duration::ZERO);
    let failure = admin.sql("DROP TENANT t1").await.unwrap_err();
    assert_eq!(failure.code, 0, "it was not run: {failure}");
    assert!(failure.to_string().contains("nothing was sent"), "{failure}");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_said_in_its_own_words_and_the_next_scheduler_is_not_asked() {
    let ((broken, taken), (good, asked)) = (start(true).await, start(false).await);
    let mut admin = Admin::new(&[broken, good]).unwrap().patient(Duration::from_secs(10));
    let failure = admin.sql("DROP TENANT t1").await.unwrap_err();
    assert_eq!(failure.code, CODE_OUTCOME_UNKNOWN, "{failure}");
    assert!(failure.to_string().contains("perhaps run"), "{failure}");
    assert_eq!((taken.load(Ordering::SeqCst), asked.load(Ordering::SeqCst)), (1, 0));
    admin.sql("SELECT 1").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1, "a read goes on to the next one");
}
