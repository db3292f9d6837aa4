//! One node: what is refused and how, what reads answer, and the MySQL and HTTP servers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::{Duration, Instant};
use strandline_types::ErrorClass;
use support::cluster::Cluster;
use support::fake_worker::FakeWorker;
use support::mysql_client::{ColumnType, MysqlClient, Reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn one_node() -> (Cluster, FakeWorker) {
    let cluster = Cluster::start(1).await;
    cluster.leader().await;
    let worker = FakeWorker::start(1, cluster.addresses());
    cluster.wait_for(0, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;
    cluster.sql(0, "CREATE TENANT t1 LOG_STREAMS = 1 REPLICAS = 1").await;
    (cluster, worker)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_destinations_are_refused_where_they_are_typed() {
    let (mut cluster, _worker) = one_node().await;
    let (foreign, foreign_uri) = cluster.dest("foreign");
    std::fs::write(foreign.join("holiday.jpg"), b"x").unwrap();
    let (plain_file, _) = cluster.dest("dir");
    std::fs::write(plain_file.join("file"), b"x").unwrap();
    let below_a_file = format!("file://{}/file/below", plain_file.display());
    let missing = format!("file://{}/missing", cluster.dir.path().display());
    for (uri, class, words) in [
        ("holiday", ErrorClass::Invalid, "file://"),
        ("file://relative", ErrorClass::Invalid, "absolute"),
        ("ftp://bucket/x", ErrorClass::Invalid, "file://"),
        (foreign_uri.as_str(), ErrorClass::Invalid, "holiday.jpg"),
        (missing.as_str(), ErrorClass::NotFound, "not there"),
        (below_a_file.as_str(), ErrorClass::Invalid, "Not a directory"),
    ] {
        for statement in [
            format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={uri}' TENANT = t1"),
            format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{uri}' TENANT = t1"),
        ] {
            let failure = cluster.refused(0, &statement).await;
            assert!(failure.class == class || failure.class == ErrorClass::Invalid, "{statement}: {failure}");
            assert!(failure.to_string().contains(words), "{statement}: {failure}");
            assert!(!failure.todo.is_empty() && !failure.object.is_empty(), "{statement}: {failure}");
        }
    }
    assert_eq!(
        cluster.sql(0, "SELECT COUNT(*) FROM CDB_OB_ARCHIVE_DEST WHERE NAME = 'path'").await.first().unwrap(),
        "0"
    );
    assert_eq!(std::fs::read_dir(&foreign).unwrap().count(), 1, "nothing was written into a foreign path");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_has_one_owner_and_one_use() {
    let (mut cluster, _worker) = one_node().await;
    cluster.sql(0, "CREATE TENANT t2 LOG_STREAMS = 1 REPLICAS = 1").await;
    let (dir, uri) = cluster.dest("archive");
    let archive =
        |uri: &str, tenant: &str| format!("ALTER SYSTEM SET LOG_ARCHIVE_DEST = 'LOCATION={uri}' TENANT = {tenant}");
    cluster.sql(0, &archive(&uri, "t1")).await;
    // Again, written otherwise: the same destination.
    cluster.sql(0, &archive(&format!("{uri}/"), "t1")).await;
    assert!(cluster.refused(0, &archive(&uri, "t2")).await.class == ErrorClass::Invalid);
    cluster.refused(0, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{uri}' TENANT = t1")).await;
    cluster.stop_all().await;

    // Another cluster does not take it either, although its tenant has the same id.
    let (mut other, _worker) = one_node().await;
    let taken = other.refused(0, &archive(&format!("file://{}", dir.display()), "t1")).await;
    assert!(taken.code == -9081 || taken.code == -9080 || taken.class == ErrorClass::NotFound, "{taken}");
    other.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_now_says_why_and_what_to_do() {
    let (mut cluster, _worker) = one_node().await;
    let (_, uri) = cluster.dest("data");
    for (statement, words) in [
        ("EXPLODE", "SELECT"),
        ("ALTER SYSTEM ARCHIVELOG TENANT = nobody", "nobody"),
        ("ALTER SYSTEM ARCHIVELOG TENANT = t1", "LOG_ARCHIVE_DEST"),
        ("ALTER SYSTEM NOARCHIVELOG TENANT = t1", "ARCHIVELOG"),
        ("ALTER SYSTEM BACKUP DATABASE", "DATA_BACKUP_DEST"),
        ("ALTER SYSTEM CANCEL BACKUP TENANT = t1", "backup"),
        ("ALTER SYSTEM CANCEL RESTORE t1", "restore"),
        ("CREATE TENANT t1", "t1"),
        ("CREATE TENANT `no good name` REPLICAS = 1", "name"),
        ("CREATE TENANT `All` REPLICAS = 1", "means something else"),
        ("CREATE TENANT drill_1 REPLICAS = 1", "means something else"),
        ("ALTER SYSTEM RESTORE sys FROM 'file:///nowhere/d' WITH 'replicas=1'", "means something else"),
        ("ALTER SYSTEM RESTORE t2 FROM 'file:///nowhere/d' WITH 'pool_list=nosuchpool'", "pool_list"),
        ("CREATE TENANT t9 LOG_STREAMS = 1 REPLICAS = 3", "worker"),
        ("CREATE TENANT t9 LOG_STREAMS = 100000 REPLICAS = 1", "LOG_STREAMS"),
        ("CREATE TABLE t TABLETS = 0 TENANT = t1", "TABLETS"),
        ("DROP TENANT nobody", "nobody"),
        ("ALTER SYSTEM RESTORE t2 FROM 'file:///nowhere/d,file:///nowhere/a' WITH 'replicas=1'", "format.obbak"),
        ("SELECT * FROM CDB_OB_NOTHING", "no such table"),
        ("SELECT nowhere FROM CDB_OB_TENANTS", "no such column"),
        ("SELECT 1; SELECT 2", "more than one statement"),
    ] {
        let failure = cluster.refused(0, statement).await;
        assert!(failure.to_string().to_lowercase().contains(&words.to_lowercase()), "{statement}: {failure}");
        assert!(!failure.object.is_empty(), "{statement}: {failure}");
    }
    cluster.sql(0, &format!("ALTER SYSTEM SET DATA_BACKUP_DEST = '{uri}'")).await;
    let failure = cluster.refused(0, "ALTER SYSTEM BACKUP DATABASE").await;
    assert_eq!(failure.code, -9040, "{failure}");
    assert!(failure.to_string().contains("ARCHIVELOG"), "{failure}");
    let nothing_there = format!("ALTER SYSTEM RESTORE t2 FROM '{uri},{uri}' WITH 'replicas=1'");
    assert_eq!(cluster.refused(0, &nothing_there).await.code, -9081);
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_are_plain_sql_over_the_views_and_change_nothing() {
    let (mut cluster, _worker) = one_node().await;
    cluster.sql(0, "CREATE TABLE files TABLETS = 8 TENANT = t1").await;
    let joined = "SELECT t.tenant_name, COUNT(*) AS n FROM oceanbase.cdb_ob_tenants t JOIN `CDB_OB_LS_LOCATIONS` l \
                  ON l.TENANT_ID = t.TENANT_ID GROUP BY t.tenant_name ORDER BY n LIMIT 0, 5";
    let table = cluster.sql(0, joined).await;
    assert_eq!(table.rows, [["t1", "2"]], "log streams 1 and 1001");
    for view in cluster.sql(0, "SHOW TABLES").await.rows {
        let found = cluster.sql(0, &format!("SELECT * FROM {}", view[0])).await;
        assert!(!found.columns.is_empty(), "{}", view[0]);
    }
    for bad in [
        "WITH x AS (SELECT 1) DELETE FROM CDB_OB_TENANTS",
        "SELECT load_extension('x') FROM CDB_OB_TENANTS",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    ] {
        let failure = cluster.refused(0, bad).await;
        assert!(matches!(failure.class, ErrorClass::Invalid | ErrorClass::Exhausted), "{bad}: {failure}");
    }
    assert_eq!(cluster.sql(0, "SELECT COUNT(*) FROM CDB_OB_TENANTS").await.first().unwrap(), "1");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mysql_client_is_served() {
    let (mut cluster, _worker) = one_node().await;
    let address = cluster.handle(0).mysql_addr.unwrap();
    let mut client = MysqlClient::login(address, "root@t1", b"").await.unwrap();
    for harmless in ["SET NAMES utf8mb4", "USE oceanbase", "BEGIN", "COMMIT"] {
        assert_eq!(client.query(harmless).await, Reply::Ok, "{harmless}");
    }
    assert_eq!(client.query("CREATE TABLE files TABLETS = 2").await, Reply::Ok, "the session's tenant is meant");
    let Reply::Rows { columns, rows } =
        client.query("SELECT TENANT_ID, TENANT_NAME FROM oceanbase.CDB_OB_TENANTS").await
    else {
        panic!("no rows")
    };
    assert_eq!(columns, ["TENANT_ID", "TENANT_NAME"]);
    cluster.sql(0, "CREATE TENANT t2 LOG_STREAMS = 1 REPLICAS = 1").await;
    let Reply::Rows { rows: own, .. } = client.query("SELECT TENANT_ID, TENANT_NAME FROM CDB_OB_TENANTS").await else {
        panic!("no rows")
    };
    assert_eq!(own, rows, "the session's tenant is seen, no other");
    assert_eq!(rows, [[Some("1002".to_owned()), Some("t1".to_owned())]]);
    assert!(MysqlClient::login(address, "root@nobody", b"").await.is_err(), "no such tenant");
    assert!(MysqlClient::login(address, "root@T1#cluster:1", b"").await.is_ok(), "names have no case");
    let Reply::Rows { rows, .. } = client.query("SELECT @@version_comment LIMIT 1").await else { panic!("no rows") };
    assert!(rows[0][0].as_ref().unwrap().contains("Strandline"));
    let Reply::Error { code, text } = client.query("ALTER SYSTEM EXPLODE").await else { panic!("not refused") };
    assert_eq!(code, 1064);
    assert!(text.contains("character 14") && text.contains("ARCHIVELOG"), "{text}");
    let Reply::Error { text, .. } = client.query("ALTER SYSTEM BACKUP DATABASE").await else { panic!("not refused") };
    assert!(text.starts_with("(-9040)"), "{text}");
    // After an error the connection goes on.
    assert!(matches!(client.query("SET x = 1").await, Reply::Error { text, .. } if text.contains("'x'")));
    let Reply::Error { code, .. } = client.query("SELECT @@no_such").await else { panic!("not refused") };
    assert_eq!(code, 1193, "MySQL's number for an unknown variable");
    assert!(matches!(client.query("SHOW GRANTS").await, Reply::Error { .. }));
    let variables = client.query("SHOW VARIABLES WHERE Variable_name IN ('max_allowed_packet', 'time_zone')").await;
    let text = |t: &str| Some(t.to_owned());
    assert_eq!(
        variables,
        Reply::Rows {
            columns: vec!["Variable_name".into(), "Value".into()],
            rows: vec![vec![text("max_allowed_packet"), text("65536")], vec![text("time_zone"), text("UTC")]],
        }
    );
    assert_eq!(client.query("SET autocommit=1, sql_mode=CONCAT(@@sql_mode,',X')").await, Reply::Ok);

    let other = MysqlClient::login(address, "root", b"").await.unwrap();
    assert_ne!(other.salt, client.salt, "every connection has a salt of its own");
    assert!(MysqlClient::login(address, "mallory", b"").await.is_err());
    assert!(MysqlClient::login(address, "root", &[1; 20]).await.is_err());
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mysql_client_is_told_the_types_of_columns_with_rows_and_without() {
    use ColumnType::{Double, Signed, Text, Unsigned};
    let (mut cluster, _worker) = one_node().await;
    let mut client = MysqlClient::login(cluster.handle(0).mysql_addr.unwrap(), "root", b"").await.unwrap();
    for (sql, count, types) in [
        ("SELECT TENANT_ID, TENANT_NAME FROM CDB_OB_TENANTS", 1, vec![Unsigned, Text]),
        ("SELECT TENANT_ID, TENANT_NAME FROM CDB_OB_TENANTS WHERE 1 = 0", 0, vec![Unsigned, Text]),
        ("SELECT JOB_ID, RESULT, STATUS FROM CDB_OB_BACKUP_JOBS", 0, vec![Unsigned, Signed, Text]),
        ("SELECT FILL_RATIO FROM CDB_STRANDLINE_ARCHIVE_SPOOL", 0, vec![Double]),
        ("SELECT COUNT(*), 1, 'x' FROM CDB_OB_BACKUP_JOBS", 1, vec![Signed, Signed, Text]),
        ("SELECT COUNT(*), 1, 'x' FROM CDB_OB_BACKUP_JOBS GROUP BY JOB_ID", 0, vec![Signed, Signed, Text]),
    ] {
        let Reply::Rows { rows, .. } = client.query(sql).await else { panic!("no rows: {sql}") };
        assert_eq!((rows.len(), client.types.clone()), (count, types), "{sql}");
    }
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_http_door_tells_health_readiness_and_figures() {
    let (mut cluster, _worker) = one_node().await;
    let address = cluster.handle(0).http_addr.unwrap();
    let get = |path: &'static str| async move {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    assert!(get("/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get("/readyz").await.starts_with("HTTP/1.1 200"));
    let figures = get("/metrics").await;
    assert!(figures.contains("strandline_scheduler_is_leader 1"), "{figures}");
    assert!(figures.contains("strandline_scheduler_workers{state=\"known\"} 1"), "{figures}");
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_answers_as_the_leader_does() {
    let mut cluster = Cluster::start(3).await;
    let _worker = FakeWorker::start(1, cluster.addresses());
    let follower = cluster.follower().await;
    cluster.wait_for(follower, "SELECT COUNT(*) FROM CDB_OB_SERVERS WHERE SVR_TYPE = 'WORKER'", "1").await;
    cluster.sql(follower, "CREATE TENANT t1 LOG_STREAMS = 2 REPLICAS = 1").await;
    assert!(cluster.refused(follower, "CREATE TENANT t1").await.what.contains("exist"));
    let request = strandline_proto::v1::TopologyRequest { tenant: "t1".into() };
    let topology = cluster.client(follower).await.topology(request).await.unwrap().into_inner();
    assert_eq!(topology.log_streams.len(), 3, "log streams 1, 1001 and 1002");
    assert_eq!((topology.workers.len(), topology.schedulers.len()), (1, 3));
    let request = strandline_proto::v1::TopologyRequest { tenant: "t9".into() };
    let topology = cluster.client(follower).await.topology(request).await.unwrap().into_inner();
    assert!(topology.failure.is_some_and(|f| f.object.contains("t9")));
    cluster.stop_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_never_log_in_do_not_keep_others_out() {
    let (mut cluster, _worker) = one_node().await;
    let address = cluster.handle(0).mysql_addr.unwrap();
    let mut silent = Vec::new();
    let Err(Reply::Error { code, text }) = (loop {
        // A command that is accepted gives no text.
        match MysqlClient::login(address, "root", b"").await {
            Ok(_) if silent.len() < 1000 => silent.push(TcpStream::connect(address).await.unwrap()),
            full => break full.map(drop),
        }
    }) else {
        panic!("{} clients, and none was told that there are too many", silent.len())
    };
    assert_eq!(code, 1040, "MySQL's number for it");
    assert!(text.contains("Too many connections"), "{text}");
    let (mut first, mut heard) = (silent.remove(0), Vec::new());
    let closed = tokio::time::timeout(Duration::from_secs(60), first.read_to_end(&mut heard)).await;
    closed.expect("a client that says nothing is closed").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(refused) = MysqlClient::login(address, "root", b"").await {
        assert!(Instant::now() < deadline, "{refused:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(silent);
    cluster.stop_all().await;
}
