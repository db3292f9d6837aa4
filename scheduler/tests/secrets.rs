//! A secret that was given to a node appears nowhere: not in an answer, a view, a metric or a log line at `debug`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};
use support::cluster::Cluster;
use support::fake_worker::FakeWorker;
use support::mysql_client::{MysqlClient, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SECRET: &str = "Zq7Xv9KwPj3";

/// Log lines of this process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_seen_nowhere() {
    let lines = Lines::default();
    let writer = lines.clone();
    let filter = tracing_subscriber::EnvFilter::new("debug");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).init();

    let mut cluster = Cluster::start(1).await;
    cluster.leader().await;
    let worker = FakeWorker::start(1, cluster.addresses());
    cluster.wait_for(0, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;
    cluster.sql(0, "CREATE TENANT t1 LOG_STREAMS = 1 REPLICAS = 1").await;
    let (_, archive) = cluster.dest("archive");
    let (_, data) = cluster.dest("data");
    let keys = format!("access_id=me&access_key={SECRET}&session_token={SECRET}");
    let nowhere = format!("s3://b/x?host=http://127.0.0.1:1&s3_region=r&{keys}");
    let statements = [
        format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive}?{keys} BINDING=Optional'"),
        format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={archive}?{keys} BINDIG=Optional'"),
        format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{data}?{keys}' TENANT = t1"),
        format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{nowhere}' TENANT = t1"),
        format!("ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://b/x?host=h&access_key=a&{SECRET}' TENANT = t1"),
        format!("ALTER SYSTEM SET DATA_BACKUP_DEST = 's3://b/x?host=http://me:{SECRET}@h' TENANT = t1"),
        format!("ALTER SYSTEM ALTER EXTERNAL_STORAGE_DEST PATH = '{data}' SET ACCESS_INFO = '{keys}'"),
        format!("ALTER SYSTEM CHECK DESTINATION '{nowhere}'"),
        format!("SET ENCRYPTION ON IDENTIFIED BY '{SECRET}' ONLY"),
        format!("SET ENCRYPTOIN ON IDENTIFIED BY '{SECRET}' ONLY"),
        format!("SET DECRYPTION IDENTIFIED BY '{SECRET}'"),
        "ALTER SYSTEM ARCHIVELOG TENANT = t1".to_owned(),
        "ALTER SYSTEM BACKUP TENANT = t1".to_owned(),
        format!("ALTER SYSTEM BACKUP TENANT = t1 TO '{nowhere}'"),
        format!("ALTER SYSTEM BACKUP CLUSTER PARAMETERS TO '{data}?{keys}'"),
        format!("ALTER SYSTEM RESTORE t2 FROM '{nowhere},{archive}?{keys}' WITH 'replicas=1'"),
        format!("ALTER SYSTEM RESTORE FROM '{data}?{keys},{archive}?{keys}' PREVIEW"),
        format!("ALTER SYSTEM RESTORE t2 FROM '{data}?{keys}' WITH 'key_source={SECRET}'"),
        format!("ALTER SYSTEM RECOVER TABLE x TO TENANT t1 FROM '{nowhere}'"),
        format!("ALTER SYSTEM ADD RESTORE SOURCE '{nowhere}'"),
        format!("ALTER SYSTEM VALIDATE BACKUP DATA_BACKUP_DEST = '{nowhere}' TENANT = t1"),
        format!("ALTER SYSTEM DELETE BACKUP ALL DATA_BACKUP_DEST = '{nowhere}' TENANT = t1"),
        format!("ALTER SYSTEM IMPORT CATALOG '{nowhere}'"),
        format!("ALTER SYSTEM DROP CATALOG '{nowhere}'"),
        format!("ALTER SYSTEM SET BACKUP SCHEDULE FULL = '0 2 * * *' ENCRYPTION KEY = '{SECRET}' TENANT = t1"),
        format!("ALTER SYSTEM SET ARCHIVE_NEW_TENANTS = 'LOCATION={archive}?{keys}'"),
        "SHOW RESTORE PREVIEW".to_owned(),
    ];
    let mut client = MysqlClient::login(cluster.handle(0).mysql_addr.unwrap(), "root", b"").await.unwrap();
    let mut seen = String::new();
    for statement in &statements {
        // Also with a wrong word at the end: the whole statement is repeated then.
        for statement in [statement.clone(), format!("{statement} NONSENSE")] {
            match client.query(&statement).await {
                Reply::Ok => {}
                Reply::Error { text, .. } => seen += &text,
                Reply::Rows { rows, .. } => seen += &format!("{rows:?}"),
            }
            seen.push('\n');
        }
    }
    for view in cluster.sql(0, "SHOW TABLES").await.rows {
        seen += &format!("{:?}\n", cluster.sql(0, &format!("SELECT * FROM {}", view[0])).await.rows);
    }
    let mut http = tokio::net::TcpStream::connect(cluster.handle(0).http_addr.unwrap()).await.unwrap();
    http.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    http.read_to_string(&mut seen).await.unwrap();
    cluster.stop_all().await;
    drop(worker);

    assert!(seen.contains("access_id=me"), "the keys did arrive: {seen}");
    let logged = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned();
    assert!(!logged.is_empty());
    for line in seen.lines().chain(logged.lines()) {
        assert!(!line.contains(SECRET), "{line}");
    }
}
