//! The MySQL protocol: any MySQL client gives the statements and reads the views.
//!
//! One salt per connection, never a constant. `SET`, `USE`, `BEGIN` and the like are answered with OK, never with a
//! result set, which clients do not expect. Only the user `root` with an empty password is known today; the login
//! `root@tenant` makes statements without a TENANT clause speak of that tenant.

mod rows;

use crate::executor::{Answer, Executor};
use crate::session::Session;
use crate::sql::{SYNTAX_CODE, variables};
use async_trait::async_trait;
use opensrv_mysql::{
    AsyncMysqlIntermediary, AsyncMysqlShim, ErrorKind, InitWriter, OkResponse, ParamParser, QueryResultWriter,
    StatementMetaWriter,
};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use strandline_types::{ErrorClass, Failure};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at once; one more gets an error and is closed.
const CONNECTIONS_MAX: usize = 256;
/// A client that has not logged in for so long is closed: it keeps others out.
const LOGIN_MAX: Duration = Duration::from_secs(10);
/// What a client reads that comes when all connections are taken: MySQL's own error packet, number 1040.
const TOO_MANY: &[u8] = b"\x1d\x00\x00\x00\xff\x10\x04#08004Too many connections";
/// Prepared statements of one connection.
const PREPARED_MAX: usize = 64;

/// Serves connections until `stop`.
pub async fn serve(listener: TcpListener, executor: Arc<Executor>, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let next_id = AtomicU32::new(1);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    tokio::spawn(refuse(stream));
                    continue;
                };
                let connection = Connection::new(Arc::clone(&executor), next_id.fetch_add(1, Ordering::Relaxed));
                let stop = stop.clone();
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = serve_connection(connection, stream) => {}
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "the MySQL listener cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_connection(connection: Connection, stream: TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "no TCP_NODELAY");
    }
    let (reader, writer) = stream.into_split();
    let tenant = Arc::clone(&connection.tenant);
    let too_late = async {
        tokio::time::sleep(LOGIN_MAX).await;
        if tenant.get().is_some() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = AsyncMysqlIntermediary::run_on(connection, reader, io_buffered(writer)) => {
            if let Err(error) = ended {
                debug!(%error, "a MySQL connection ended");
            }
        }
        () = too_late => debug!("a MySQL client did not log in and was closed"),
    }
}

/// Sends the reason and closes. A client that does not read is not waited for.
async fn refuse(mut stream: TcpStream) {
    let sent = tokio::time::timeout(Duration::from_secs(1), stream.write_all(TOO_MANY)).await;
    debug!(?sent, "a MySQL client came while all connections were taken");
}

fn io_buffered<W: AsyncWrite>(writer: W) -> tokio::io::BufWriter<W> {
    tokio::io::BufWriter::new(writer)
}

struct Connection {
    executor: Arc<Executor>,
    id: u32,
    salt: [u8; 20],
    /// Set at the log-in.
    tenant: Arc<OnceLock<Option<String>>>,
    /// Session statements so far.
    statements: Vec<String>,
    prepared: BTreeMap<u32, String>,
    next_prepared: u32,
}

impl Connection {
    fn new(executor: Arc<Executor>, id: u32) -> Self {
        // Neither 0 nor '$' may stand in a salt; printable bytes are safe.
        let salt = std::array::from_fn(|_| rand::random_range(b'0'..=b'z'));
        Self {
            executor,
            id,
            salt,
            tenant: Arc::default(),
            statements: Vec::new(),
            prepared: BTreeMap::new(),
            next_prepared: 1,
        }
    }

    async fn run(&mut self, statement: &str) -> Result<Answer, Failure> {
        let tenant = self.tenant.get().and_then(Option::as_deref);
        let mut session = Session::new(tenant, std::mem::take(&mut self.statements));
        let answer = self.executor.execute(statement, &mut session).await;
        self.statements = session.statements().to_vec();
        answer
    }

    async fn answer<W: AsyncWrite + Send + Unpin>(
        &mut self,
        statement: &str,
        results: QueryResultWriter<'_, W>,
    ) -> io::Result<()> {
        match self.run(statement).await {
            Ok(Answer::Done(info)) => results.completed(OkResponse { info, ..OkResponse::default() }).await,
            Ok(Answer::Rows(rows)) => rows::write(statement, rows, results).await,
            Err(failure) => results.error(error_kind(&failure), error_text(&failure).as_bytes()).await,
        }
    }
}

