//! One tenant, archived to S3, Azure, OSS and a directory at once, and compressed and encrypted to S3 once more. Replies
//! get lost after durable writes; the S3 store is killed, comes back, stands still. In the end every tree, copied to a
//! folder, is read by the second readers, and the tenant is restored from the folder to which the bucket was copied.
//!
//! S3 is s3s-fs and Azure is Azurite (scripts/test-servers.sh); OSS is the store in memory of the media's own tests.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strandline_chaos::cluster::{EventLog, LossyProxy, Oracle, Outcome, Patience, Site, Watch, Writers};
use strandline_chaos::cluster::{copies, jobs, readers, server_faults};
use strandline_cli::cluster::Cluster;
use strandline_engine::KvClient;
use strandline_media::testing::mini_store::{Conditions, MiniStore};
use strandline_media::testing::servers::{self, Server};
use strandline_types::Scn;

const TENANT: &str = "cloud";
const TABLE: &str = "numbers";
const LOG_STREAMS: usize = 2;
const WRITERS: usize = 2;
const PIECE_SECONDS: u64 = 10;
/// Numbers of the destinations.
const ALL: [u64; 5] = [0, 1, 2, 3, 4];
const NOT_ON_S3: [u64; 3] = [1, 2, 3];
/// Every so many-th reply to a writing of log gets lost, until so many of each store were.
const LOSE_EVERY: u64 = 3;
const LOST_ENOUGH: u64 = 8;
/// The store is away so long, and stands still so long.
const OUTAGE: Duration = Duration::from_secs(8);
const STANDSTILL: Duration = Duration::from_secs(6);
const ACKS_BETWEEN: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(90);
const SECRET: &str = "a secret of this test";

/// The stores, each behind a proxy that loses replies.
struct Stores {
    s3: Option<Server>,
    _azure: Arc<Server>,
    _oss: Arc<MiniStore>,
    proxies: [LossyProxy; 3],
    /// As statements name them: S3, Azure, OSS, directory, S3 packed.
    dests: [String; 5],
    data: String,
    key_source: String,
}

struct Bed {
    cluster: Cluster,
    writers: Writers,
    events: EventLog,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_lose_replies_die_and_stall_and_every_tree_is_whole_and_comes_back_from_a_copy() {
    if servers::needed("s3s-fs").is_none() || servers::needed("azurite-blob").is_none() {
        return;
    }
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    run(&site).await.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let events = EventLog::begin();
    let mut stores = Stores::start(site).await?;
    let cluster = site.cluster(1, "first", 1, 3).await?;
    jobs::make_tenant(&cluster, TENANT, LOG_STREAMS, TABLE).await?;
    let watch = Watch::start(bucket(site).join("archive"));
    let writers = Writers::start(&cluster.endpoints(), TENANT, TABLE, WRITERS, &watch).await?;
    jobs::archive_to(&cluster, TENANT, &stores.statements(), PIECE_SECONDS).await?;
    let mut bed = Bed { cluster, writers, events };
    bed.go_on(&ALL).await?;
    events.record("archived to five destinations");
    jobs::begin_backup_to(&bed.cluster, TENANT, &stores.data).await?;
    let min_restore = jobs::until_backed_up(&bed.cluster).await?;
    events.record("backed up to S3");

    bed.replies_get_lost(&stores).await?;
    bed.the_s3_store_dies_and_comes_back(site, &mut stores).await?;
    bed.the_s3_store_stands_still(&stores).await?;

    let (oracle, until) = bed.end().await?;
    let (medium, sightings) = watch.finish().unwrap_or_else(|broken| panic!("{broken}"));
    sightings.check(&medium).unwrap_or_else(|broken| panic!("{broken}"));
    every_tree_is_whole(site, &stores).await?;
    events.record("the second readers are done");
    assert!(until >= min_restore);
    back_from_the_copy(site, &oracle, until).await?;
    events.record(&format!("{} acknowledged writes came back from the copy of the bucket", oracle.acked().len()));
    Ok(())
}

impl Stores {
    async fn start(site: &Site) -> Outcome<Self> {
        let s3 = Server::s3_over(&site.directory("s3")?, None).expect("it was found just now");
        let azure = servers::azurite().expect("it was found just now");
        let oss = MiniStore::start(true, Conditions::Kept).await;
        let ports = [s3.port, azure.port, oss.port];
        let proxies = [
            LossyProxy::before(ports[0]).await?,
            LossyProxy::before(ports[1]).await?,
            LossyProxy::before(ports[2]).await?,
        ];
        let behind = |uri: String, n: usize| {
            uri.replace(&format!("127.0.0.1:{}", ports[n]), &format!("127.0.0.1:{}", proxies[n].port))
        };
        let key = site.path().join("secret");
        std::fs::write(&key, SECRET).expect("the site can be written to");
        let dests = [
            behind(s3.s3_uri("bucket", "archive"), 0),
            behind(azure.azure_uri("media", "archive").await, 1),
            behind(oss.uri("archive", ""), 2),
            format!("file://{}", site.archive().display()),
            behind(s3.s3_uri("bucket", "packed"), 0),
        ];
        let data = behind(s3.s3_uri("bucket", "data"), 0);
        let key_source = format!("file:{}", key.display());
        Ok(Self { s3: Some(s3), _azure: azure, _oss: oss, proxies, dests, data, key_source })
    }

