//! Scheduler nodes of one cluster in this process.

use super::until;
use std::path::PathBuf;
use strandline_proto::v1;
use strandline_proto::v1::admin_client::AdminClient;
use strandline_scheduler::{Listeners, PeerConfig, SchedulerConfig, SchedulerHandle, serve, serve_on};
use strandline_types::{Failure, limits};
use tempfile::TempDir;

/// Rows as text, NULL as "NULL".
#[derive(Clone, Debug, Default)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    pub info: String,
}

impl Table {
    /// The value of a column in a row.
    pub fn get(&self, row: usize, column: &str) -> String {
        let at = self.columns.iter().position(|c| c == column).unwrap_or_else(|| panic!("no column {column}"));
        self.rows[row][at].clone()
    }

    /// The one value of a one-row answer, if there is a row.
    pub fn first(&self) -> Option<String> {
        self.rows.first().map(|r| r[0].clone())
    }
}

pub struct Cluster {
    pub dir: TempDir,
    configs: Vec<SchedulerConfig>,
    bound: Vec<Option<Listeners>>,
    handles: Vec<Option<SchedulerHandle>>,
}

impl Cluster {
    pub async fn start(nodes: u64) -> Self {
        Self::start_in(TempDir::new().unwrap(), nodes).await
    }

    /// The same with the files below `dir`, where disks may be mounted already.
    pub async fn start_in(dir: TempDir, nodes: u64) -> Self {
        let mut cluster = Self::bind_in(dir, nodes).await;
        for node in 0..cluster.configs.len() {
            cluster.boot(node).await;
        }
        cluster
    }

    /// Nodes with their addresses, none of which runs yet.
    pub async fn bind(nodes: u64) -> Self {
        Self::bind_in(TempDir::new().unwrap(), nodes).await
    }

