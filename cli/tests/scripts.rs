//! What scripts rely on: which statements are run, what is on stdout, and which exit code tells what to do next. Each
//! promise stands in docs/operations.md.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use strandline_proto::v1;
use strandline_proto::v1::admin_server::{Admin as Service, AdminServer};
use strandline_types::{ErrorClass, Failure};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A scheduler that goes by the words of a statement, and remembers what it was sent.
#[derive(Clone, Default)]
struct Scheduler {
    sent: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl Service for Scheduler {
    async fn sql(&self, request: Request<v1::SqlRequest>) -> Result<Response<v1::SqlReply>, Status> {
        let statement = request.into_inner().statement;
        self.sent.lock().unwrap().push(statement.clone());
        let mut reply = v1::SqlReply { info: format!("{statement} is done"), ..Default::default() };
        match statement.as_str() {
            "refused" => {
                let failure = Failure::new(ErrorClass::Invalid, "no such word", "statement", "write another one");
                reply.failure = Some(failure.into());
            }
            "lost" => return Err(Status::unavailable("broken off")),
            "SELECT row" => {
                let text = |t: &str| v1::Cell { value: Some(v1::cell::Value::Text(t.to_owned())) };
                let scn = v1::Cell { value: Some(v1::cell::Value::Unsigned((1 << 53) + 1)) };
                reply.columns = ["SCN", "NONE", "COMMENT"].map(str::to_owned).to_vec();
                let cells = vec![scn, v1::Cell::default(), text("two\nlines")];
                reply.rows = vec![v1::Row { cells }];
            }
            _ => {}
        }
        Ok(Response::new(reply))
    }

    async fn topology(&self, _: Request<v1::TopologyRequest>) -> Result<Response<v1::TopologyReply>, Status> {
        Ok(Response::new(v1::TopologyReply::default()))
    }
}

impl Scheduler {
    async fn start() -> (Self, String) {
        let (scheduler, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap().to_string();
        let service = AdminServer::new(scheduler.clone());
        tokio::spawn(Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        (scheduler, address)
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().clone()
    }
}

/// Runs the binary beside the scheduler of this process.
async fn strandline(endpoints: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strandline"));
    command.args(args).env("STRANDLINE_ENDPOINTS", endpoints).env_remove("STRANDLINE_DEV_DIR").stdin(Stdio::null());
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_refusal_ends_a_list_of_statements_and_what_was_done_before_is_on_stdout() {
    let (scheduler, address) = Scheduler::start().await;
    let output = strandline(&address, &["sql", "-e", "A", "-e", "refused", "-e", "C"]).await;
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    assert_eq!(stdout(&output), "A is done\n");
    assert!(stderr(&output).contains("no such word"));
    assert_eq!(scheduler.sent(), ["A", "refused"], "C is not run");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_has_an_exit_code_of_its_own_and_the_statement_is_sent_once() {
    let (scheduler, address) = Scheduler::start().await;
    let output = strandline(&address, &["sql", "-e", "lost", "-e", "C"]).await;
    assert_eq!(output.status.code(), Some(17), "{}", stderr(&output));
    assert!(stderr(&output).contains("perhaps run"), "{}", stderr(&output));
    assert_eq!(scheduler.sent(), ["lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blanks_between_endpoints_and_dead_and_frozen_ones_among_them_do_no_harm() {
    let (scheduler, address) = Scheduler::start().await;
    let frozen = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (silent, dead) = (frozen.local_addr().unwrap(), gone.local_addr().unwrap());
    drop(gone);
    for endpoints in [format!(" {dead} , {silent},\t{address} ,,"), format!("{silent} {dead}\n{address}")] {
        let output = strandline(&endpoints, &["--timeout", "0", "sql", "-e", "A"]).await;
        assert!(output.status.success(), "{endpoints:?}: {}", stderr(&output));
    }
    assert_eq!(scheduler.sent(), ["A", "A"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_keep_large_numbers_nulls_and_line_breaks() {
    let (_scheduler, address) = Scheduler::start().await;
    let form = async |form: &'static str| {
        let output = strandline(&address, &["--output", form, "sql", "-e", "SELECT row"]).await;
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let json = form("json").await;
    assert!(json.contains("\"SCN\":9007199254740993") && json.contains("\"NONE\":null"), "{json}");
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value[0]["COMMENT"], "two\nlines");
    assert!(form("json-text").await.contains("\"SCN\":\"9007199254740993\""));
    let table = form("table").await;
    let row = table.lines().last().unwrap();
    assert!(row.contains("9007199254740993") && row.contains("NULL") && row.contains("two\\nlines"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_its_bounds_is_refused_before_anything_is_sent() {
    let (scheduler, address) = Scheduler::start().await;
    let long = format!("SELECT '{}'", "x".repeat(64 << 10));
    let output = strandline(&address, &["sql", "-e", &long]).await;
    assert_eq!(output.status.code(), Some(15), "{}", stderr(&output));
    assert!(stderr(&output).contains("the longest statement"));
    assert_eq!(scheduler.sent(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_far_too_large_is_refused_without_a_cluster() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_strandline"));
    command.args(["kv", "put", "key", "-"]).env("STRANDLINE_ENDPOINTS", "127.0.0.1:9").stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        use std::io::Write;
        // The reader may leave before the end.
        let _ = stdin.write_all(&vec![b'x'; 60 << 20]);
    });
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    writing.join().unwrap();
    assert_eq!(output.status.code(), Some(10), "{}", stderr(&output));
    assert!(stderr(&output).contains("at most 1 MiB"), "{}", stderr(&output));
}