    /// What LOG_ARCHIVE_DEST takes; the last is compressed and encrypted.
    fn statements(&self) -> Vec<String> {
        let mut all = self.dests.to_vec();
        all[4] = format!("{} COMPRESSION=zstd ENCRYPTION=aes256 KEY={}", all[4], self.key_source);
        all
    }
}

impl Bed {
    /// Everybody writes, and these destinations cover it.
    async fn go_on(&mut self, dests: &[u64]) -> Outcome<()> {
        self.writers.go_on(ACKS_BETWEEN).await?;
        jobs::until_covered(&mut self.cluster, dests, self.writers.scn()).await
    }

    async fn replies_get_lost(&mut self, stores: &Stores) -> Outcome<()> {
        let lost = || stores.proxies.each_ref().map(LossyProxy::lost);
        stores.proxies.iter().for_each(|proxy| proxy.lose_every(LOSE_EVERY));
        let patience = Patience::new(format!("{LOST_ENOUGH} replies of each store are lost"), PATIENCE);
        while lost().iter().any(|n| *n < LOST_ENOUGH) {
            self.go_on(&ALL).await?;
            patience.once_more(&format!("{:?}", lost())).await?;
        }
        stores.proxies.iter().for_each(|proxy| proxy.lose_every(0));
        self.go_on(&ALL).await?;
        self.events.record(&format!("{:?} replies to durable writes were lost (S3, Azure, OSS)", lost()));
        Ok(())
    }

    /// The other destinations go on meanwhile; the round on S3 says what is wrong and since when.
    async fn the_s3_store_dies_and_comes_back(&mut self, site: &Site, stores: &mut Stores) -> Outcome<()> {
        let port = stores.s3.take().map(|store| store.port);
        let until = Instant::now() + OUTAGE;
        self.until_the_round_says_why().await?;
        self.go_on(&NOT_ON_S3).await?;
        self.events.record("S3 is dead; its round says why, the others go on");
        tokio::time::sleep_until(until.into()).await;
        self.go_on(&NOT_ON_S3).await?;
        stores.s3 = Server::s3_over(&site.path().join("s3"), port);
        let back = Instant::now();
        self.go_on(&ALL).await?;
        self.events.record(&format!("S3 is back, and caught up {:.1} s later", back.elapsed().as_secs_f64()));
        Ok(())
    }

