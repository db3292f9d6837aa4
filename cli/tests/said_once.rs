//! A statement that was perhaps run is never sent a second time; what surely was not run is, and so is every read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use strandline_cli::admin::Admin;
use strandline_proto::v1::admin_server::{Admin as Service, AdminServer};
use strandline_proto::v1::{SqlReply, SqlRequest, TopologyReply, TopologyRequest};
use strandline_scheduler::OUTCOME_UNKNOWN_CODE;
use strandline_types::{ErrorClass, Failure};
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
        Err(Status::unimplemented("not asked here"))
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
    assert_eq!(sent(OUTCOME_UNKNOWN_CODE, "ALTER SYSTEM BACKUP TENANT = t1").await, (false, 1));
}

#[tokio::test]
async fn a_read_and_what_surely_was_not_done_are_sent_again() {
    assert_eq!(sent(OUTCOME_UNKNOWN_CODE, "SELECT 1").await, (true, 2));
    assert_eq!(sent(0, "ALTER SYSTEM BACKUP TENANT = t1").await, (true, 2));
}