    async fn bind_in(dir: TempDir, nodes: u64) -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let mut listeners = Vec::new();
        let mut configs = Vec::new();
        for id in 1..=nodes {
            let mut config = SchedulerConfig {
                node_id: id,
                data_dir: dir.path().join(format!("scheduler{id}")),
                listen: any,
                mysql_listen: Some(any),
                http_listen: Some(any),
                peers: Vec::new(),
                cluster_id: 7,
                cluster_name: "testing".into(),
                tick_ms: 50,
            };
            let bound = Listeners::bind(&config).await.unwrap();
            config.listen = bound.grpc_addr().unwrap();
            listeners.push(bound);
            configs.push(config);
        }
        let peers: Vec<PeerConfig> =
            configs.iter().map(|c| PeerConfig { id: c.node_id, address: c.listen.to_string() }).collect();
        for config in &mut configs {
            config.peers.clone_from(&peers);
        }
        let handles = configs.iter().map(|_| None).collect();
        Self { dir, configs, bound: listeners.into_iter().map(Some).collect(), handles }
    }

    /// Starts a node for the first time.
    pub async fn boot(&mut self, node: usize) {
        let bound = self.bound[node].take().expect("it never ran");
        self.handles[node] = Some(serve_on(self.configs[node].clone(), bound).await.unwrap());
    }

    /// The disk of a stopped node is lost.
    pub async fn wipe(&mut self, node: usize) {
        assert!(self.handles[node].is_none());
        let disk = self.disk(node);
        until("the disk can be emptied", || async { std::fs::remove_dir_all(&disk).is_ok().then_some(()) }).await;
    }

    pub fn disk(&self, node: usize) -> PathBuf {
        self.configs[node].data_dir.clone()
    }

    pub fn config(&mut self, node: usize) -> &mut SchedulerConfig {
        &mut self.configs[node]
    }

    /// Status and body of a page of the HTTP server.
    pub async fn page(&self, node: usize, path: &str) -> (u16, String) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let address = self.handle(node).http_addr.unwrap();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Waits until a node is ready.
    pub async fn ready(&self, node: usize) {
        until("it is ready", || async { (self.page(node, "/readyz").await.0 == 200).then_some(()) }).await;
    }

    pub fn addresses(&self) -> Vec<String> {
        self.configs.iter().map(|c| c.listen.to_string()).collect()
    }

    pub fn handle(&self, node: usize) -> &SchedulerHandle {
        self.handles[node].as_ref().expect("the node runs")
    }

    /// Index of the leading node.
    pub async fn leader(&self) -> usize {
        until("a scheduler leader", || async {
            self.handles.iter().position(|h| h.as_ref().is_some_and(SchedulerHandle::is_leader))
        })
        .await
    }

    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        (0..self.handles.len()).find(|i| *i != leader && self.handles[*i].is_some()).expect("a follower runs")
    }

    pub async fn stop(&mut self, node: usize) {
        self.handles[node].take().expect("the node runs").shutdown().await;
    }

    pub async fn restart(&mut self, node: usize) {
        let config = self.configs[node].clone();
        // The files of the stopped node are released a moment after its last task.
        let handle = until("the stopped node's files and port", || async { serve(config.clone()).await.ok() }).await;
        self.handles[node] = Some(handle);
    }

    pub async fn stop_all(&mut self) {
        for node in 0..self.handles.len() {
            if self.handles[node].is_some() {
                self.stop(node).await;
            }
        }
    }

    /// A directory below the cluster's own, as a URI.
    pub fn dest(&self, name: &str) -> (PathBuf, String) {
        let path = self.dir.path().join(name);
        // A destination has to be there, as a mounted share is.
        std::fs::create_dir_all(&path).unwrap();
        let uri = format!("file://{}", path.display());
        (path, uri)
    }

    pub async fn client(&self, node: usize) -> AdminClient<tonic::transport::Channel> {
        let address = format!("http://{}", self.configs[node].listen);
        AdminClient::connect(address).await.unwrap().max_decoding_message_size(limits::GRPC_MESSAGE_BYTES_MAX)
    }

    pub async fn try_sql(&self, node: usize, statement: &str) -> Result<Table, Failure> {
        let request = v1::SqlRequest { statement: statement.into(), ..Default::default() };
        let reply = self.client(node).await.sql(request).await.unwrap().into_inner();
        if let Some(failure) = reply.failure {
            return Err(failure.into());
        }
        let text = |c: v1::Cell| match c.value {
            None => "NULL".to_owned(),
            Some(v1::cell::Value::Integer(n)) => n.to_string(),
            Some(v1::cell::Value::Unsigned(n)) => n.to_string(),
            Some(v1::cell::Value::Real(r)) => r.to_string(),
            Some(v1::cell::Value::Text(t)) => t,
        };
        let rows = reply.rows.into_iter().map(|r| r.cells.into_iter().map(text).collect()).collect();
        Ok(Table { columns: reply.columns, rows, info: reply.info })
    }

    pub async fn sql(&self, node: usize, statement: &str) -> Table {
        self.try_sql(node, statement).await.unwrap_or_else(|f| panic!("{statement}: {f}"))
    }

    pub async fn refused(&self, node: usize, statement: &str) -> Failure {
        self.try_sql(node, statement).await.err().unwrap_or_else(|| panic!("{statement} was not refused"))
    }

    /// Polls a one-value query until it gives `wanted`.
    pub async fn wait_for(&self, node: usize, query: &str, wanted: &str) {
        let mut last = String::new();
        let seen = until(&format!("{query} to be {wanted}"), || async {
            let found = self.try_sql(node, query).await.ok().and_then(|t| t.first()).unwrap_or_default();
            (found == wanted || ["FAILED", "RESTORE_FAIL", "FAIL"].contains(&found.as_str())).then_some(found)
        })
        .await;
        if seen != wanted {
            for view in
                ["CDB_STRANDLINE_WAITING", "CDB_OB_BACKUP_JOBS", "CDB_OB_BACKUP_JOB_HISTORY", "CDB_OB_RESTORE_HISTORY"]
            {
                last += &format!("{view}: {:?}\n", self.try_sql(node, &format!("SELECT * FROM {view}")).await);
            }
        }
        assert_eq!(seen, wanted, "{query}\n{last}");
    }
}