/// `user`, `user@tenant`, `user@tenant#cluster`: the tenant, unless it is `sys`.
fn login(username: &[u8]) -> (String, Option<String>) {
    let text = String::from_utf8_lossy(username);
    let (user, rest) = text.split_once('@').unwrap_or((&text, ""));
    let tenant = rest.split('#').next().unwrap_or_default();
    let tenant = (!tenant.is_empty() && !tenant.eq_ignore_ascii_case("sys")).then(|| tenant.to_owned());
    (user.to_owned(), tenant)
}

#[async_trait]
impl<W: AsyncWrite + Send + Unpin> AsyncMysqlShim<W> for Connection {
    type Error = io::Error;

    fn version(&self) -> String {
        variables::SERVER_VERSION.to_owned()
    }

    fn connect_id(&self) -> u32 {
        self.id
    }

    fn salt(&self) -> [u8; 20] {
        self.salt
    }

    async fn authenticate(&self, _plugin: &str, username: &[u8], _salt: &[u8], auth_data: &[u8]) -> bool {
        let (user, tenant) = login(username);
        if user != "root" || !auth_data.is_empty() {
            return false;
        }
        // A session of a tenant that does not exist would see no rows, and no reason why.
        let known = match &tenant {
            Some(name) => self.executor.knows_tenant(name).await,
            None => true,
        };
        known && self.tenant.set(tenant).is_ok()
    }

    async fn on_prepare<'a>(&'a mut self, query: &'a str, info: StatementMetaWriter<'a, W>) -> io::Result<()> {
        if query.contains('?') {
            let text = b"parameters in prepared statements are not supported: write the values out";
            return info.error(ErrorKind::ER_UNSUPPORTED_PS, &text[..]).await;
        }
        if self.prepared.len() >= PREPARED_MAX {
            return info.error(ErrorKind::ER_MAX_PREPARED_STMT_COUNT_REACHED, &b"close a prepared statement"[..]).await;
        }
        let id = self.next_prepared;
        self.next_prepared = self.next_prepared.wrapping_add(1);
        self.prepared.insert(id, query.to_owned());
        info.reply(id, &[], &[]).await
    }

    async fn on_execute<'a>(
        &'a mut self,
        id: u32,
        _params: ParamParser<'a>,
        results: QueryResultWriter<'a, W>,
    ) -> io::Result<()> {
        let Some(statement) = self.prepared.get(&id).cloned() else {
            return results.error(ErrorKind::ER_UNKNOWN_STMT_HANDLER, &b"no such prepared statement"[..]).await;
        };
        self.answer(&statement, results).await
    }

    async fn on_close<'a>(&'a mut self, id: u32)
    where
        W: 'async_trait,
    {
        self.prepared.remove(&id);
    }

    async fn on_query<'a>(&'a mut self, query: &'a str, results: QueryResultWriter<'a, W>) -> io::Result<()> {
        self.answer(query, results).await
    }

    async fn on_init<'a>(&'a mut self, _database: &'a str, writer: InitWriter<'a, W>) -> io::Result<()> {
        writer.ok().await
    }
}

fn error_kind(failure: &Failure) -> ErrorKind {
    match failure.class {
        ErrorClass::Invalid if failure.code == SYNTAX_CODE => ErrorKind::ER_PARSE_ERROR,
        _ if failure.code == variables::UNKNOWN_VARIABLE_CODE => ErrorKind::ER_UNKNOWN_SYSTEM_VARIABLE,
        ErrorClass::Permission => ErrorKind::ER_ACCESS_DENIED_ERROR,
        _ => ErrorKind::ER_UNKNOWN_ERROR,
    }
}

/// The original's number cannot travel in the packet's own field (it is not a MySQL number), so it leads the text.
fn error_text(failure: &Failure) -> String {
    if failure.code == 0 { failure.to_string() } else { format!("({}) {failure}", failure.code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_of_a_login_is_read() {
        assert_eq!(login(b"root"), ("root".into(), None));
        assert_eq!(login(b"root@sys"), ("root".into(), None));
        assert_eq!(login(b"root@t1#cluster"), ("root".into(), Some("t1".into())));
    }
}