    async fn the_s3_store_stands_still(&mut self, stores: &Stores) -> Outcome<()> {
        let asleep = server_faults::pause(stores.s3.as_ref().expect("it is back").pid(), "s3s-fs")?;
        let until = Instant::now() + STANDSTILL;
        self.go_on(&NOT_ON_S3).await?;
        tokio::time::sleep_until(until.into()).await;
        drop(asleep);
        self.go_on(&ALL).await?;
        self.events.record("S3 stood still for a while, and the archive goes on");
        Ok(())
    }

    async fn until_the_round_says_why(&mut self) -> Outcome<()> {
        let mut admin = self.cluster.admin()?;
        let patience = Patience::new("the round on S3 says what is wrong", PATIENCE);
        loop {
            let rounds = admin.query("SELECT * FROM CDB_OB_ARCHIVELOG").await?;
            let row = (0..rounds.len()).find(|&row| rounds.number(row, "DEST_NO") == 0).expect("it has a round");
            let (status, comment) = (rounds.text(row, "STATUS"), rounds.text(row, "COMMENT"));
            assert_eq!(status, "DOING", "an outage ends no round: {comment}");
            if !comment.is_empty() {
                assert!(!comment.contains("access_key=sk"), "{comment}");
                self.events.record(&format!("the round says: {comment}"));
                return Ok(());
            }
            patience.once_more("nothing").await?;
        }
    }

    /// Everything that was acknowledged is covered everywhere, and all rounds are stopped.
    async fn end(mut self) -> Outcome<(Oracle, Scn)> {
        let oracle = self.writers.finish().await?;
        let last = *oracle.acked().last().expect("somebody wrote");
        jobs::until_covered(&mut self.cluster, &ALL, last).await?;
        jobs::stop_archive(&self.cluster, TENANT).await?;
        self.cluster.destroy()?;
        Ok((oracle, last))
    }
}

/// Each destination in a folder, and nothing for the second readers to complain of.
async fn every_tree_is_whole(site: &Site, stores: &Stores) -> Outcome<()> {
    let names = ["copied-s3", "copied-azure", "copied-oss", "copied-directory"];
    for (name, uri) in names.into_iter().zip(&stores.dests) {
        let folder = site.path().join(name);
        copies::copy(uri, &folder).await?;
        readers::check_archive(&folder).unwrap_or_else(|problems| panic!("{problems}"));
    }
    let (copied, exported) = (site.path().join("copied-packed"), site.path().join("exported-packed"));
    copies::copy(&stores.dests[4], &copied).await?;
    copies::export(site.program(), &format!("file://{}", copied.display()), &exported, &stores.key_source)?;
    readers::check_archive(&exported).unwrap_or_else(|problems| panic!("{problems}"));
    let data = site.path().join("copied-data");
    copies::copy(&stores.data, &data).await?;
    readers::check_data(&data).unwrap_or_else(|problems| panic!("{problems}"));
    Ok(())
}

/// Another cluster restores from the folders to which the bucket was copied; it knows no S3.
async fn back_from_the_copy(site: &Site, oracle: &Oracle, until: Scn) -> Outcome<()> {
    let mut cluster = site.cluster(2, "second", 1, 2).await?;
    let (data, archive) = (site.path().join("copied-data"), site.path().join("copied-s3"));
    jobs::begin_restore(&cluster, "again", &data, &archive, until).await?;
    jobs::until_restored(&mut cluster, "again").await?;
    let pairs = KvClient::connect(&cluster.endpoints(), "again").await?.scan(TABLE, b"", b"", 0).await?;
    let shown = oracle.check(until, pairs).unwrap_or_else(|differences| panic!("{differences}"));
    assert!(shown.open <= WRITERS, "{shown:?}");
    cluster.destroy()
}

/// The bucket, as it lies on this machine's disk.
fn bucket(site: &Site) -> PathBuf {
    site.path().join("s3/bucket")
}
